"""Peak memory of this process, counted from a moment of one's choice where the system allows it."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Start counting anew (Linux); elsewhere the peak is that of the whole process.

    What the allocator keeps of memory that is free goes back first: it belongs to what this process did before.
    """
    if give_back := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc
        give_back(0)
    try:
        _RESET.write_text("5")
    except OSError:
        return


def peak_bytes() -> int:
    """Largest resident set since `reset_peak`, or since the process began, in bytes."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
