from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from made_records import PROVENANCE, arms, make_record
from pbgraph.errors import DataError, UsageError
from pbgraph.execution.origins import Origins
from pbgraph.execution.provenance import provenance
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.models.gin import GIN
from pbgraph.plans.plan import plan, plan_study
from pbgraph.plans.presets import preset
from pbgraph.plans.registering import registration_of
from pbgraph.registry import Registry
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.record_file import formatted
from pbgraph.results.registered import (
    ADDED,
    Judged,
    Registration,
    how_declared,
    read_registration,
    register,
    registrations,
)
from pbgraph.verify.findings import Findings
from pbgraph.verify.registrations import check_registrations

JUDGED = Judged(seeds=(1,), margin=0.01, usual=0.01, primary=(), compared=(), complete=())
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def record(minutes: int, arm="gin/backprop", seed=1):
    """A run that took a minute and was over so many minutes after noon."""
    written = (NOON + timedelta(minutes=minutes)).isoformat()
    return make_record(arm, seed, 0.8, provenance=replace(PROVENANCE, created=written))


def registration(*records, minutes=0, **changes):
    made = Registration(
        name="wider",
        task="tox21",
        split="random",
        seeds=(1,),
        arms=("gin/backprop",),
        keys=tuple(sorted(one.key for one in records)),
        margin=None,
        plan="",
        created=(NOON + timedelta(minutes=minutes)).isoformat(),
        pbgraph="0",
        commit="c",
        dirty=False,
    )
    return replace(made, **changes)


@pytest.fixture
def results(tmp_path):
    return ResultsFolder(tmp_path)


def test_what_is_registered_is_there_again(results):
    path, written = register(results, registration(record(5)))
    assert path == results.root / "registered" / f"wider-{written.declared}.json"
    assert registrations(results) == [written] == [read_registration(path)]
    assert written.id


def test_the_same_plan_is_registered_once(results):
    first = register(results, registration(record(5)))
    assert register(results, registration(record(5), minutes=60, name="other")) == first
    register(results, registration(record(5), margin=0.1))
    assert len(registrations(results)) == 2


def test_what_was_edited_is_left_out(results, caplog):
    path, _ = register(results, registration(record(5), minutes=30))
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "created": NOON.isoformat()}))
    with pytest.raises(DataError, match="was edited or renamed"):
        read_registration(path)
    assert registrations(results) == []
    assert "was edited" in caplog.text
    for text in ("", "[]", '{"name": 3}', json.dumps({**said, "created": "yesterday"})):
        path.write_text(text)
        with pytest.raises(DataError, match="is no registered plan"):
            read_registration(path)


def test_runs_that_began_after_their_registration_are_confirmatory():
    runs = [record(5), record(3, seed=2)]
    said = how_declared(runs, [registration(*runs)], JUDGED)
    assert said.startswith("confirmatory: plan wider")
    assert how_declared(runs[:1], [registration(*runs)], JUDGED).startswith("confirmatory")


@pytest.mark.parametrize("minutes", [0, 1, 2])
def test_runs_that_had_begun_before_are_exploratory(minutes):
    """A run of a minute that is over two minutes after noon began at 12:01."""
    runs = [record(2), record(9, seed=2)]
    said = how_declared(runs, [registration(*runs, minutes=minutes)], JUDGED)
    assert said.startswith("confirmatory" if minutes <= 1 else "exploratory: plan wider")


@pytest.mark.parametrize(("milliseconds", "said"), [(300, "confirmatory"), (500, "exploratory")])
def test_what_happens_within_one_second_is_told_apart(milliseconds, said):
    """The run is over 0.9 s after noon and took 0.5 s."""
    at = [(NOON + timedelta(milliseconds=number)).isoformat(timespec="milliseconds") for number in (900, milliseconds)]
    run = make_record("gin/backprop", 1, 0.8, provenance=replace(PROVENANCE, created=at[0]))
    run = replace(run, cost=replace(run.cost, seconds=0.5))
    words = how_declared([run], [registration(run, created=at[1])], JUDGED)
    assert words.startswith(said)
    assert "was registered 2026-01-01T12:00:00+00:00" in words


