"""Which rows of bits are most like a row: S = |A ∩ B| / |A ∪ B|, 0 of two rows without any bit.

Fingerprints are sparse, so the fast form goes through the rows that have a bit, for each bit that a row has: as many
steps as there are bits in common. Both forms divide the same whole numbers, so that they agree bit for bit.
Source: Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x; of fingerprints it is called Tanimoto similarity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pbgraph.ops.kernels import Kernel, fused


@dataclass(frozen=True, eq=False)
class BitRows:
    """n rows of bits, and which rows have each bit.

    packed  (n, B / 8) uint8, eight bits to the byte
    starts  (B + 1,) int64; bit b is in rows[starts[b] : starts[b + 1]]
    rows    int64, ascending for each bit
    size    (n,) float64, bits of each row
    """

    packed: np.ndarray
    starts: Tensor
    rows: Tensor
    size: Tensor

    @classmethod
    def of(cls, packed: np.ndarray) -> BitRows:
        """Look through rows (n, B / 8) uint8."""
        row, bit = np.nonzero(np.unpackbits(packed, axis=1).view(bool))
        by_bit = row[np.argsort(bit, kind="stable")]
        starts = _pointers(bit, 8 * packed.shape[1])
        size = np.bincount(row, minlength=len(packed)).astype(np.float64)
        return cls(packed, torch.from_numpy(starts), torch.from_numpy(by_bit), torch.from_numpy(size))

    def __len__(self) -> int:
        return len(self.packed)


def tanimoto_definition(packed: np.ndarray, others: BitRows) -> np.ndarray:
    """The definition in plain PyTorch; `tanimoto` gives the same faster."""
    a, b = (torch.from_numpy(np.unpackbits(rows, axis=1)).double() for rows in (packed, others.packed))
    common = a @ b.T
    either = a.sum(1)[:, None] + b.sum(1) - common
    return torch.where(either > 0, common / either, 0.0).numpy()


def tanimoto(packed: np.ndarray, others: BitRows) -> np.ndarray:
    """Similarities (m, n) float64 of m rows (m, B / 8) uint8 to n others.

    Raises ValueError for rows of another width.
    """
    if packed.shape[1] != others.packed.shape[1]:
        raise ValueError(f"rows of {packed.shape[1]} bytes, and others of {others.packed.shape[1]}")
    similar = torch.empty((len(packed), len(others)), dtype=torch.float64)
    if not fused((_tanimoto,), similar):
        return tanimoto_definition(packed, others)
    row, bit = np.nonzero(np.unpackbits(packed, axis=1).view(bool))
    ptr = torch.from_numpy(_pointers(row, len(packed)))
    _tanimoto(similar, ptr, torch.from_numpy(bit), others.starts, others.rows, others.size)
    return similar.numpy()


def largest_definition(values: np.ndarray, few: int) -> np.ndarray:
    """The definition in NumPy; `largest` gives the same faster."""
    return np.argsort(-values, axis=1, kind="stable")[:, :few]


def largest(values: np.ndarray, few: int) -> np.ndarray:
    """Numbers (m, few) int64 of the largest of each row (m, n) float64, the largest first, and of equals the first.

    Raises ValueError if there are fewer than that.
    """
    if not 1 <= few <= values.shape[1]:
        raise ValueError(f"the {few} largest of {values.shape[1]} values")
    given, order = torch.from_numpy(np.ascontiguousarray(values)), torch.empty((len(values), few), dtype=torch.int64)
    if not fused((_largest,), given):
        return largest_definition(values, few)
    _largest(given, order)
    return order.numpy()


def _pointers(values: np.ndarray, count: int) -> np.ndarray:
    """(count + 1,) int64: where each of the values 0 to count - 1 begins in a sorted array of these."""
    return np.concatenate([[0], np.cumsum(np.bincount(values, minlength=count))]).astype(np.int64)


_tanimoto = Kernel("overlap_kernels", "tanimoto", "d2 i1 i1 i1 i1 d1", "M,N M+1@Q Q<B B+1@E E<N N", exact=True)
_largest = Kernel("overlap_kernels", "largest", "d2 i2", "M,N M,K", exact=True)
