"""delta="clean": dendrite phases without dropout, in which a batch that comes again costs the candidates alone."""

import collections
import dataclasses

import pytest
import torch
from torch import nn

from dendrite_networks import batch, epoch, growth, network, run_until, same, square_loss, weights
from pbgraph.dendrites import GrowthSettings, perforate
from pbgraph.dendrites.kept import KeptBatch, KeptCall
from pbgraph.dendrites.store import MEBIBYTE, Store, fingerprint
from pbgraph.errors import UsageError

CLEAN = {"delta": "clean", "priming_batches": 0, "dendrite_max_epochs": 4, "dendrite_patience": 9}


def in_phase(dendrites=0, **settings):
    """A growth at the beginning of a dendrite phase; its network has dropout and batch normalisation."""
    made = network(dropout=0.5, norm=True)
    return run_until(growth(made, **{**CLEAN, "max_dendrites": 3} | settings), phase="dendrite", dendrites=dendrites)


def counted(grown):
    """A list to which each call of the network is added."""
    calls = []
    grown.model.register_forward_pre_hook(lambda *_: calls.append(1))
    return calls


def candidates_of(grown):
    return {name: value for name, value in weights(grown.model).items() if ".candidates." in name}


@pytest.mark.parametrize("dendrites", [0, 1])
def test_candidates_learn_from_the_network_in_evaluation_mode(dendrites):
    """Their gradients are those that they get from δ of the network without dropout, in training mode themselves."""
    grown, plain = in_phase(dendrites), in_phase(dendrites)
    one = batch(3)
    torch.manual_seed(5)
    grown.step(square_loss, one)
    plain.model.train()
    for module in plain.model.modules():
        if isinstance(module, nn.Dropout | nn.BatchNorm1d) and "candidates" not in str(module):
            module.eval()
    for site in plain.sites.values():
        site.calls = []
    loss = square_loss(plain.model, one)
    calls = {name: site.calls for name, site in plain.sites.items()}
    deltas = {
        n: list(torch.autograd.grad(loss, [c.output for c in own], retain_graph=True)) for n, own in calls.items()
    }
    plain._dendrite_phase.learn(calls, deltas, batches=1, scale=1.0)
    for ours, theirs in zip(grown._dendrite_phase.parameters(), plain._dendrite_phase.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("dendrites", [0, 1])
@pytest.mark.parametrize("limits", [(64, 64), (0, 64), (0, 0)], ids=["memory", "file", "nowhere"])
def test_what_is_kept_and_where_changes_nothing(limits, dendrites):
    grown = in_phase(dendrites, kept_memory=limits[0], kept_file=limits[1])
    reference = in_phase(dendrites, kept_memory=0, kept_file=0)
    batches = [batch(seed) for seed in range(3)]
    calls, losses = counted(grown), []
    for number in range(3):
        order = [(number + place) % 3 for place in range(3)]
        for one in (grown, reference):
            torch.manual_seed(number)
            losses.append([one.step(square_loss, batches[place]) for place in order])
            one.epoch_end(None)
    assert same(losses[::2], losses[1::2])
    assert same(candidates_of(grown), candidates_of(reference))
    assert same(grown.state_dict()["dendrite_phase"], reference.state_dict()["dendrite_phase"])
    probes = 2 + 3  # of the network standing still: two calls at first, one at the end of each epoch
    assert len(calls) == probes + (9 if limits == (0, 0) else 3)
    store = grown._dendrite_phase.store
    assert grown.kept == {"memory": store.in_memory, "file": store.in_file}
    assert (store.in_memory > 0, store.in_file > 0) == (limits[0] > 0, limits[0] == 0 < limits[1])
    store.close()
    assert (store.in_memory, store.in_file) == (0, 0)


def test_batches_that_never_come_again_are_not_kept_for_long():
    grown = in_phase()
    for number in range(2):
        epoch(grown, None, [batch(10 * number), batch(10 * number + 1)])
    assert grown._dendrite_phase.store.in_memory == 0
    epoch(grown, None, [batch(50), batch(51)])
    assert grown._dendrite_phase.store.in_memory == 0


def test_the_phase_changes_no_parameter_no_statistic_and_no_mode_of_the_network():
    grown = in_phase()
    before = {name: value for name, value in weights(grown.model).items() if ".candidates." not in name}
    epoch(grown, None)
    after = {name: value for name, value in weights(grown.model).items() if ".candidates." not in name}
    assert same(before, after)
    run_until(grown, phase="neuron", dendrites=1)
    grown.step(square_loss, batch(0))
    assert all(module.training for module in grown.model.modules() if isinstance(module, nn.Dropout))


def test_a_run_resumed_in_the_midst_of_the_phase_goes_on_bit_for_bit():
    """Nothing that was kept is in the state; the network of a layer with dropout in its candidates, too."""

    def go_on(grown, position, stop=None):
        trace, (number, step) = [], position
        while not grown.finished and number < 12:
            for now in range(step, 2):
                if (number, now) == stop:
                    return trace
                torch.manual_seed(100 * number + now)
                trace.append(grown.step(square_loss, batch((number + now) % 2)))
            trace.append(grown.epoch_end(0.1 * number).site_scores)
            number, step = number + 1, 0
        return trace

    make = lambda: growth(network(dropout=0.3, norm=True), **CLEAN, pool=2)  # noqa: E731
    straight = make()
    whole = go_on(straight, (0, 0))
    phases = [row["phase"] for row in straight.history]
    dendrite = phases.index("dendrite")
    for position in ((dendrite, 1), (dendrite + 2, 1), (1, 1)):
        first, second = make(), make()
        go_on(first, (0, 0), stop=position)
        second.load_state_dict(first.state_dict())
        rest = go_on(second, position)
        assert same(rest, whole[len(whole) - len(rest) :])
        assert same(second.state_dict(), straight.state_dict())


def test_a_loop_of_somebody_elses_has_clean_errors_too():
    """The same candidates as by growth's own steps; what is kept there is of no use to it."""
    ours, theirs = in_phase(), in_phase()
    optimizer = theirs.as_optimizer()
    for seed in range(2):
        torch.manual_seed(seed)
        ours.step(square_loss, batch(seed))
        theirs.model.train()
        optimizer.zero_grad()
        torch.manual_seed(seed)
        square_loss(theirs.model, batch(seed)).backward()
        optimizer.step()
        assert theirs.model.training
    ours.epoch_end(None)
    theirs.epoch_end(None)
    for name, value in candidates_of(ours).items():
        assert torch.allclose(value, candidates_of(theirs)[name], rtol=1e-9, atol=1e-12)


def test_a_grown_network_with_clean_errors_learns():
    grown = run_until(growth(network(dropout=0.3), **CLEAN, max_dendrites=2), phase="neuron", dendrites=2)
    assert all(len(site.dendrites) == 2 for site in grown.sites.values())
    assert all(one.mean_correlation for tried in grown.trials.values() for one in tried)


class Labelled(nn.Module):
    """A layer that is called with its batch, labels and all."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def reset_parameters(self):
        self.linear.reset_parameters()

    def forward(self, batch):
        return self.linear(batch[0])


def test_a_batch_whose_sites_are_called_with_labels_that_were_not_measured_is_kept():
    def loss(model, one):
        measured = ~one[1].isnan()
        return (model(one) - one[1])[measured].square().mean()

    torch.manual_seed(0)
    grown = growth(perforate(nn.Sequential(Labelled(), nn.Linear(2, 2)), sites=["0", "1"]), **CLEAN)
    labels = torch.tensor([[1.0, torch.nan], [torch.nan, 2.0], [0.0, 0.0]])
    run_until(grown, phase="dendrite", batches=[(torch.randn(3, 3), labels)], loss_fn=loss)
    calls, one = counted(grown), (torch.randn(3, 3), labels)
    for _ in range(3):
        grown.step(loss, one)
    assert grown.kept["memory"] > 0
    assert len(calls) == 1 + 2  # and two that find out whether the network stands still


def kept(*tensors, delta=0.0):
    call = KeptCall(tensors, {}, (), None, None, torch.tensor(delta))
    return KeptBatch(torch.zeros(()), {"site": (call,)})


def test_a_store_reads_back_what_it_was_given():
    types = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool]
    shared = torch.randn(3, 4)
    given = kept(*(torch.arange(6).view(2, 3).to(kind) for kind in types), shared, shared, torch.empty(0, 2))
    store = Store(0, MEBIBYTE)
    made = []

    def make():
        made.append(1)
        return given

    first, second, third = (store.get("a", make) for _ in range(3))
    assert first is given
    assert len(made) == 1
    for again in (second, third):
        (ours,), (theirs,) = again.sites["site"], given.sites["site"]
        assert same(list(ours.inputs), list(theirs.inputs))
        assert ours.inputs[5] is ours.inputs[6]
    store.get("b", lambda: kept(torch.zeros(2), delta=torch.inf))
    store.get(object(), lambda: kept(torch.zeros(2)))
    assert len(store._kept) == 1
    store.close()


def test_a_store_never_takes_more_than_it_may():
    store = Store(1000, 2000)
    for name in range(20):
        store.get(name, lambda: kept(torch.zeros(100)))  # 408 bytes each
    assert (store.in_memory, store.in_file, len(store._kept)) == (816, 1632, 6)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.zeros(2), torch.zeros(2, 1)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64)),
        ((torch.zeros(2), torch.ones(2)), (torch.ones(2), torch.zeros(2))),
        ([1, 2], [12]),
        ([["a"], ["b"]], [["a", "b"]]),
        ({"a": 1}, {"a": 2}),
        (1, 1.0),
        (b"a", "a"),
    ],
)
def test_batches_of_other_content_have_other_digests(a, b):
    assert fingerprint(a) is not None
    assert fingerprint(a) == fingerprint(a)
    assert fingerprint(a) != fingerprint(b)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"delta": "noisy"}, "delta is 'noisy'; it must be one of training, clean"), ({"kept_memory": -1}, "at least 0")],
)
def test_settings_out_of_range_are_errors_that_say_so(changes, words):
    with pytest.raises(UsageError, match=words):
        GrowthSettings(**changes)


class OfTheirOwn:
    def __init__(self, x):
        self.x = x


class Told(OfTheirOwn):
    def to_dict(self):
        return {"x": self.x}


@dataclasses.dataclass
class Pair:
    x: torch.Tensor


@pytest.mark.parametrize("make", [lambda x: collections.UserDict(x=x), Told, Pair, lambda x: {"x": x}])
def test_batches_of_other_classes_are_known_by_what_they_hold(make):
    ones, zeros = make(torch.ones(2)), make(torch.zeros(2))
    assert fingerprint(ones) == fingerprint(make(torch.ones(2))) != fingerprint(zeros)
    assert None not in (fingerprint(ones), fingerprint(zeros))


def test_graphs_of_pytorch_geometric_are_known_by_what_they_hold():
    data = pytest.importorskip("torch_geometric.data")

    def graphs(x):
        return [data.Data(x=torch.full((2, 3), x), edge_index=torch.tensor([[0, 1], [1, 0]])) for _ in range(2)]

    for make in (lambda x: graphs(x)[0], lambda x: data.Batch.from_data_list(graphs(x))):
        assert fingerprint(make(1.0)) == fingerprint(make(1.0)) != fingerprint(make(2.0))
        assert None not in (fingerprint(make(1.0)), fingerprint(make(2.0)))


def test_where_nothing_can_be_kept_it_is_said_once(caplog):
    grown = in_phase()

    def loss(model, own):
        return square_loss(model, own.x)

    for _ in range(2):
        for seed in range(2):
            grown.step(loss, OfTheirOwn(batch(seed)))
        grown.epoch_end(None)
    (message,) = [record.getMessage() for record in caplog.records]
    assert "a batch of type OfTheirOwn cannot be told" in message
    assert grown.kept == {"memory": 0, "file": 0}
    caplog.clear()
    other = in_phase()
    for number in range(3):
        epoch(other, None, [batch(10 * number), batch(10 * number + 1)])
    (message,) = [record.getMessage() for record in caplog.records]
    assert "hand the same batches in every epoch" in message


SPARSE = [torch.Tensor.to_sparse, torch.Tensor.to_sparse_csr, torch.Tensor.to_sparse_csc]


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("make", [*SPARSE, lambda x: torch.nested.as_nested_tensor(list(x), layout=torch.jagged)])
def test_what_is_no_single_block_of_numbers_is_kept_in_memory_or_not_at_all(make):
    made = kept(make(torch.eye(100)))
    full, empty = Store(MEBIBYTE, 0), Store(0, MEBIBYTE)
    assert full.get("a", lambda: made) is full.get("a", lambda: None) is made
    expected = {torch.sparse_coo: 100 * (4 + 2 * 8), torch.jagged: 4 * 100**2}
    assert full.in_memory == expected.get(make(torch.eye(2)).layout, 100 * (4 + 8) + 101 * 8) + 8
    assert empty.get("a", lambda: made) is made
    assert (empty.in_memory, empty.in_file) == (0, 0)


class Sparse(nn.Module):
    """One site is called with a sparse matrix of neighbours."""

    def __init__(self):
        super().__init__()
        self.conv, self.decode = Neighbours(3, 4), nn.Linear(4, 2)

    def forward(self, x, edge_index):
        ones = torch.ones(edge_index.shape[1], dtype=x.dtype)
        return self.decode(torch.tanh(self.conv(x, torch.sparse_coo_tensor(edge_index, ones, (len(x), len(x))))))


class Neighbours(nn.Linear):
    def forward(self, x, matrix):
        return torch.sparse.mm(matrix, super().forward(x))


@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_site_that_is_called_with_a_sparse_tensor_learns_the_same_wherever_it_is_kept():
    found = []
    for memory in (1, 0):
        torch.manual_seed(0)
        model = perforate(Sparse().double(), ["conv", "decode"])
        grown = run_until(growth(model, delta="clean", kept_memory=memory), phase="dendrite")
        epoch(grown, 0.0)
        found.append(candidates_of(grown))
    assert same(*found)
