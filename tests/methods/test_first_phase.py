"""The first neuron phase: what arms have in common is the same bit for bit, and trained once."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from pbgraph.files.state_file import load_state
from pbgraph.methods import first_phase
from pbgraph.methods.base import METHODS, PairedRun
from pbgraph.models.base import MODELS
from pbgraph.testing.methods import job_of

pytestmark = pytest.mark.lengthy

OWN_NETWORK = ("widened", "widened-continued")  # unless the paired run kept no dendrite
GROWING = ("perforated", "unperforated", "gd-dendrites", "random-dendrites")
NETWORKS = {
    "gin": {"layers": 2},
    "trimnet": {"hidden": 8, "heads": 2, "depth": 1, "output_hidden": 16, "dropout": 0.2},
}


def job(name: str, network: str = "gin", folder: Path | None = None, **settings):
    """A short job of this method for the network, which keeps first phases in the folder."""
    method, model = METHODS.get(name), MODELS.get(network)
    made, paired = job_of(method), None
    if made.paired is not None:
        pair = METHODS.get(method.control_of).fit(job(method.control_of, network, **settings))
        paired = PairedRun(pair.parameters, pair.history, pair.details)
    return replace(
        made,
        paired=paired,
        model=model,
        config=model.config(**NETWORKS[network]),
        settings=replace(made.settings, **settings),
        first_phases=folder,
    )


def networks() -> list[str]:
    return [name for name in METHODS if METHODS.get(name).refuses(MODELS.get("gin")) is None]


def said(fitted, made) -> tuple:
    """All of a run that its record is made of, but its seconds."""
    correlations = {site: tuple(values) for site, values in fitted.correlations.items()}
    facts = fitted.selection, fitted.history, fitted.epochs, fitted.parameters, fitted.details, correlations
    return *facts, fitted.dendrites, fitted.predict(made.valid).tobytes()


@pytest.fixture
def taken(monkeypatch) -> list[bool]:
    """For every run, whether it began after a first phase of another."""
    found, known = [], first_phase.known

    def noted(*arguments, **ends):
        first = known(*arguments, **ends)
        found.append(first is not None)
        return first

    monkeypatch.setattr(first_phase, "known", noted)
    return found


IN_EVERY_TIER = {("perforated", "gin"), ("continued", "gin")}
OF_EACH = [
    pytest.param(*both, marks=[] if both in IN_EVERY_TIER else [pytest.mark.thorough])
    for both in product(networks(), ("gin", "trimnet"))
]


@pytest.mark.parametrize(("name", "network"), OF_EACH)
def test_a_run_that_begins_after_it_comes_to_the_same(name, network, tmp_path, taken):
    fit = METHODS.get(name).fit
    alone = said(fit(job(name, network)), job(name, network))
    METHODS.get("backprop").fit(job("backprop", network, tmp_path))
    before = taken.copy()
    assert said(fit(job(name, network, tmp_path)), job(name, network)) == alone
    assert any(taken[len(before) :]) or name in OWN_NETWORK


@pytest.mark.thorough
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", [*GROWING, "continued"])
def test_whoever_is_first_leaves_the_same(name, network, tmp_path):
    left = []
    for one in ("backprop", name):
        METHODS.get(one).fit(job(one, network, tmp_path / one))
        (path,) = (tmp_path / one).iterdir()
        left.append((path.name, load_state(path)))
    (mine, his), (other, its) = left
    assert mine == other
    assert his["lines"] == its["lines"]
    assert list(his["weights"]) == list(its["weights"])
    assert all(torch.equal(his["weights"][weight], its["weights"][weight]) for weight in his["weights"])


@pytest.mark.parametrize("damage", ["other code", "damaged"])
def test_a_checkpoint_that_cannot_be_used_leaves_the_run_at_its_beginning(damage, tmp_path, taken):
    checkpoint = tmp_path / "state.safetensors"
    fit, mine = (
        METHODS.get("perforated").fit,
        replace(job("perforated", folder=tmp_path / "first"), checkpoint=checkpoint),
    )
    alone = said(fit(job("perforated")), mine)
    fit(replace(mine, code="other", first_phases=None))
    assert checkpoint.exists()
    if damage == "damaged":
        checkpoint.write_bytes(b"not a state")
    METHODS.get("backprop").fit(job("backprop", folder=tmp_path / "first"))
    assert said(fit(mine), mine) == alone
    assert taken[-1]


@pytest.mark.thorough
@pytest.mark.parametrize("restart", ["end", 0.1])
@pytest.mark.parametrize("name", ["perforated", "continued"])
def test_later_cycles_restart_as_they_would(name, restart, tmp_path):
    fit = METHODS.get(name).fit
    settings = {"restart": restart, "schedule": "cosine", "warmup_epochs": 1.0}
    alone = said(fit(job(name, **settings)), job(name))
    METHODS.get("backprop").fit(job("backprop", folder=tmp_path, schedule="cosine", warmup_epochs=1.0))
    assert said(fit(job(name, folder=tmp_path, **settings)), job(name)) == alone


def test_options_of_growth_that_look_at_the_first_phase_see_it(tmp_path, taken):
    settings = {"accept_margin": 1.0, "max_dendrites": 2, "max_tries": 2}
    fit = METHODS.get("perforated").fit
    alone = said(fit(job("perforated", **settings)), job("perforated"))
    METHODS.get("backprop").fit(job("backprop", folder=tmp_path))
    assert said(fit(job("perforated", folder=tmp_path, **settings)), job("perforated")) == alone
    assert taken == [False, False, True]


def test_one_that_ends_elsewhere_is_not_taken(tmp_path, taken):
    fit = METHODS.get("perforated").fit
    METHODS.get("backprop").fit(job("backprop", folder=tmp_path))
    alone = said(fit(job("perforated", grow_at=1)), job("perforated"))
    assert said(fit(job("perforated", folder=tmp_path, grow_at=1)), job("perforated")) == alone
    assert said(fit(job("perforated", folder=tmp_path, grow_at=1)), job("perforated")) == alone
    assert taken == [False, False, False, True]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "change", [{"learning_rate": 5e-3}, {"batch_size": 32}, {"weight_decay": 0.1}, {"epochs": 4}, {"head_rate": 2.0}]
)
def test_other_settings_of_training_have_their_own(change, tmp_path, taken):
    fit = METHODS.get("backprop").fit
    fit(job("backprop", folder=tmp_path))
    fit(job("backprop", folder=tmp_path, **change))
    fit(replace(job("backprop", folder=tmp_path), seed=69))
    fit(replace(job("backprop", folder=tmp_path), config=MODELS.get("gin").config(layers=1)))
    assert taken == [False] * 4


def test_its_seconds_count(tmp_path):
    METHODS.get("backprop").fit(job("backprop", folder=tmp_path))
    (path,) = tmp_path.iterdir()
    again = METHODS.get("backprop").fit(job("backprop", folder=tmp_path))
    assert again.earlier_seconds == load_state(path)["seconds"] > 0
    assert again.sittings == 1


def test_a_run_that_was_interrupted_goes_on_from_where_it_was(tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    fit = METHODS.get("backprop").fit
    mine = replace(job("backprop", folder=tmp_path / "first"), checkpoint=tmp_path / "key.safetensors")
    with pytest.raises(KeyboardInterrupt):
        fit(replace(mine, report=stop))
    fit(job("backprop", folder=tmp_path / "first"))
    resumed = fit(mine)
    assert resumed.sittings == 2
    assert said(resumed, mine) == said(fit(job("backprop")), mine)


def test_what_cannot_be_read_is_trained_again(tmp_path, caplog):
    fit = METHODS.get("backprop").fit
    alone = said(fit(job("backprop", folder=tmp_path)), job("backprop"))
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert said(fit(job("backprop", folder=tmp_path)), job("backprop")) == alone
    assert "not used" in caplog.text
    load_state(path)  # it has been replaced


def test_a_folder_that_cannot_be_made_costs_a_warning(tmp_path, caplog):
    (tmp_path / "first").write_text("a file")
    METHODS.get("backprop").fit(job("backprop", folder=tmp_path / "first"))
    assert "a first phase is not kept" in caplog.text


def test_the_files_that_were_used_longest_ago_make_room(tmp_path, monkeypatch):
    fit, folder = METHODS.get("backprop").fit, tmp_path / "data"
    for age, seed in enumerate((1, 2, 3)):
        fit(replace(job("backprop", folder=folder), seed=seed))
        for path in folder.iterdir():
            os.utime(path, (path.stat().st_mtime - 10, path.stat().st_mtime - 10))
        assert len(list(folder.iterdir())) == age + 1
    ordered = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    monkeypatch.setattr(first_phase, "LARGEST", sum(path.stat().st_size for path in ordered[-2:]))
    first_phase._make_room(tmp_path)
    assert sorted(folder.iterdir()) == sorted(ordered[-2:])


@pytest.mark.parametrize("patience", [1, 2, 5, None])
def test_the_length_is_that_of_a_loop(patience):
    for seed in range(50):
        scores = np.random.default_rng(seed).integers(0, 4, 6).tolist()
        best, stale, epochs = None, 0, 0
        while epochs < len(scores) and (patience is None or stale < patience):
            better = best is None or scores[epochs] > best
            best, stale = (scores[epochs], 0) if better else (best, stale + 1)
            epochs += 1
        assert first_phase.length(scores, longest=6, patience=patience) == epochs
