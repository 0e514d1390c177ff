"""Side by side or one by one: the statistics of many candidates, and the modes that a step leaves alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dendrite_networks import batch, growth, network, run_until, same, square_loss
from pbgraph.dendrites.joined import JoinedStatistics
from pbgraph.dendrites.modes import TrainingMode
from pbgraph.dendrites.objective import CandidateStatistics, Moments


def values_of(seed, rows, channels, dtype):
    random = torch.Generator().manual_seed(seed)
    a, delta = torch.randn(2, rows, channels, generator=random, dtype=dtype)
    return a, delta


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    channels=st.lists(st.integers(1, 19), min_size=1, max_size=5),
    batches=st.integers(1, 4),
    normalised=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    same_rows=st.booleans(),
)
def test_joined_statistics_are_those_of_each_candidate_bit_for_bit(
    seed, channels, batches, normalised, dtype, same_rows
):
    joined = JoinedStatistics(channels, torch.device("cpu"))
    single = [CandidateStatistics(width, torch.device("cpu")) for width in channels]
    for number in range(batches):
        rows = [5 if same_rows else 2 + (seed + number + site) % 7 for site in range(len(channels))]
        values = [values_of(seed + 10 * number + i, rows[i], width, dtype) for i, width in enumerate(channels)]
        own = [Moments.of(a, delta) for a, delta in values]
        assert joined.update(own) if number % 2 else joined.take_in(values, [-1] * len(channels)) == rows
        for one, batch_moments in zip(single, own, strict=True):
            one.update(batch_moments)
        errors = [[delta, delta[:3]] for _, delta in values]
        found = joined.gradients(errors, [-1] * len(channels), rows, normalised=normalised)
        for one, deltas, patterns, gradients in zip(single, errors, rows, found, strict=True):
            expected = [one.gradient(delta, patterns, normalised=normalised) for delta in deltas]
            assert all(map(torch.equal, expected, gradients))
    for one, member in zip(single, joined.members, strict=True):
        assert same(one.state_dict(), member.state_dict())
        assert torch.equal(one.score(), member.score())


def test_candidates_are_not_joined_where_one_is_missing_behind_or_not_finite():
    joined = JoinedStatistics([2, 3], torch.device("cpu"))
    two, three = (Moments.of(*values_of(0, 5, width, torch.float64)) for width in (2, 3))
    assert not joined.update([two])
    bad = torch.full((5, 3), torch.nan)
    assert not joined.update([two, Moments.of(bad, torch.ones(5, 3))])
    assert joined.take_in([values_of(0, 5, 2, torch.float32), (bad, torch.ones(5, 3))], [-1, -1]) is None
    assert joined.update([two, three])
    joined.members[1].update(three)
    assert not joined.update([two, three])
    assert joined.take_in([values_of(0, 5, width, torch.float64) for width in (2, 3)], [-1, -1]) is None


@pytest.mark.parametrize("pool", [1, 2])
def test_a_phase_trains_the_same_candidates_joined_or_not(pool, monkeypatch):
    def trained():
        grown = run_until(growth(network(), pool=pool, dendrite_max_epochs=9), phase="dendrite")
        for seed in range(4):
            grown.step(square_loss, batch(seed, nodes=5 + seed))
        return grown.state_dict()

    together = trained()
    monkeypatch.setattr(JoinedStatistics, "take_in", lambda self, values, axes: None)
    assert same(together, trained())
    monkeypatch.setattr(JoinedStatistics, "update", lambda self, batches: False)
    assert same(together, trained())


def test_training_mode_is_entered_again_after_any_module_left_it():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    mode = TrainingMode(model, still=[model[1]])
    for leave in (model.eval, model[2].eval, model.train, lambda: None):
        leave()
        mode.enter()
        assert [module.training for module in model.modules()] == [True, True, False, True]
