"""What a block changes in modules is put back, whatever way it was changed."""

import pytest
import torch
from torch import nn

from pbgraph.dendrites.dendrite import with_scaled
from pbgraph.dendrites.preserved import Preserved


class Moving(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.large = nn.Linear(64, 64)
        self.register_buffer("count", torch.zeros(3))
        self.first, self.second, self.state = 1.5, "text", None


def rename(module):
    value = module.__dict__.pop("state")
    module.other = value


def swap(module):
    module.first, module.second = module.second, module.first


def write_behind_autograd(module):
    module.linear.weight.data.mul_(2)


def write_one_of_many_behind_autograd(module):
    module.large.weight.data[63, 63] += 1


def change_type(module):
    module.count.data = module.count.data.double() + 1


def replace_parameter(module):
    module.linear.bias = nn.Parameter(torch.ones(2))


def replace_dictionary(module):
    module._buffers = {"count": torch.ones(3)}


def grow_buffer(module):
    module.count.data = torch.ones(5)


def keep_tensor(module):
    module.state = torch.ones(2)


CHANGES = (
    *(rename, swap, write_behind_autograd, write_one_of_many_behind_autograd, change_type, replace_parameter),
    *(replace_dictionary, grow_buffer, keep_tensor),
)


def facts(module):
    """Everything that a caller could see, with tensors as numbers and parameters as the very objects."""
    attributes = {name: module.__dict__.get(name, "absent") for name in ("first", "second", "state")}
    own = {name: (id(value), value.dtype, value.tolist()) for name, value in module.state_dict(keep_vars=True).items()}
    return attributes, "other" in module.__dict__, own


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_put_back_each_time(change):
    module = Moving()
    before = facts(module)
    preserved = Preserved(module.modules())
    for _ in range(3):
        with preserved:
            change(module)
            assert facts(module) != before
        assert facts(module) == before


def test_what_is_changed_between_two_blocks_stays():
    module = Moving()
    preserved = Preserved(module.modules())
    with preserved:
        pass
    module.first = 2.5
    with torch.no_grad():
        module.linear.weight.fill_(7.0)
    before = facts(module)
    with preserved:
        swap(module)
        write_behind_autograd(module)
    assert facts(module) == before


def norm_of_an_embedding(module):
    """An operation of torch's that writes to what it is given."""
    torch.nn.functional.embedding(torch.tensor([0, 1]), module.linear.weight.detach(), max_norm=1e-3)


def weights_elsewhere(module):
    module.large.weight.data = module.large.weight.data.clamp(max=0.0)


AS_WEIGHTS = (write_behind_autograd, write_one_of_many_behind_autograd, norm_of_an_embedding, weights_elsewhere)


@pytest.mark.parametrize("change", [*CHANGES, *AS_WEIGHTS[2:]])
def test_a_change_of_weights_is_put_back_each_time(change):
    module = Moving()
    before = facts(module)
    preserved = Preserved(module.modules(), weights=list(module.parameters()))
    for _ in range(3):
        with preserved:
            change(module)
            assert facts(module) != before
        assert facts(module) == before


@pytest.mark.parametrize("change", AS_WEIGHTS)
def test_weights_that_begin_to_be_written_to_later_are_put_back_when_settled_and_from_then_on(change):
    module = Moving()
    before = facts(module)
    preserved = Preserved(module.modules(), weights=list(module.parameters()))
    for _ in range(2):
        with preserved:
            pass
    with preserved:
        change(module)
    preserved.settle()
    assert facts(module) == before
    for _ in range(2):
        with preserved:
            change(module)
        assert facts(module) == before


def test_weights_that_somebody_changed_stay_when_settled():
    module = Moving()
    preserved = Preserved(module.modules(), weights=list(module.parameters()))
    with preserved:
        pass
    with torch.no_grad():
        module.linear.weight.fill_(7.0)
    preserved.settle()
    with preserved:
        pass
    assert module.linear.weight.unique().tolist() == [7.0]


def test_weights_count_where_somebody_keeps_tensors_in_the_place_of_parameters():
    weights = nn.ParameterList(torch.full((2,), float(k)) for k in (1, 2))
    y, activations = torch.zeros(3, 2), [torch.full((3, 2), 10.0), torch.full((3, 2), 100.0)]
    expected = with_scaled(y, weights, activations, axis=-1)
    assert expected.tolist() == [[210.0, 210.0]] * 3
    tensor = weights._parameters.pop("1").detach()
    weights.__dict__["1"] = tensor
    assert torch.equal(with_scaled(y, weights, activations, axis=-1), expected)