def test_registrations_and_records_have_times_to_the_millisecond(registered):
    _, made = registered
    assert made.created == datetime.fromisoformat(made.created).isoformat(timespec="milliseconds")
    record = provenance(device="cpu", molecules=None, featuriser="", split_sha256="", origins=Origins())
    assert record.created == datetime.fromisoformat(record.created).isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    ("here", "declared", "said"),
    [
        ({}, {}, ""),
        ({"margin": 0.02, "usual": 0.01}, {"margin": 0.02}, ""),
        ({"compared": [("a", "b"), ("c", "d")], "complete": [("a", "b")]}, {"compared": (("a", "b"),)}, ""),
        ({"seeds": (1, 2)}, {}, "seeds 1"),
        ({"seeds": (1,)}, {"seeds": (1, 2, 3)}, "seeds 1-3"),
        ({"margin": 0.005}, {}, "a margin of 0.01"),
        ({}, {"margin": 0.005}, "a margin of 0.005"),
        ({"primary": ("a", "b")}, {}, "no primary comparison"),
        ({"compared": [("a", "b")], "complete": [("a", "b")]}, {"left_out": "none"}, "no comparison"),
        ({"primary": ("a", "b")}, {"primary": ("b", "a")}, "the primary comparison b - a"),
        (
            {"compared": [("a", "b")]},
            {"compared": (("a", "b"), ("c", "d"))},
            "2 comparisons at once, of which 1 are not judged here",
        ),
    ],
)
def test_what_is_judged_otherwise_than_declared_is_exploratory(here, declared, said):
    run = record(5)
    words = how_declared([run], [registration(run, **declared)], replace(JUDGED, **here))
    assert words.startswith("exploratory: plan wider" if said else "confirmatory: plan wider")
    assert not said or words.endswith(f", before the first run, for {said}")


def test_a_plan_is_confirmatory_as_far_as_its_comparisons_have_all_their_runs():
    run, pairs = record(5), (("a", "b"), ("c", "d"))
    plans = [registration(run, compared=pairs)]
    for complete, said in (
        (pairs, "confirmatory: plan wider"),
        (pairs[:1], "confirmatory for 1 of 2 comparisons, as many as have all their runs: plan wider"),
        ((), "not confirmatory yet, since none of the 2 comparisons has all its runs: plan wider"),
    ):
        assert how_declared([run], plans, replace(JUDGED, compared=pairs, complete=complete)).startswith(said)


def test_runs_that_no_plan_has_are_exploratory():
    runs = [record(5), record(6, seed=2)]
    assert how_declared(runs, [], JUDGED) == "exploratory: no registered plan has these runs"
    assert how_declared(runs, [registration(runs[0])], JUDGED) == "exploratory: no registered plan has these runs"


def test_of_several_plans_one_beforehand_will_do():
    runs = [record(5)]
    late, early = registration(*runs, minutes=60), registration(*runs, name="early")
    assert "early" in how_declared(runs, [late, early], JUDGED)


@pytest.fixture
def registered(results):
    """A plan that is registered as the command does it, and its file."""
    declared = plan("tox21", "smoke", models=["gin"], methods=["backprop"])
    return register(results, registration_of(declared, commit="c", dirty=False))


def test_verify_finds_nothing_wrong_with_a_registered_plan_or_with_a_study(results, registered):
    assert check_registrations(ResultsFolder(results.root / "other")).counts == {}
    declared = plan_study("tox21", "compression")
    register(results, registration_of(declared, commit="c", dirty=False))
    said = check_registrations(results)
    assert (said.counts, said.wrong) == ({"registered plans": 2}, ())


