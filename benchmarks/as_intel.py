"""Run a script in a process whose MKL takes the processor for one of Intel's, and so its kernels for those.

    python benchmarks/as_intel.py SCRIPT [ARGUMENT ...]

On a processor of another make that has AVX-512, this shows beforehand what numbers an Intel machine will give: what
else picks its loops by the processor asks for its features, not for its maker. Checked by a whole run: of gin/backprop,
seed 68, a record made on an Intel Xeon came out bit for bit on an AMD EPYC in this way (NUMBA_CPU_NAME=sapphirerapids).
An experiment for Linux and torch's own builds, which name MKL's functions; nothing but this script does such things.
"""

from __future__ import annotations

import ctypes
import runpy
import subprocess
import sys
from pathlib import Path

import torch

FUNCTION = "mkl_serv_intel_cpu_true"  # what MKL asks before it picks kernels; it looks once and keeps the answer
LIBRARY = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"


def pretend() -> None:
    """Put down the answer before MKL has looked."""
    listed = subprocess.run(["nm", str(LIBRARY)], capture_output=True, text=True, check=True).stdout.splitlines()
    offsets = {line.split()[-1]: int(line.split()[0], 16) for line in listed if f" {FUNCTION}" in line}
    function = getattr(ctypes.CDLL(str(LIBRARY)), FUNCTION)
    start = (ctypes.cast(function, ctypes.c_void_p).value or 0) - offsets[FUNCTION]
    ctypes.c_int.from_address(start + offsets[f"{FUNCTION}.cached"]).value = 1
    if function() != 1:
        sys.exit("this build of torch holds another MKL: nothing was changed")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    pretend()
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
