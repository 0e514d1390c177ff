"""Choosing: sites by class, pattern and function, examples of every kind, dendrites of one's own, budgets."""

import pytest
import torch
from torch import nn

from dendrite_networks import SHORT, adam, batch, epoch, growth, network, run_until, same, sgd, weights
from pbgraph.dendrites import (
    Growth,
    SiteError,
    TrainingError,
    export,
    load_network,
    perforate,
    report_of,
    save_network,
    sites_of,
)
from pbgraph.dendrites.settings import GrowthSettings
from pbgraph.errors import UsageError


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.norm = nn.LayerNorm(4)
        self.conv = nn.Sequential(nn.Conv1d(1, 2, 1), nn.BatchNorm1d(2))
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x, *, scale=1.0):
        h = self.norm(self.encoder[0](x)) + self.encoder[1](x)
        h = h + self.attention(h[:, None], h[:, None], h[:, None])[0][:, 0]
        return scale * self.head(self.conv(h[:, None]).flatten(1))


CHOICES = {
    "class": ([nn.Linear], ["encoder.0", "encoder.1", "head"]),
    "one class": (nn.Conv1d, ["conv.0"]),
    "class and pattern": (["encoder.*", nn.MultiheadAttention], ["encoder.0", "encoder.1", "attention"]),
    "outermost": ([nn.Sequential, nn.Conv1d], ["conv"]),
    "function": (lambda name, module: name.startswith("enc"), ["encoder.0", "encoder.1"]),
    "function of modules": ([lambda name, module: getattr(module, "out_features", 0) == 3], ["head"]),
}


@pytest.mark.parametrize(("sites", "expected"), CHOICES.values(), ids=CHOICES)
def test_sites_are_chosen_by_class_pattern_and_function(sites, expected):
    model = perforate(Mixed(), sites)
    assert list(sites_of(model)) == expected
    report = report_of(model)
    assert list(report.sites) == expected
    assert not set(report.others) & set(expected)


def test_what_a_class_means_and_can_be_no_site_is_reported():
    """The projection within an attention is never called, and a layer without a way to start anew cannot be copied."""
    report = report_of(perforate(Mixed(), [nn.Linear]))
    assert "does not call its parts" in report.others["attention.out_proj"]


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ([nn.LSTM], "no sub-module matches site LSTM, or none that can be one: there is none in the model"),
        ([lambda name, module: False], r"no sub-module matches site <lambda>\(name, module\)"),
        ([lambda name, module: name == "attention.out_proj"], "does not call its parts"),
        (["head", nn.ReLU], "matches site ReLU"),
        ("head", "give a list of names"),
        ([], "no sites were named"),
    ],
)
def test_a_choice_that_means_nothing_is_an_error_and_leaves_the_model_alone(sites, message):
    model = Mixed()
    before = [type(module) for module in model.modules()]
    with pytest.raises(SiteError, match=message):
        perforate(model, sites)
    assert [type(module) for module in model.modules()] == before


X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "example", [X, (X,), [X], {"x": X}, ((X,), {"scale": 2.0}), ((), {"x": X, "scale": 2.0}), [[X], {"scale": 3.0}]]
)
def test_an_example_may_be_a_tensor_a_tuple_a_dict_or_both(example):
    model = perforate(Mixed(), example=example)
    assert report_of(model).sites["encoder.0"] == "Linear + LayerNorm"
    assert report_of(model).others["norm"] == "part of site encoder.0"


def small(parent):
    """A dendrite that sees its inputs through two units."""
    linear = parent
    return nn.Sequential(nn.Linear(linear.in_features, 2), nn.ReLU(), nn.Linear(2, linear.out_features))


def test_dendrites_of_ones_own_are_grown_trained_accepted_saved_and_exported(tmp_path):
    made = []

    def make(parent):
        made.append(parent)
        return small(parent)

    sites = ["encode", "decode"]
    model = perforate(network(sites=["cell"]), sites, dendrites={"dec*": make})
    made.clear()
    grown = run_until(growth(model, max_dendrites=2, pool=2), phase="neuron", dendrites=2)
    own, copied = model.decode.dendrites[0].module, model.encode.dendrites[0].module
    assert isinstance(own, nn.Sequential)
    assert isinstance(copied, nn.Linear)
    assert own[0].weight.dtype == torch.float64
    assert len(made) == 2 * 2
    assert all(parent is model.decode.parent for parent in made)
    assert not torch.equal(own[0].weight, model.decode.dendrites[1].module[0].weight)
    assert not any(p.requires_grad for p in own.parameters())
    assert grown.events[0]["scores"]["decode"] > 0
    with torch.no_grad():
        model.decode.w[0].fill_(0.5)
    expected = model.eval()(*batch()[:2])
    assert torch.equal(export(model)(*batch()[:2]), expected)
    save_network(model, tmp_path / "net")
    again = perforate(network(sites=["cell"], seed=3), sites, dendrites={"dec*": make})
    assert torch.equal(load_network(again, tmp_path / "net").eval()(*batch()[:2]), expected)