def test_what_is_compared_and_what_it_is_all_for_is_registered(results):
    declared = replace(preset("smoke"), primary=arms("trimnet/perforated", "trimnet/backprop"))
    made = plan("tox21", declared, methods=["backprop", "perforated", "continued"])
    path, said = register(results, registration_of(made, commit="c", dirty=False))
    assert said.primary == said.compared[0] == ("trimnet/perforated", "trimnet/backprop")
    assert ("trimnet/perforated", "trimnet/continued") in said.compared
    assert said.left_out.startswith("none")
    assert check_registrations(results).wrong == ()
    assert register(results, replace(said, primary=())) != (path, said)
    path.write_bytes(formatted(msgspec.to_builtins(replace(said, primary=said.primary[::-1]).sealed())))
    assert "was edited or renamed" in check_registrations(results).wrong[0]
    other = said.plan.replace('primary = ["trimnet/perforated"', 'primary = ["trimnet/continued"')
    path.write_bytes(formatted(msgspec.to_builtins(replace(said, plan=other).sealed())))
    assert "its primary comparison is ('trimnet/perforated'," in check_registrations(results).wrong[0]


def test_runs_that_had_been_begun_are_known_however_they_end(results):
    """A pause is not among the seconds that a run took, so that one that was gone on with looks as if begun then."""
    saved, finished, new = (record(5, seed=seed) for seed in (1, 2, 3))
    path = results.checkpoint_path(saved.spec)
    path.parent.mkdir()
    path.write_bytes(b"")
    results.write(finished)
    _, made = register(results, registration(saved, finished, new))
    assert made.begun == tuple(sorted([saved.key, finished.key]))
    assert how_declared([new], [made], JUDGED).startswith("confirmatory")
    for run in (saved, finished):
        assert "after the first of these runs had begun" in how_declared([run, new], [made], JUDGED)


@pytest.mark.parametrize("hidden", [".trash/2026", ".aside/0123-4567"])
def test_runs_that_were_moved_away_had_been_begun(results, hidden):
    seen = record(5)
    ResultsFolder(results.root / hidden).write(seen)
    _, made = register(results, registration(seen))
    assert made.begun == (seen.key,)
    assert "after the first of these runs had begun" in how_declared([seen], [made], JUDGED)


def test_what_else_the_same_runs_were_declared_for_is_said():
    run = record(5)
    plans = [registration(run), registration(run, margin=0.2, name="generous"), registration(run, name="twin")]
    words = how_declared([run], plans, JUDGED)
    assert words.startswith("confirmatory: plan wider")
    assert "; some of these runs are declared otherwise as well, by plan generous (" in words
    assert "twin" not in words


def test_a_plan_cannot_be_registered_for_an_arm_that_it_does_not_come_to_have():
    declared = replace(preset("smoke"), primary=arms("trimnet/perforated", "trimnet/backprop:hidden=7"))
    with pytest.raises(UsageError, match=r"it has no trimnet/backprop:hidden=7; it has .*trimnet/perforated"):
        plan("tox21", declared)


def test_files_of_before_these_were_said_are_as_whole_as_they_were(results):
    """Their hashes are of the fields that there were."""
    made = registration(record(5))
    said = {name: value for name, value in msgspec.to_builtins(made).items() if name not in ADDED}
    said["id"] = sha256(canonical_json(said))
    path = results.root / "registered" / f"wider-{made.declared}.json"
    path.parent.mkdir()
    path.write_text(json.dumps(said))
    assert read_registration(path) == made.sealed()


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda made: replace(made, created="2000-01-01T00:00:00+00:00"), "was edited or renamed"),
        (lambda made: replace(made, margin=0.5).sealed(), "was edited or renamed"),
        (
            lambda made: replace(made, plan=made.plan.replace("68", "69")).sealed(),
            r"its seeds is .68., .* .69.",
        ),
        (lambda made: replace(made, plan=made.plan.replace("gin", "gcn")).sealed(), r"its arms is \['gin/backprop'\]"),
        (lambda made: replace(made, plan="[").sealed(), "is not TOML"),
    ],
)
def test_verify_names_a_registered_plan_that_is_not_as_it_was(results, registered, change, wrong):
    path, made = registered
    path.write_bytes(formatted(msgspec.to_builtins(change(made))))
    (line,) = check_registrations(results).wrong
    assert line.startswith((str(path), f"plan {path}"))
    assert re.search(wrong, line)


