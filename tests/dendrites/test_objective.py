import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pbgraph.dendrites.objective import DECAY, FLOOR, CandidateStatistics, Moments


def moments_of(a, delta):
    return Moments.of(a, delta)


def statistics_of(batches):
    """Statistics after batches of (a, δ)."""
    statistics = CandidateStatistics(batches[0][0].shape[1], torch.device("cpu"))
    for a, delta in batches:
        statistics.update(moments_of(a, delta))
    return statistics


def random_batches(seed, sizes, channels=3, dtype=torch.float64, shift=0.0, scale=1.0):
    random = torch.Generator().manual_seed(seed)
    batches = []
    for n in sizes:
        a = torch.randn(n, channels, generator=random, dtype=dtype)
        delta = 0.3 * a + torch.randn(n, channels, generator=random, dtype=dtype)
        batches.append((a + shift, delta * scale))
    return batches


def pearson(batches):
    a, delta = (torch.cat(parts).double().numpy() for parts in zip(*batches, strict=True))
    return np.abs([stats.pearsonr(a[:, i], delta[:, i]).statistic for i in range(a.shape[1])])


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) > 2),
    shift=st.floats(-1e4, 1e4),
    scale=st.sampled_from([1e-30, 1e-9, 1.0, -1.0, 1e9]),
)
def test_score_is_pearsons_correlation_over_all_patterns_of_all_batches(seed, sizes, shift, scale):
    batches = random_batches(seed, sizes, shift=shift, scale=scale)
    np.testing.assert_allclose(statistics_of(batches).score().numpy(), pearson(batches), rtol=1e-6, atol=1e-9)


def test_score_of_single_precision_values_is_as_precise_as_they_are():
    batches = random_batches(0, [500] * 20, dtype=torch.float32, shift=3.0, scale=1e-7)
    np.testing.assert_allclose(statistics_of(batches).score().numpy(), pearson(batches), rtol=1e-5)


def test_score_of_a_constant_is_zero_and_of_a_copy_is_one():
    a = torch.randn(50, 4)
    delta = a.clone()
    a[:, 0], delta[:, 1], delta[:, 2] = 0.1, 0.3, -5 * a[:, 2] + 1e3
    score = statistics_of([(a[:20], delta[:20]), (a[20:], delta[20:])]).score()
    np.testing.assert_allclose(score.numpy(), [0, 0, 1, 1], atol=1e-6)


def test_a_new_epoch_forgets_the_score_and_keeps_the_running_values():
    batches = random_batches(1, [30, 40, 50])
    statistics = statistics_of(batches[:2])
    running = statistics.running.clone()
    statistics.start_epoch()
    assert torch.equal(statistics.running, running)
    statistics.update(moments_of(*batches[2]))
    np.testing.assert_allclose(statistics.score().numpy(), pearson(batches[2:]), rtol=1e-12)


def test_running_values_are_exponential_averages_over_batches():
    """Against the definition, batch by batch: the weight of old batches is min(0.99, n / (n + 1))."""
    batches = random_batches(2, [7] * 150)
    statistics = CandidateStatistics(3, torch.device("cpu"))
    mean = np.zeros((2, 3))
    moments = np.zeros((3, 3))
    for n, (a, delta) in enumerate(batches):
        keep = min(DECAY, n / (n + 1))
        mean = keep * mean + (1 - keep) * np.stack([a.numpy().mean(0), delta.numpy().mean(0)])
        x, e = a.numpy() - mean[0], delta.numpy() - mean[1]
        moments = keep * moments + (1 - keep) * np.stack([(x * x).mean(0), (e * e).mean(0), (x * e).mean(0)])
        statistics.update(moments_of(a, delta))
        np.testing.assert_allclose(statistics.running.numpy(), np.concatenate([mean, moments]), rtol=1e-9, atol=1e-12)
    assert DECAY == 0.99