def test_a_maker_for_all_sites_serves_layers_that_cannot_be_copied():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 2))

        def forward(self, x):
            return x @ self.weight

    with pytest.raises(SiteError, match="reset_parameters"):
        perforate(nn.Sequential(Table(), nn.Tanh()), ["0"])
    model = perforate(nn.Sequential(Table(), nn.Tanh()), ["0"], dendrites=lambda parent: nn.Linear(3, 2))
    assert sites_of(perforate(nn.Sequential(Table(), nn.Tanh()), dendrites=lambda parent: nn.Linear(3, 2)))
    grown = Growth(model, sgd(), max_epochs=1, dendrite_max_epochs=1, max_dendrites=1)
    for score in (1.0, None):
        grown.step(lambda model, x: model(x).square().mean(), torch.randn(6, 3))
        grown.epoch_end(score)
    assert isinstance(model[0].dendrites[0].module, nn.Linear)


MAKERS = {
    "no module": (lambda parent: 3, "is to be a int; return a module"),
    "no parameters": (lambda parent: nn.Tanh(), "return a module with parameters"),
    "shared": (lambda parent: nn.Sequential(parent), "shares 2 parameters with it"),
}


@pytest.mark.parametrize(("make", "message"), MAKERS.values(), ids=MAKERS)
def test_a_maker_that_makes_no_dendrite_is_an_error_that_names_the_site(make, message):
    with pytest.raises(SiteError, match=rf"site '0'.*{message}"):
        perforate(nn.Sequential(nn.Linear(2, 2)), ["0"], dendrites=make)


def test_a_maker_for_no_site_is_an_error():
    with pytest.raises(SiteError, match=r"no site matches '1' in dendrites; there are: 0"):
        perforate(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), ["0"], dendrites={"1": small})


def test_a_dendrite_of_another_shape_is_an_error_that_names_the_site():
    model = perforate(network(sites=["cell"]), ["decode"], dendrites=lambda parent: nn.Linear(4, 1))
    with pytest.raises(SiteError, match=r"site 'decode' returns shape \(7, 1\) and the site \(7, 2\)"):
        run_until(growth(model), phase="neuron", dendrites=1)


def counts(grown):
    return {name: len(site.dendrites) for name, site in grown.sites.items()}


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_sites_are_accepted_one_by_one_the_best_first():
    grown = growth(network(), sites_per_cycle=1, max_dendrites=1)
    accepted = []
    while not grown.finished:
        status, _ = epoch(grown, float(grown.epoch))
        if status.switched == "accept":
            event = grown.events[-1]
            (name,) = event["scores"]
            accepted.append(name)
            tried = {site: tries[-1] for site, tries in grown.trials.items()}
            others = [site for site in grown.sites if site not in accepted]
            mean = {site: sum(one.correlation) / len(one.correlation) for site, one in tried.items()}
            assert all(mean[name] >= mean[site] for site in others)
    assert sorted(accepted) == sorted(grown.sites)
    assert counts(grown) == dict.fromkeys(grown.sites, 1)
    assert grown.events[-1]["event"] == "finish"
    assert all(not site.candidates for site in grown.sites.values())
    insight = grown.insight([batch()], lambda model, one: model(*one[:2]))
    assert [d.outcome for d in insight.sites[accepted[0]].dendrites] == ["kept"]
    assert [d.outcome for d in insight.sites[accepted[1]].dendrites] == ["dropped", "kept"]


def test_candidates_of_every_cycle_are_new():
    """Also where the number of dendrites of the site that has most, and of failed tries, is what it was before."""
    grown, starts = growth(network(), sites_per_cycle=1, max_dendrites=2), []
    while not grown.finished:
        status, _ = epoch(grown, float(grown.epoch))
        if status.switched == "grow":
            starts += [(name, tuple(weights(site.candidates).values())) for name, site in grown.sites.items()]
    drawn = [(name, torch.cat([value.flatten() for value in own])) for name, own in starts if own]
    assert len(drawn) > 2 * len(grown.sites)
    for number, (name, own) in enumerate(drawn):
        assert not any(other == name and torch.equal(own, value) for other, value in drawn[:number])


