"""Tests of a GPU: run by name, ``pytest -m gpu tests/gpu``; deterministic as runs are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.utils import deterministic as settings

from pbgraph.execution.numerics import deterministic


@pytest.fixture(scope="session", autouse=True)
def _as_runs_compute() -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    before = torch.are_deterministic_algorithms_enabled(), settings.fill_uninitialized_memory
    deterministic("cuda")
    yield
    torch.use_deterministic_algorithms(before[0])
    settings.fill_uninitialized_memory = before[1]
