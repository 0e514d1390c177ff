"""Scores of test rows by similarity to training, against their definition, row by row."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_records import PROVENANCE, arms, make_record
from own_tables import write
from pbgraph import bench
from pbgraph.datasets.load import load
from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.errors import DataError
from pbgraph.features.nearness import Nearness
from pbgraph.metrics import ROC_AUC
from pbgraph.probabilities import of_logits
from pbgraph.report import by_similarity as module
from pbgraph.report.by_similarity import BANDS, BySimilarity, bands_of, by_similarity
from pbgraph.report.similarity_formats import to_csv, to_latex, to_markdown
from pbgraph.report.tables import make_table
from pbgraph.results.described import keep
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import kept_scores, write_predictions
from pbgraph.splits import SPLITS
from typesetting import troubles, typeset

pytestmark = pytest.mark.lengthy

ARMS = arms("gin/backprop:features=graph+descriptors,head=packed", "features-only/backprop:features=graph+descriptors")
SEEDS = (1, 2)


class Made:
    """A results folder with finished runs of two arms on a table of 120 molecules."""

    def __init__(self, folder: Path) -> None:
        self.results = ResultsFolder(folder / "results")
        self.task = describe(write(folder), smiles="SMILES", targets=["toxic", "even"], id="name")
        keep(self.task, self.results)
        self.molecules = load(to_dataset(self.task))
        self.splits = {seed: SPLITS.get("random").split(self.molecules, seed) for seed in SEEDS}
        self.scores = {(arm, seed): self._scores(seed, place) for place, arm in enumerate(ARMS) for seed in SEEDS}
        self.records = [self._record(arm, seed) for arm in ARMS for seed in SEEDS]

    def _scores(self, seed: int, place: int) -> np.ndarray:
        noise = np.random.default_rng(10 * seed + place).normal(size=self.molecules.y.shape)
        return np.nan_to_num(self.molecules.y) * (2 - place) + noise

    def again(self, seed: int, on: int):
        """Further runs of both arms, on the split of another seed."""
        for place, arm in enumerate(ARMS):
            self.scores[arm, seed] = self._scores(seed, place)
        return [self._record(arm, seed, on) for arm in ARMS]

    def _record(self, arm, seed, on=None):
        split, score = self.splits[on or seed], self.scores[arm, seed]
        provenance = replace(PROVENANCE, split_sha256=split.sha256, data_sha256=self.task.sha256)
        record = make_record(arm, seed, 0.8, task=self.task.name, provenance=provenance)
        record = replace(record, spec=replace(record.spec, split_seed=on or seed))
        path = self.results.predictions_path(record.spec)
        kept = kept_scores(of_logits(score[split.test]), "classification")
        digest = write_predictions(path, self.molecules.y[split.test], kept, tasks=self.molecules.tasks)
        record = replace(record, predictions=path.name, predictions_sha256=digest)
        self.results.write(record)
        return record

    def view(self, records=None) -> BySimilarity:
        records = records or self.records
        return by_similarity(make_table(records, arms=ARMS, seeds=SEEDS), records, self.results, self.molecules)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return Made(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def view(made) -> BySimilarity:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RESAMPLES", 100)
        return made.view()


def by_definition(made: Made, seed: int) -> list[np.ndarray]:
    """The test rows of each band."""
    split = made.splits[seed]
    near = module.nearness(made.molecules, split.test, split.train)
    measured = ~np.isnan(made.molecules.y[split.test]).all(1)
    band = np.array(bands_of(near))
    return [*(split.test[measured & (band == number)] for number in range(4)), split.test[measured]]


def score(made: Made, arm, seed: int, rows: np.ndarray) -> float | None:
    y, scores = made.molecules.y[rows].astype(float), made.scores[arm, seed][rows]
    defined = [value for t in range(2) if (value := ROC_AUC.score(y[:, t], scores[:, t])) is not None]
    return float(np.mean(defined)) if defined else None


def test_scores_are_means_over_targets_and_then_over_seeds(made, view):
    for row in view.rows:
        for number, found in enumerate(row.bands):
            values = [score(made, row.arm, seed, by_definition(made, seed)[number]) for seed in SEEDS]
            defined = [value for value in values if value is not None]
            if not defined:
                assert found is None
                continue
            assert found.mean == pytest.approx(np.mean(defined))
            assert (found.sd is None) == (len(defined) < 2)
    assert [row.seeds for row in view.rows] == [2, 2]


def test_a_split_counts_once_as_in_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RESAMPLES", 100)
    made = Made(tmp_path)
    records = [*made.records, *made.again(1001, on=1)]
    scored = []
    for record in records:
        rows = by_definition(made, record.spec.split_seed)[-1]
        found = replace(
            record.scores["test"], metrics={"roc_auc": score(made, record.spec.arm, record.spec.seed, rows)}
        )
        scored.append(replace(record, scores={**record.scores, "test": found}))
    table = make_table(scored, arms=ARMS, seeds=(*SEEDS, 1001))
    view = by_similarity(table, scored, made.results, made.molecules)
    for row, of_table in zip(view.rows, table.rows, strict=True):
        mean, sd = row.bands[-1].mean, row.bands[-1].sd
        assert (mean, sd) == pytest.approx((of_table.metrics["roc_auc"].mean, of_table.metrics["roc_auc"].sd))
        one, two, again = (
            score(made, row.arm, seed, by_definition(made, on)[-1]) for seed, on in ((1, 1), (2, 2), (1001, 1))
        )
        assert mean == pytest.approx(((one + again) / 2 + two) / 2) != pytest.approx((one + two + again) / 3)
    ((pair,), (compared,)) = view.pairs, table.comparisons
    assert pair.bands[-1][0] == pytest.approx(compared.mean)
    assert "| runs |" in to_markdown(view)
    assert "| seeds |" in to_markdown(made.view())


def test_it_is_said_what_scores_are_of(made, view):
    assert [band.name for band in view.bands] == list(BANDS)
    for number, band in enumerate(view.bands):
        rows = [by_definition(made, seed)[number] for seed in SEEDS]
        assert band.molecules == np.mean([len(each) for each in rows])
        both = [[t for t in range(2) if len(np.unique(made.molecules.y[each, t])) > 1] for each in rows]
        assert band.targets <= np.mean(list(map(len, both)))  # of which NaN is a third value
        assert band.positives is not None
    assert sum(band.molecules for band in view.bands[:-1]) == view.bands[-1].molecules > 10


def test_pairs_are_those_of_the_table_and_have_intervals(view):
    (pair,) = view.pairs
    assert (pair.a, pair.b) == ARMS
    difference, interval = pair.bands[-1]
    a, b = (row.bands[-1].mean for row in view.rows)
    assert difference == pytest.approx(a - b)
    assert interval.low <= interval.high
    assert interval.low < difference < interval.high


def test_bands_are_disjoint_and_begin_where_they_say():
    near = Nearness((1.0, 0.8, np.nextafter(0.8, 0), 0.5, np.nextafter(0.5, 0), 0.0, 0.2), (True, *[False] * 5, True))
    assert bands_of(near) == [0, 1, 2, 2, 3, 3, 0]


def test_another_split_than_was_recorded_is_refused(made):
    other = [replace(one, provenance=replace(one.provenance, split_sha256="0" * 64)) for one in made.records]
    with pytest.raises(DataError, match=r"split random, seed 1, of my-.* is not the one that its runs were made with"):
        made.view(other)


def test_every_form_has_every_arm_and_band(view):
    text = to_markdown(view)
    assert "by similarity to training" in text
    assert "| targets scored, of 2" in text
    assert all(f" {band} |" in text for band in BANDS)
    lines = list(csv.DictReader(io.StringIO(to_csv(view))))
    assert len(lines) == len(ARMS) * len(BANDS)
    assert float(lines[4]["roc_auc"]) == view.rows[0].bands[-1].mean


@pytest.mark.lengthy
@pytest.mark.parametrize("encoding", ["T1", "OT1"])
def test_latex_is_typeset_and_fits(view, encoding, tmp_path):
    text = to_latex(view)
    assert all(f"{{{band}}}" in text or band.split()[0] in text for band in BANDS)
    assert not troubles(typeset(text, tmp_path, encoding))


def test_from_the_command_line(made, capsys, monkeypatch):
    monkeypatch.setattr(module, "RESAMPLES", 20)
    words = ["table", made.task.name, "--results", str(made.results.root), "--seeds", "1-2", "--by-similarity"]
    assert bench.main(words) == 0
    assert "shares a parent compound" in capsys.readouterr().out
    assert bench.main([*words, "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("protocol,task,split,preset,model,method,variant,seeds,band,")
    assert bench.main([*words, "--format", "json"]) == 2
    assert "scores by similarity have md, tex, csv" in capsys.readouterr().err
    assert bench.main([*words, "--metric", "mcc"]) == 2
    assert "--metric is of the table itself; leave it out, or --by-similarity" in capsys.readouterr().err
    assert bench.main(["table", "tox21", "--study", "compression", "--by-similarity"]) == 2
    assert "leave --study out" in capsys.readouterr().err


def test_predictions_that_are_not_there_are_named(made, capsys, tmp_path):
    path = made.results.predictions_path(made.records[0].spec)
    content = path.read_bytes()
    path.unlink()
    try:
        words = ["table", made.task.name, "--results", str(made.results.root), "--seeds", "1-2", "--by-similarity"]
        assert bench.main(words) == 3
    finally:
        path.write_bytes(content)
    assert f"{path} is not there" in capsys.readouterr().err


def test_places_and_their_agreement_with_all_rows_are_said(view):
    means = [[score and score.mean for score in row.bands] for row in view.rows]
    for column, (a, b) in enumerate(zip(*means, strict=True)):
        places = [row[column] for row in view.places]
        known = [mean for mean in (a, b) if mean is not None]
        assert places == [None if mean is None else 1 + sum(other > mean for other in known) for mean in (a, b)]
    assert view.agreement[-1] == 1.0
    assert all(tau is None or abs(tau) == 1.0 for tau in view.agreement)
    assert "| agreement with all " in to_markdown(view)
    assert "agreement with all" in to_latex(view)
    lines = list(csv.DictReader(io.StringIO(to_csv(view))))
    assert [line["place"] for line in lines[4::5]] == [str(row[4]) for row in view.places]
