"""The peak of a run is its own, in a worker that has done others."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from pbgraph.execution.engines.local import ALLOCATOR

RUNS = """
from pbgraph.execution.memory import peak_bytes, reset_peak
import numpy as np

def peak(pieces):
    reset_peak()
    kept = [np.ones(2**13) for _ in range(pieces)]  # of 64 KiB, which glibc does not give back by itself
    del kept
    return peak_bytes()

print(peak(4000), peak(10))
"""


@pytest.mark.lengthy
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory that is free is given back by glibc, on Linux")
def test_what_an_earlier_run_had_is_not_counted():
    environment = {**os.environ, "GLIBC_TUNABLES": ALLOCATOR}
    done = subprocess.run([sys.executable, "-c", RUNS], capture_output=True, text=True, env=environment, check=True)
    large, small = (int(word) / 2**20 for word in done.stdout.split())
    assert large - small > 200  # MiB of the 250