def test_sites_that_are_chosen_each_get_as_many_as_they_may():
    turns = iter([["encode"], ["decode"], ["decode", "encode"], ["conv"], []])
    settings = GrowthSettings(**SHORT | {"max_dendrites": 2})
    grown = Growth(network(), adam, settings=settings, choose_sites=lambda model: next(turns))
    while not grown.finished:
        epoch(grown, float(grown.epoch))
    assert counts(grown) == {**dict.fromkeys(grown.sites, 0), "encode": 2, "decode": 2, "conv": 1}


def test_a_budget_is_never_exceeded_and_is_used_for_the_best_sites():
    plain = parameters(network())
    sizes = {"encode": 16 + 4, "conv": 20 + 4, "cell": 120 + 8 + 4, "decode": 10 + 2}
    for budget, most in ((plain, 0), (plain + 30, 2), (plain + 60, 4), (plain + 10_000, 9)):
        grown = growth(network(), max_parameters=budget, max_dendrites=2)
        largest = 0
        while not grown.finished:
            epoch(grown, float(grown.epoch))
            if grown.phase == "neuron":
                largest = max(largest, parameters(grown.model))
        assert largest <= budget
        assert sum(counts(grown).values()) <= most
        assert (sum(counts(grown).values()) > 0) == (most > 0)
        assert counts(grown)["cell"] == 0 or budget > plain + sizes["cell"]
    assert counts(grown) == dict.fromkeys(grown.sites, 2)


def test_a_budget_without_a_dendrite_phase_is_kept_too():
    plain = parameters(network())
    grown = growth(network(), max_parameters=plain + 50, max_dendrites=2, dendrite_max_epochs=0)
    while not grown.finished:
        epoch(grown, float(grown.epoch))
    assert plain < parameters(grown.model) <= plain + 50


def test_a_choice_among_sites_is_resumed_bit_for_bit(tmp_path):
    options = {"sites_per_cycle": 2, "max_parameters": 400}
    whole = growth(network(), **options)
    for number in range(5):
        epoch(whole, float(number))
    whole.save(tmp_path / "state")
    again = growth(network(seed=5), **options)
    again.load(tmp_path / "state")
    for grown in (whole, again):
        while not grown.finished:
            epoch(grown, float(grown.epoch))
    assert same(weights(whole.model), weights(again.model))
    assert whole.events == again.events


def test_budgets_that_cannot_be_kept_are_errors():
    with pytest.raises(TrainingError, match="max_parameters is 10, but the network has"):
        growth(network(), max_parameters=10)
    with pytest.raises(UsageError, match="without a dendrite phase to find the best sites"):
        GrowthSettings(sites_per_cycle=1, dendrite_max_epochs=0)
    with pytest.raises(UsageError, match="sites_per_cycle is 0"):
        GrowthSettings(sites_per_cycle=0)


def test_history_has_a_row_for_every_epoch_that_a_table_is_made_of_in_one_line(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not there: the history is not made a table of")
    grown = Growth(network(), adam, max_epochs=2, cycle_epochs=2, dendrite_max_epochs=2, max_dendrites=1)
    losses = []
    while not grown.finished:
        _, epoch_losses = epoch(grown, float(grown.epoch) if grown.phase == "neuron" else None)
        losses.append(sum(epoch_losses).item() / 2)
    table = pandas.DataFrame(grown.history)
    assert list(table.epoch) == list(range(len(losses)))
    assert list(table.phase) == ["neuron"] * 2 + ["dendrite"] * 2 + ["neuron"] * 2
    assert list(table.dendrites) == [0, 0, 0, 0, 1, 1]
    assert list(table.loss) == pytest.approx(losses)
    assert list(table.switched)[1::2] == ["grow", "accept", "finish"]
    dendrite = table[table.phase == "dendrite"]
    of_sites = dendrite[[f"correlation {name}" for name in grown.sites]]
    assert of_sites.mean(axis=1).tolist() == pytest.approx(dendrite.correlation.tolist())
    assert table[table.phase == "neuron"].correlation.isna().all()
    assert dendrite.score.isna().all()


def test_the_plot_shades_dendrite_phases_and_has_every_score(tmp_path):
    grown = Growth(network(), adam, max_epochs=2, cycle_epochs=2, dendrite_max_epochs=2, max_dendrites=1)
    while not grown.finished:
        epoch(grown, float(grown.epoch))
    figure = grown.plot()
    scores, losses, correlations = figure.axes
    assert list(scores.lines[0].get_ydata()) == [0.0, 1.0, 4.0, 5.0]
    assert [len(axes.patches) for axes in figure.axes] == [1, 1, 1]
    assert scores.patches[0].get_x() == 1.5
    assert scores.patches[0].get_width() == 2.0
    names = [line.get_label() for line in correlations.lines]
    assert names[: len(grown.sites)] == list(grown.sites)
    assert losses.get_ylabel() == "training loss"
    figure.savefig(tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000
