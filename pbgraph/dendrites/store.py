"""What is kept of batches for the length of a dendrite phase: in memory up to a limit, and above it in a file.

A batch is known again by its content, so whatever is kept, a phase computes the same: what is not there is made anew.
The file is a temporary one without a name, and goes with the phase. It holds no sparse or nested tensors: batches with
such are kept in memory or not at all.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pbgraph.dendrites.copies import is_plain, mapped, tensors_in
from pbgraph.dendrites.kept import KeptBatch

log = logging.getLogger(__name__)
MEBIBYTE = 2**20


class Store:
    """Batches that were kept.

    memory, file            bytes that they may take there at the most
    in_memory, in_file      bytes that they take
    """

    def __init__(self, memory: int, file: int) -> None:
        self._memory, self._file_limit = memory, file
        self.in_memory = self.in_file = 0
        self._kept: dict[bytes, KeptBatch | _Filed] = {}
        self._file: Any = None
        self._epochs = self._found = 0
        self._useless = self._warned = False

    def get(self, batch: Any, make: Callable[[], KeptBatch]) -> KeptBatch:
        """What was kept of a batch of this content, or else what `make` gives, which is kept if there is room.

        A batch of which δ or the loss is not finite is not kept, nor one whose content cannot be told; that is said.
        """
        name = None if self._useless else fingerprint(batch)
        if name is None and not self._useless:
            self._warn(
                f"the content of a batch of type {type(batch).__qualname__} cannot be told, so nothing is kept of such "
                "batches, and each epoch computes the network anew: hand tensors, arrays, numbers and texts in tuples, "
                "lists, mappings, dataclasses, or objects whose to_dict() has all of it"
            )
        if name is not None and (known := self._kept.get(name)) is not None:
            self._found += 1
            return known.read() if isinstance(known, _Filed) else known
        made = make()
        if name is not None and made.finite:
            self._keep(name, made)
        return made

    def end_epoch(self) -> None:
        """Keep nothing more if there was none among this epoch's batches that had been there before."""
        if self._epochs and self._kept and not self._found:
            self.close()
            self._useless = True
            self._warn(
                "no batch of this epoch had been there in the last, so nothing more is kept, and each epoch computes "
                "the network anew: hand the same batches in every epoch of a dendrite phase, in any order"
            )
        self._epochs, self._found = self._epochs + 1, 0

    def _warn(self, text: str) -> None:
        """Once."""
        if not self._warned:
            log.warning("delta is 'clean': %s", text)
        self._warned = True

    def close(self) -> None:
        """Let everything go."""
        self._kept.clear()
        self.in_memory = self.in_file = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _keep(self, name: bytes, made: KeptBatch) -> None:
        tensors = _distinct(made).values()
        size = sum(map(_bytes, tensors))
        if self.in_memory + size <= self._memory:
            self._kept[name] = made
            self.in_memory += size
        elif self.in_file + size <= self._file_limit and all(map(is_plain, tensors)):
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="pbgraph-kept-")  # noqa: SIM115 (closed with the store)
            self._kept[name] = _Filed(self._file, made)
            self.in_file += size


class _Filed:
    """A kept batch whose tensors are in a file: a part of it that begins where a page of memory may."""

    def __init__(self, file: Any, made: KeptBatch) -> None:
        self._file, step = file, mmap.ALLOCATIONGRANULARITY
        self._start = -(-file.seek(0, 2) // step) * step
        self._places: dict[int, tuple[int, Tensor]] = {}  # of the stand-in: where its values are, and their device
        stand_ins: dict[int, Tensor] = {}
        end = 0
        for key, tensor in _distinct(made).items():
            stand_in = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
            stand_ins[key] = stand_in
            self._places[id(stand_in)] = end, tensor.new_empty(0)
            values = tensor.detach().cpu().contiguous()
            file.seek(self._start + end)
            file.write(values.reshape(-1).view(torch.uint8).numpy().data if values.numel() else b"")
            end = -(-(end + values.numel() * values.element_size()) // _ALIGNED) * _ALIGNED
        file.truncate(self._start + max(end, 1))
        file.flush()
        self._size = max(end, 1)
        self._structure: KeptBatch = mapped(made, lambda tensor: stand_ins[id(tensor)])

    def read(self) -> KeptBatch:
        """The batch again; the pages of its tensors are read when they are looked at."""
        memory = mmap.mmap(self._file.fileno(), self._size, access=mmap.ACCESS_COPY, offset=self._start)
        known: dict[int, Tensor] = {}

        def values(stand_in: Tensor) -> Tensor:
            key = id(stand_in)
            if key not in known:
                start, device = self._places[key][0], self._places[key][1].device
                count = stand_in.numel()
                flat = torch.empty(0, dtype=stand_in.dtype)
                if count:
                    flat = torch.frombuffer(memory, dtype=stand_in.dtype, count=count, offset=start)
                known[key] = flat.view(stand_in.shape).to(device)
            return known[key]

        read: KeptBatch = mapped(self._structure, values)
        return read


_ALIGNED = 64
_CSR, _CSC = ("crow_indices", "col_indices", "values"), ("ccol_indices", "row_indices", "values")
_PARTS = {
    torch.sparse_coo: ("_indices", "_values"),
    **dict.fromkeys((torch.sparse_csr, torch.sparse_bsr), _CSR),
    **dict.fromkeys((torch.sparse_csc, torch.sparse_bsc), _CSC),
}


def _bytes(tensor: Tensor) -> int:
    """What it takes; of a sparse one, its parts."""
    parts = [getattr(tensor, name)() for name in _PARTS.get(tensor.layout, ())] or [tensor]
    return sum(part.numel() * part.element_size() for part in parts)


def _distinct(made: KeptBatch) -> dict[int, Tensor]:
    """Every tensor once, by its identity."""
    return {id(tensor): tensor for tensor in tensors_in(made)}


def fingerprint(batch: Any) -> bytes | None:
    """A digest of all that a batch holds, or None if it holds something whose content cannot be told.

    Of an object that is nothing known, it is of its class and what its to_dict() gives, as graphs of PyTorch Geometric
    have.

    >>> fingerprint((torch.ones(2), "a")) == fingerprint((torch.ones(2), "a")) != fingerprint((torch.ones(2), "b"))
    True
    >>> fingerprint(object()) is None
    True
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        _feed(digest, batch)
    except TypeError:
        return None
    return digest.digest()


def _feed(digest: Any, value: Any) -> None:
    digest.update(f"{type(value).__qualname__}:".encode())
    if isinstance(value, Tensor):
        if not is_plain(value):
            raise TypeError
        digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, (str, int, float, bool, bytes, type(None), np.number, np.bool_)):
        digest.update(repr(value).encode())
    elif isinstance(value, (tuple, list)):
        digest.update(f"{len(value)}".encode())
        for item in value:
            _feed(digest, item)
    elif isinstance(value, Mapping):
        _feed(digest, [item for pair in value.items() for item in pair])
    elif is_dataclass(value) and not isinstance(value, type):
        _feed(digest, [getattr(value, field.name) for field in fields(value)])
    elif hasattr(value, "to_dict") and not isinstance(value, type):
        _feed(digest, value.to_dict())
    else:
        raise TypeError
