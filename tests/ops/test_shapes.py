"""No kernel reads out of bounds: every call is checked against the shapes that its kernel declares."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import pbgraph.ops
from pbgraph.graph import GraphBatch
from pbgraph.ops.kernels import Kernel
from pbgraph.ops.neighbours import neighbour_sum
from pbgraph.ops.walks import return_probabilities

MODULES = [
    path.stem
    for path in Path(pbgraph.ops.__file__).parent.glob("*.py")
    if not path.stem.endswith("_kernels") and path.stem != "__init__"
]
KERNELS = [
    pytest.param(kernel, id=f"{module}-{kernel.name}")
    for module in sorted(MODULES)
    for kernel in vars(importlib.import_module(f"pbgraph.ops.{module}")).values()
    if isinstance(kernel, Kernel)
]
SIZE = {"N": 5, "E": 7, "M": 5, "B": 3, "G": 2, "H": 2, "C": 4, "P": 6, "K": 3, "Q": 6, "W": 4, "n": 8}


def size(text):
    letter, _, more = text.partition("+")
    return int(letter) if letter.isdigit() else SIZE[letter] + int(more or 0)


def argument(kind, word):
    """Zeros of the declared shape; indices that are 0, and pointers of which the first slice holds everything."""
    if word == "-":
        return {"s": 0.5, "b": True}[kind]
    if "<" in word:
        return torch.zeros(size(word.partition("<")[0]), dtype=torch.int64)
    if "@" in word:
        count, _, total = word.partition("@")
        ptr = torch.full((size(count),), size(total))
        ptr[0] = 0
        return ptr
    dtype = {"d": torch.float64, "i": torch.int64}.get(kind[0], torch.float32)
    return torch.zeros([size(part) for part in word.split(",")], dtype=dtype)


def arguments(kernel):
    assert kernel.compile(torch.float64 if kernel.signature.startswith("d") else torch.float32)
    pairs = zip(kernel.signature.split(), kernel.shapes.text.split(), strict=True)
    return [argument(kind, word) for kind, word in pairs]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_longer_or_shorter_argument_is_refused(kernel):
    """Each array in turn, on each of its axes, is one longer or one shorter than the others allow."""
    sound = arguments(kernel)
    kernel(*sound)
    sizes = [word.partition("<")[0] for word in kernel.shapes.text.split()]
    letters = " ".join(sizes).replace("@", " ").replace(",", " ").replace("+", " ").split()
    for place, array in enumerate(sound):
        for axis in range(array.ndim if isinstance(array, torch.Tensor) else 0):
            letter = kernel.shapes.text.split()[place].partition("<")[0].partition("@")[0].split(",")[axis][0]
            if letters.count(letter) == 1:
                continue  # nothing else has this size
            for longer in (True, False):
                extended = torch.cat([array, array.narrow(axis, 0, 1)], axis)
                wrong = extended if longer else array.narrow(axis, 0, array.shape[axis] - 1).contiguous()
                with pytest.raises(ValueError, match=f"{kernel.name} got"):
                    kernel(*[wrong if k == place else one for k, one in enumerate(sound)])


@pytest.mark.parametrize("kernel", KERNELS)
def test_indices_that_point_outside_are_refused(kernel):
    sound = arguments(kernel)
    for place, word in enumerate(kernel.shapes.text.split()):
        if "<" not in word and "@" not in word:
            continue
        for wrong in (-1, 10**6):
            array = sound[place].clone()
            array[-1] = wrong
            with pytest.raises(ValueError, match=f"{kernel.name} got an argument {place + 1}"):
                kernel(*[array if k == place else one for k, one in enumerate(sound)])


def test_pointers_that_fall_are_refused():
    kernel = Kernel("pooling_kernels", "pool", "f2 f2 i1 f1 f2", "G,C N,C G+1@N N G,C")
    sound = [torch.zeros(3, 4), torch.zeros(5, 4), torch.tensor([0, 4, 2, 5]), torch.zeros(5), torch.zeros(3, 4)]
    kernel.compile(torch.float32)
    with pytest.raises(ValueError, match="pointers that rise from 0 to 5"):
        kernel(*sound)


def test_a_kernel_without_shapes_is_never_called():
    kernel = Kernel("activations_kernels", "celu", "f1 f1")
    kernel.compile(torch.float32)
    with pytest.raises(ValueError, match="was given no shapes"):
        kernel(torch.zeros(2), torch.zeros(2))


def test_operations_refuse_batches_that_nobody_checked():
    batch = GraphBatch.from_dense(
        torch.randn(4, 2),
        torch.tensor([[0, 1, 2], [1, 0, 3]]),
        torch.zeros(3, 1),
        batch=torch.tensor([0, 0, 1, 1]),
        num_graphs=2,
    )
    outside = replace(batch, edge_index=torch.tensor([[9, 1, 2], [0, 1, 3]]))
    with pytest.raises(ValueError, match="gather got an argument 2 that is none of indices in \\[0, 4\\)"):
        neighbour_sum(outside.x, outside)
    joined = replace(batch, edge_index=torch.tensor([[1, 0, 0], [0, 1, 3]]))
    with pytest.raises(ValueError, match="joins nodes of two graphs"):
        return_probabilities(joined, 2)
