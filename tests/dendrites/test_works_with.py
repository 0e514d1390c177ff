"""Growth beside what training loops have: autocast, clipping, accumulation, weight decay, several processes."""

import math
import os
import socket
from functools import partial

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from dendrite_networks import (
    SITES,
    Network,
    adam,
    batch,
    epoch,
    growth,
    network,
    run_until,
    same,
    sgd,
    square_loss,
    weights,
)
from pbgraph.dendrites import Growth, perforate

pytestmark = [pytest.mark.lengthy, pytest.mark.thorough]


def autocast_loss(model, one):
    x, edges, y = one
    with torch.autocast("cpu", torch.bfloat16):
        return (model(x, edges).float() - y).square().mean()


def test_autocast_in_bfloat16():
    """A whole run; acceptance leaves outputs bit-identical in that precision too, and types stay what they were."""
    batches = [batch(seed, dtype=torch.float32) for seed in (0, 1)]
    torch.manual_seed(0)
    plain = Linear().bfloat16_output(batches[0][0])
    grown = growth(network(dtype=torch.float32), max_dendrites=2)
    x, edges, _ = batch(5, dtype=torch.float32)

    def output():
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            return grown.model.eval()(x, edges)

    for dendrites in (0, 1):
        run_until(grown, phase="dendrite", dendrites=dendrites, batches=batches, loss_fn=autocast_loss)
        expected = output()
        while grown.phase == "dendrite":
            status, _ = epoch(grown, 0.0, batches, autocast_loss)
        assert torch.equal(output(), expected)
        assert output().dtype == plain == torch.bfloat16
        assert all(0 < score <= 1 for score in status.site_scores.values())
        with torch.no_grad():
            grown.sites["conv"].w[-1].fill_(0.5)
        assert not torch.equal(output(), expected)
    assert all(p.dtype == torch.float32 for p in grown.model.parameters())