@pytest.fixture
def rewritten(results):
    """A function that registers a plan with changes, its hash and its name made for these; what verify says of it."""
    declared = plan("tox21", "smoke", models=["gin"], methods=["backprop", "perforated"], seeds=[68, 69])
    made = registration_of(declared, commit="c", dirty=False)

    def checked(change):
        register(results, change(made))
        return check_registrations(results)

    return checked


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda made: replace(made, keys=made.keys[::2]), ["its number of keys is 2, and in the plan that it holds 4"]),
        (lambda made: replace(made, keys=(*made.keys[1:], "f" * 16)), ["it lacks 1 of 2 runs of gin/"]),
        (
            lambda made: replace(made, compared=()),
            ["it lacks the comparison gin/perforated - gin/backprop, which its plan has"],
        ),
        (
            lambda made: replace(made, compared=(*made.compared, ("gin/backprop", "gin/perforated"))),
            ["it has the comparison gin/backprop - gin/perforated, which its plan lacks"],
        ),
        (
            lambda made: replace(made, compared=(*made.compared, ("gin/backprop", "gcn/backprop"))),
            [r"its comparisons of other arms is \['gcn/backprop'\]"],
        ),
        (lambda made: replace(made, left_out="the worst"), ["its word on what is left out is the worst"]),
        (
            lambda made: replace(made, arms=("gin/backprop:hidden=7", made.arms[1]), compared=()),
            ["it has the runs of gin/backprop, and not the arm"],
        ),
        (lambda made: replace(made, arms=made.arms[:1], keys=made.keys[:2], compared=()), [r"its arms is \['gin/back"]),
    ],
)
def test_verify_plans_a_registered_plan_again(rewritten, change, wrong):
    said = rewritten(change).wrong
    assert len(said) == len(wrong)
    assert all(re.search(words, line) for words, line in zip(wrong, said, strict=True))


def test_what_today_is_planned_otherwise_or_not_at_all_is_not_checked_and_not_wrong(rewritten, results, monkeypatch):
    assert rewritten(lambda made: made) == Findings({"registered plans": 1})
    of_strangers = rewritten(
        lambda made: replace(
            made,
            name="theirs",
            plan=made.plan.replace("gin", "their-net"),
            arms=tuple(arm.replace("gin", "their-net") for arm in made.arms),
            compared=(("their-net/perforated", "their-net/backprop"),),
        )
    )
    assert of_strangers.wrong == ()
    assert "keys and comparisons of" in of_strangers.unchecked[0]
    assert "unknown model 'their-net'" in of_strangers.unchecked[0]
    get = Registry.get
    monkeypatch.setattr(
        Registry, "get", lambda self, name: replace(GIN, version=99) if name == "gin" else get(self, name)
    )
    raised = check_registrations(results)
    assert raised.wrong == ()
    assert any(line.startswith("keys of gin/backprop, gin/perforated in") for line in raised.unchecked)


def test_of_a_file_that_did_not_say_its_comparisons_yet_they_are_not_checked(rewritten):
    said = rewritten(lambda made: replace(made, compared=(), left_out=""))
    assert said.wrong == ()
    assert said.unchecked[0].endswith("it is of an earlier version, which did not say them")


def test_what_is_registered_here_is_of_one_mind_with_itself():
    assert check_registrations(ResultsFolder(Path(__file__).parents[2] / "results")).wrong == ()


def test_verify_names_what_is_no_registered_plan(results, registered):
    path, _ = registered
    path.rename(path.with_name("other.json"))
    (path.parent / "notes.txt").write_text("")
    notes, other = check_registrations(results).wrong
    assert "notes.txt is no registered plan" in notes
    assert "other.json was edited or renamed" in other
