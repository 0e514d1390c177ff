"""Signed correlations of new dendrites with the errors of rows that they were not chosen by."""

import pytest
import torch
from scipy import stats

from dendrite_networks import SITES, batch, epoch, growth, network, run_until, same, square_loss, weights


def accepted(**settings):
    """A growth right after its first dendrites were accepted."""
    grown = run_until(growth(network(dropout=0.5, norm=True), **settings), phase="dendrite")
    status, _ = epoch(grown, None)
    while status.switched != "accept":
        status, _ = epoch(grown, None)
    return grown


def expected(grown, batches):
    """By scipy: corr(a, δ) of the last dendrite of each site, in evaluation mode; the sign is that of the phase."""
    grown.model.eval()
    pairs = {name: ([], []) for name in grown.sites}
    for one in batches:
        hooks, answers, outputs = [], {name: [] for name in grown.sites}, {name: [] for name in grown.sites}
        for name, site in grown.sites.items():
            keep = answers[name]
            hooks.append(site.dendrites[-1].register_forward_hook(lambda _, __, out, keep=keep: keep.append(out[0])))
            site.calls = outputs[name]
        loss = square_loss(grown.model, one)
        for name, site in grown.sites.items():
            deltas = torch.autograd.grad(loss, [call.output for call in site.calls], retain_graph=True)
            pairs[name][0].extend(answers[name])
            pairs[name][1].extend(deltas)
            site.calls = None
        for hook in hooks:
            hook.remove()
    grown.model.train()
    found = {}
    for name, (a, delta) in pairs.items():
        a, delta = torch.cat(a).detach().numpy(), torch.cat(delta).numpy()
        found[name] = [stats.pearsonr(a[:, i], delta[:, i]).statistic for i in range(a.shape[1])]
    return found


def test_they_are_pearsons_over_the_rows_that_are_given_signed_as_they_were_accepted():
    grown = accepted()
    signs, batches = dict(grown._signs), [batch(11), batch(12, nodes=9)]
    before, random = weights(grown.model), torch.get_rng_state()
    found = grown.correlate(batches, square_loss)
    assert same(weights(grown.model), before)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in grown.model.modules() if isinstance(module, torch.nn.Dropout))
    assert list(found) == SITES
    for name, values in expected(grown, batches).items():
        assert {abs(sign) for sign in signs[name]} == {1.0}
        wanted = [value * sign for value, sign in zip(values, signs[name], strict=True)]
        assert found[name] == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    assert grown.correlations == {name: [list(values)] for name, values in found.items()}


def test_on_the_rows_that_they_were_chosen_by_they_are_the_scores_themselves():
    """Of the epoch's end: δ is clean, and a candidate trained at a rate of 0 is the same throughout."""
    grown = growth(network(), lambda groups: torch.optim.SGD(groups, lr=0.0), delta="clean", dendrite_max_epochs=1)
    run_until(grown, phase="dendrite")
    status, _ = epoch(grown, None)
    assert status.switched == "accept"
    found = grown.correlate([batch(0), batch(1)], square_loss)
    for name, (tried,) in grown.trials.items():
        assert found[name] == pytest.approx(tried.correlation, rel=1e-9)


def test_at_other_times_there_is_nothing_to_tell():
    grown = accepted()
    epoch(grown, 9.0)
    assert grown.correlate([batch(0)], square_loss) == {}
    assert grown.correlations == {name: [[]] for name in SITES}
    untrained = growth(network(), dendrite_max_epochs=0)
    status = None
    while status is None or status.switched != "accept":
        status, _ = epoch(untrained, float(untrained.epoch))
    assert untrained.correlate([batch(0)], square_loss) == {}


def test_they_are_saved_and_belong_to_the_trials():
    grown = accepted(max_dendrites=2)
    first = grown.correlate([batch(5)], square_loss)
    epoch(grown, 99.0)
    while grown.phase != "dendrite":
        epoch(grown, 100.0)
    status = epoch(grown, None)[0]
    while status.switched != "accept":
        status = epoch(grown, None)[0]
    other = growth(network(1, dropout=0.5, norm=True), max_dendrites=2)
    other.load_state_dict(grown.state_dict())
    assert other.correlations == grown.correlations == {name: [list(own), []] for name, own in first.items()}
    second = grown.correlate([batch(5)], square_loss)
    assert grown.correlations == {name: [list(first[name]), list(second[name])] for name in SITES}