class Linear(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)

    def bfloat16_output(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self(x).dtype


def test_scores_under_autocast_are_near_those_in_single_precision():
    found = []
    for loss_fn in (square_loss, autocast_loss):
        batches = [batch(seed, nodes=40, edges=90, dtype=torch.float32) for seed in (0, 1)]
        grown = growth(network(dtype=torch.float32), priming_batches=99)
        run_until(grown, phase="dendrite", batches=batches)
        found.append(epoch(grown, None, batches, loss_fn)[0].site_scores)
    for site in SITES:
        assert found[1][site] == pytest.approx(found[0][site], abs=0.05)


def test_clipping_bounds_the_gradient_of_neuron_phases_alone():
    grown = run_until(growth(network(), sgd(1.0), clip_norm=1e-3), phase="neuron", dendrites=1)

    def length(step):
        before = [p.detach().clone() for p in grown.model.parameters()]
        step()
        moved = zip(grown.model.parameters(), before, strict=True)
        return math.sqrt(sum((a - b).square().sum().item() for a, b in moved))

    assert length(lambda: grown.step(square_loss, batch(3))) == pytest.approx(1e-3, rel=1e-3)
    run_until(grown, phase="dendrite", dendrites=1)
    assert length(lambda: grown.step(square_loss, batch(3))) > 1e-2


def joined(parts):
    """Batches of equal size as one."""
    offsets = torch.tensor([0, *[len(x) for x, _, _ in parts[:-1]]]).cumsum(0)
    edges = torch.cat([edges + offset for (_, edges, _), offset in zip(parts, offsets, strict=True)], dim=1)
    return torch.cat([x for x, _, _ in parts]), edges, torch.cat([y for _, _, y in parts])


def test_accumulated_gradients_are_those_of_the_joined_batch_in_neuron_phases():
    parts = [batch(seed) for seed in range(3)]
    split, whole = growth(network(), accumulate=3), growth(network())
    for one in parts:
        split.step(square_loss, one)
    whole.step(square_loss, joined(parts))
    for a, b in zip(split.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_an_epochs_rest_takes_a_step_of_its_own():
    """Four batches in groups of three: the last is a step of one."""
    schedule = []
    grown = Growth(
        network(),
        sgd(),
        max_epochs=5,
        accumulate=3,
        make_scheduler=lambda optimizer, phase, dendrites: torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: schedule.append(step) or 1.0
        ),
    )
    single = growth(network(), sgd())
    for seed in range(3):
        grown.step(square_loss, batch(seed))
    single.model.load_state_dict(grown.model.state_dict())
    grown.step(square_loss, batch(3))
    assert same(weights(single.model), weights(grown.model))
    grown.epoch_end(1.0)
    single.step(square_loss, batch(3))
    for a, b in zip(grown.model.parameters(), single.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    assert schedule == [0, 1, 2]


def test_candidates_accumulate_too():
    """No weight moves before the group is complete, and the statistics take in every batch."""
    grown = run_until(growth(network(), accumulate=2, dendrite_max_epochs=9), phase="dendrite")
    before = weights(grown.model)
    grown.step(square_loss, batch(0))
    assert same(weights(grown.model), before)
    grown.step(square_loss, batch(1))
    assert not same(weights(grown.model), before)
    assert grown._dendrite_phase.pools["conv"].statistics[0].batches == 2


def test_weight_decay_leaves_output_weights_alone_and_takes_the_rest():
    decay = partial(torch.optim.SGD, lr=0.1, weight_decay=1.0)
    grown = run_until(growth(network(), decay), phase="neuron", dendrites=1)
    with torch.no_grad():
        grown.sites["conv"].w[0].fill_(1.0)
    before = weights(grown.model)
    grown.step(lambda model, one: square_loss(model, one) * 0.0, batch())
    after = weights(grown.model)
    assert (after["conv.w.0"] == 1.0).all()
    torch.testing.assert_close(after["encode.parent.weight"], 0.9 * before["encode.parent.weight"])


RUN = {"max_dendrites": 1, "max_epochs": 2, "cycle_epochs": 2, "dendrite_max_epochs": 3, "dendrite_patience": 9}
STEPS = 3
SPOILT = RUN["max_epochs"] * STEPS + 1
OBJECTIVES = ("normalised", "raw", "correlation")


def trained(batches, **options):
    """A whole run; losses, site scores and final weights."""
    torch.manual_seed(0)
    model = perforate(Network().double(), SITES)
    grown = Growth(model, adam, **RUN, patience=9, pool=2, priming_batches=1, **options)
    lines = []
    while not grown.finished:
        for step in range(STEPS):
            grown.step(square_loss, batches(grown.epoch * STEPS + step))
        status = grown.epoch_end(float(grown.epoch))
        lines.append([status.phase, dict(status.site_scores)])
    return lines, weights(grown.model)


def share(rank, number):
    return batch(100 * rank + number)


def spoilt_share(rank, number):
    """In one step of the dendrite phase the errors of the second process are infinite."""
    x, edges, y = share(rank, number)
    return x, edges, y + torch.inf if (rank, number) == (1, SPOILT) else y


def worker(rank, port, folder):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    for objective in OBJECTIVES:
        result = trained(partial(share, rank), distribute=DistributedDataParallel, objective=objective)
        torch.save(result, f"{folder}/{objective}-{rank}")
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    result = trained(partial(spoilt_share, rank), distribute=DistributedDataParallel, scaler=scaler)
    torch.save((*result, scaler.get_scale()), f"{folder}/spoilt-{rank}")
    dist.barrier()
    dist.destroy_process_group()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """Where two processes left their results."""
    folder = tmp_path_factory.mktemp("processes")
    mp.spawn(worker, (free_port(), folder), nprocs=2)
    return folder


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_two_processes_are_one_on_the_joined_batch(objective, two_processes):
    """DistributedDataParallel over gloo: the same scores and weights on both, and those of a single process."""
    first, second = (torch.load(two_processes / f"{objective}-{rank}") for rank in (0, 1))
    assert same(first, second)
    lines, final = trained(lambda number: joined([share(0, number), share(1, number)]), objective=objective)
    assert [phase for phase, _ in first[0]] == [phase for phase, _ in lines]
    for (_, theirs), (_, ours) in zip(first[0], lines, strict=True):
        assert theirs == pytest.approx(ours, rel=1e-9)
    for name, value in final.items():
        torch.testing.assert_close(first[1][name], value, rtol=1e-7, atol=1e-9)


def test_errors_that_are_infinite_in_one_process_let_all_skip_the_step(two_processes):
    first, second = (torch.load(two_processes / f"spoilt-{rank}") for rank in (0, 1))
    assert same(first[:2], second[:2])
    assert first[2] == second[2] == 2.0**9
