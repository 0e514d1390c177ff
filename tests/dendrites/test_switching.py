import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dendrite_networks import batch, epoch, growth, network
from pbgraph.dendrites.objective import CandidateStatistics
from pbgraph.dendrites.switching import BestScore, EarlyStopping

EPOCHS = st.lists(st.booleans(), min_size=1, max_size=30)


@given(EPOCHS, st.integers(1, 5), st.none() | st.integers(1, 12))
def test_a_phase_ends_at_the_first_epoch_that_completes_patience_or_length(improved, patience, longest):
    stopping = EarlyStopping(patience, longest)
    for count in range(1, len(improved) + 1):
        recent = improved[max(count - patience, 0) : count]
        expected = (count >= patience and not any(recent)) or count == longest
        assert stopping.after_epoch(improved[count - 1]) == expected
        if expected:
            break


@given(st.lists(st.integers(0, 5), min_size=1))
def test_the_first_of_equal_scores_is_the_best(scores):
    best = BestScore()
    improved = [best.update(score, epoch) for epoch, score in enumerate(scores)]
    assert best.best_score == max(scores)
    assert best.best_epoch == scores.index(max(scores))
    assert improved == [all(score > earlier for earlier in scores[:i]) for i, score in enumerate(scores)]


def test_tries_count_failures_in_a_row():
    best, tries = BestScore(), []
    for score in (1.0, 0.5, 0.5, 2.0, 1.0):
        best.update(score, 0)
        best.end_cycle()
        tries.append(best.tries)
    assert tries == [0, 1, 2, 0, 1]


def course_of(scores, **settings):
    """Train with these validation scores in the neuron phases; what each epoch was and what it led to."""
    grown = growth(network(), priming_batches=0, **settings)
    scores, lines = iter(scores), []
    while not grown.finished:
        phase = grown.phase
        status, _ = epoch(grown, next(scores) if phase == "neuron" else None, [batch(0)])
        lines.append((phase[0], status.switched, status.dendrites))
    return grown, lines


ONE_EPOCH_OF_CANDIDATES = {"dendrite_max_epochs": 1, "dendrite_patience": 9}


def test_growth_goes_on_while_dendrites_help_and_stops_at_the_most():
    grown, lines = course_of(
        [0.1, 0.3, 0.2, 0.2, 0.4, 0.4, 0.4, 0.5, 0.5, 0.5],
        **ONE_EPOCH_OF_CANDIDATES,
        patience=2,
        max_epochs=None,
        cycle_epochs=None,
        max_dendrites=2,
    )
    assert lines == [
        ("n", None, 0),
        ("n", None, 0),
        ("n", None, 0),
        ("n", "grow", 0),
        ("d", "accept", 1),
        ("n", None, 1),
        ("n", None, 1),
        ("n", "grow", 1),
        ("d", "accept", 2),
        ("n", None, 2),
        ("n", None, 2),
        ("n", "finish", 2),
    ]
    assert (grown.best_score, grown.best_epoch) == (0.5, 9)
    assert [event["event"] for event in grown.events] == ["accept", "accept", "finish"]


def test_dendrites_that_do_not_help_are_dropped_and_others_tried():
    """One epoch per phase: 1 dendrite helps, the second fails once, helps, the third fails twice and that is all."""
    grown, lines = course_of(
        [0.1, 0.2, 0.2, 0.3, 0.1, 0.3],
        **ONE_EPOCH_OF_CANDIDATES,
        patience=9,
        max_epochs=1,
        cycle_epochs=1,
        max_dendrites=9,
        max_tries=2,
    )
    assert lines == [
        ("n", "grow", 0),
        ("d", "accept", 1),
        ("n", "grow", 1),
        ("d", "accept", 2),
        ("n", "drop", 1),
        ("d", "accept", 2),
        ("n", "grow", 2),
        ("d", "accept", 3),
        ("n", "drop", 2),
        ("d", "accept", 3),
        ("n", "finish", 2),
    ]
    assert (grown.best_score, grown.best_epoch, grown.dendrites) == (0.3, 6, 2)
    assert [event["event"] for event in grown.events if event["event"] != "accept"] == [
        "drop",
        "drop",
        "drop",
        "finish",
    ]


@pytest.mark.parametrize("tries", [1, 3])
def test_growth_without_any_gain_ends_with_the_plain_network(tries):
    grown, lines = course_of(
        [0.9] + [0.1] * 20, **ONE_EPOCH_OF_CANDIDATES, max_epochs=1, cycle_epochs=1, max_tries=tries
    )
    assert [line[1] for line in lines].count("accept") == tries
    assert lines[-1] == ("n", "finish", 0)
    assert grown.best_epoch == 0


def test_max_epochs_is_for_the_first_neuron_phase_and_cycle_epochs_for_the_others():
    scores = iter(range(100))
    _, lines = course_of(
        scores, **ONE_EPOCH_OF_CANDIDATES, patience=50, max_epochs=4, cycle_epochs=2, max_dendrites=2, max_tries=1
    )
    assert "".join(phase for phase, *_ in lines) == "nnnndnndnn"


def test_a_dendrite_phase_ends_when_no_site_improves_by_the_threshold(monkeypatch):
    """A mark moves only by an improvement of more than a quarter; one site is enough to go on."""
    scores = {"encode": [0.10, 0.12, 0.14, 0.17, 0.17], "decode": [0.30, 0.30, 0.30, 0.30, 0.30]}
    #      improvement:  yes   no    yes   no    no
    grown = growth(
        network(sites=list(scores)), max_epochs=1, dendrite_patience=2, dendrite_max_epochs=None, threshold=0.25
    )
    epoch(grown, 1.0)
    place = {id(pool.statistics[0]): name for name, pool in grown._dendrite_phase.pools.items()}
    monkeypatch.setattr(CandidateStatistics, "score", lambda self: torch.tensor(scores[place[id(self)]].pop(0)))
    switched = []
    while grown.phase == "dendrite":
        status, _ = epoch(grown, None)
        switched.append(status.switched)
    assert switched == [None, None, None, None, "accept"]
    assert grown.events[-1]["scores"] == pytest.approx({"encode": 0.17, "decode": 0.30})
