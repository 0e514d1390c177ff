"""Independent random streams, each named by a seed and a path of words.

A stream has no state that outlives its use: the shuffle of epoch 7 is a function of the seed and the
name "shuffle/7" alone. That is why a run can stop anywhere and go on bit for bit, and why two arms of a
comparison share their split, initialisation and shuffles simply by using the same names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_of(seed: int, name: str) -> int:
    """A 63-bit seed for the stream `name` of `seed`; distinct names give unrelated seeds.

    >>> seed_of(68, "init") == seed_of(68, "init") != seed_of(68, "shuffle/0")
    True
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, name: str) -> torch.Generator:
    """A fresh CPU generator at the start of the stream."""
    import torch

    return torch.Generator().manual_seed(seed_of(seed, name))


@contextmanager
def seeded(seed: int, name: str) -> Iterator[None]:
    """Within the block torch's global generators (weights, dropout) draw from the stream; then they go back."""
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if _gpu_in_use() else ()):
        draw_from(seed, name)
        yield


def draw_from(seed: int, name: str) -> None:
    """From here on torch's global generators draw from the stream, those of GPUs where the process uses them.

    `torch.manual_seed` does the same, but takes down where it was called from for every kind of device not in use.
    """
    import torch

    number = seed_of(seed, name)
    torch.default_generator.manual_seed(number)
    if _gpu_in_use():
        torch.cuda.manual_seed_all(number)


def _gpu_in_use() -> bool:
    """A process that computes on the CPU alone must not open the GPU, which costs seconds and memory there."""
    import torch

    return torch.cuda.is_initialized()  # type: ignore[no-untyped-call, no-any-return]
