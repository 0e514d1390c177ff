from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from pbgraph.dendrites.copies import copied, detached, fresh_copy


class Block(nn.Module):
    """Initialises its part in a way of its own."""

    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
        self.reset_parameters()

    def reset_parameters(self):
        self.linear.reset_parameters()
        self.norm.reset_parameters()
        nn.init.constant_(self.linear.bias, 7.0)


def test_fresh_weights_are_drawn_by_the_module_itself():
    block = Block().requires_grad_(False)
    block.norm.running_mean.fill_(3.0)
    torch.manual_seed(0)
    made = fresh_copy(block)
    torch.manual_seed(0)
    again = fresh_copy(block)
    assert torch.equal(made.linear.weight, again.linear.weight)
    assert not torch.equal(made.linear.weight, block.linear.weight)
    assert (made.linear.bias == 7.0).all()  # the outer module has the last word over its part's own reset
    assert (made.norm.running_mean == 0.0).all()
    assert (block.norm.running_mean == 3.0).all()
    assert all(parameter.requires_grad for parameter in made.parameters())
    assert not any(parameter.requires_grad for parameter in block.parameters())


class Pair(NamedTuple):
    first: torch.Tensor
    second: list


@dataclass(frozen=True)
class Graphs:
    x: torch.Tensor
    parts: tuple
    size: int


def test_every_tensor_is_cut_wherever_it_is():
    tensor = torch.ones(2, requires_grad=True) * 2
    value = Graphs(tensor, (Pair(tensor, [tensor, "a"]), {"k": tensor}), 3)
    cut = detached(value)
    found = [cut.x, cut.parts[0].first, cut.parts[0].second[0], cut.parts[1]["k"]]
    assert not any(one.requires_grad for one in found)
    assert all(one.data_ptr() == tensor.data_ptr() for one in found)
    assert isinstance(cut.parts[0], Pair)
    assert cut.parts[0].second[1] == "a"
    assert cut.size == 3
    assert tensor.requires_grad


def test_what_needs_no_cut_is_returned_itself():
    plain = torch.ones(2)
    for value in (plain, (plain, [plain]), Graphs(plain, (), 1), Pair(plain, []), None, "text", nn.Linear(1, 1)):
        assert detached(value) is value


def test_a_copied_state_shares_nothing():
    state = {"a": [torch.zeros(2), (torch.zeros(1), None, 1.5)], "b": {"c": True}}
    copy = copied(state)
    state["a"][0] += 1
    state["a"][1][0].add_(1)
    assert copy["a"][0].tolist() == [0, 0]
    assert copy["a"][1][0].tolist() == [0]
    assert copy["a"][1][1:] == (None, 1.5)
    assert copy["b"] == {"c": True}