@pytest.mark.parametrize("normalised", [False, True])
def test_gradient_is_that_of_minus_the_signed_covariance_with_its_constants(normalised):
    batches = random_batches(3, [90, 110])
    batches = [(a, delta * torch.tensor([1.0, -1.0, 1e-6])) for a, delta in batches]
    statistics = statistics_of(batches)
    gradient = statistics.gradient(batches[1][1], 110, normalised=normalised)
    _, centre, a_squares, delta_squares, covariance = statistics.running.numpy()
    n = np.sqrt(a_squares * delta_squares) if normalised else 1.0
    expected = -np.sign(covariance) * (batches[1][1].numpy() - centre) / n / 110
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-12)
    assert np.sign(covariance).tolist() == [1, -1, 1]


def test_normalised_gradient_has_no_scale_and_raw_gradient_has():
    gradients = {}
    for scale in (1.0, 1e-9):
        ((a, delta),) = random_batches(4, [40], scale=scale, dtype=torch.float32)
        statistics = statistics_of([(a, delta)])
        for normalised in (True, False):
            gradients[scale, normalised] = statistics.gradient(delta, len(a), normalised=normalised)
    torch.testing.assert_close(gradients[1.0, True], gradients[1e-9, True], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(gradients[1.0, False] * 1e-9, gradients[1e-9, False], rtol=1e-4, atol=1e-16)


@pytest.mark.parametrize("scale", [0.0, 1e-25])
def test_a_neuron_without_error_is_left_alone(scale):
    a = torch.randn(20, 2)
    delta = torch.randn(20, 2) * torch.tensor([1.0, scale])
    gradient = statistics_of([(a, delta)]).gradient(delta, len(a), normalised=True)
    assert torch.isfinite(gradient).all()
    assert (gradient[:, 1] == 0).all()
    assert (gradient[:, 0] != 0).all()


def test_a_neuron_that_hardly_moves_counts_as_one_with_the_least_deviation():
    """Divided by a deviation of 1e-9, the pull would be a thousand times that of any other neuron."""
    ((a, delta),) = random_batches(5, [60])
    a = a * torch.tensor([1.0, 1e-5, 1e-9])
    statistics = statistics_of([(a, delta)])
    deviations = a.std(0, correction=0)
    assert (deviations > FLOOR).tolist() == [True, True, False]
    n = deviations.clamp(min=1e-6) * delta.std(0, correction=0)
    sign = ((a - a.mean(0)) * delta).sum(0).sign()
    expected = -sign * (delta - delta.mean(0)) / n / 60
    np.testing.assert_allclose(statistics.gradient(delta, 60, normalised=True), expected, rtol=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.3])
def test_a_neuron_that_stands_still_has_no_pull_beyond_the_least_deviation(constant):
    ((a, delta),) = random_batches(6, [60])
    a[:, 1] = constant
    gradient = statistics_of([(a, delta)]).gradient(delta, 60, normalised=True)
    assert torch.isfinite(gradient).all()
    bound = (delta - delta.mean(0)).abs().max(0).values / delta.std(0, correction=0) / 60 / 1e-6
    assert (gradient.abs().max(0).values <= bound * (1 + 1e-9)).all()


def test_half_precision_values_are_summed_in_single_precision_or_finer():
    values = (torch.ones(4096, 1) * 1.0).bfloat16()
    own = moments_of(values, values)
    assert own.mean.tolist() == [[1.0], [1.0]]
    assert own.sums.dtype == torch.float64


def test_values_that_are_not_finite_are_noticed():
    for bad in (0.0, torch.nan, torch.inf, -torch.inf):
        values = torch.ones(3, 2)
        values[1, 1] = bad
        assert moments_of(values, torch.ones(3, 2)).finite(0) == (bad == 0)
        assert moments_of(values, torch.ones(3, 2)).finite(1)
        assert moments_of(torch.ones(3, 2), values).finite(1) == (bad == 0)


def test_state_goes_there_and_back():
    statistics = statistics_of(random_batches(5, [5, 6]))
    again = CandidateStatistics(3, torch.device("cpu"))
    again.load_state_dict(statistics.state_dict())
    batch = random_batches(6, [8])[0]
    for one in (statistics, again):
        one.update(moments_of(*batch))
    assert torch.equal(statistics.running, again.running)
    assert torch.equal(statistics.score(), again.score())
