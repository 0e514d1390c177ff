"""How the state of a recurrent site comes back to it: as it was, or as something that was computed from it.

`pbgraph.dendrites.recurrence` says what the difference is to dendrites, and why it must be the same in training and in
evaluation. The memory of a returned state, and the step of autograd that made it, bear a mark by which they are known.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pbgraph.dendrites.copies import tensors_in
from pbgraph.dendrites.errors import SiteError

HANDED_OUT = "handed_out"  # the attribute of a storage, and of a step of autograd's graph
FURTHEST = 256  # steps of that graph that are looked through


class Handing:
    """How the state of a site comes back to it in training, against which evaluation is held.

    changed, same  whether it came back as something that was computed from it, and as it was
    """

    def __init__(self) -> None:
        self.changed = self.same = False

    def take(self, site: str, handed: Any, *, training: bool) -> None:
        """Look at a state that is handed over.

        Raises SiteError for one that comes back as it was in evaluation, and never did in training.
        """
        leaves = tensors_in(handed)
        if not leaves or traced():
            return
        same = all(getattr(memory_of(leaf), HANDED_OUT, None) is self for leaf in leaves)
        if training:
            self.same |= same
            self.changed = self.changed or (not same and any(map(self._leads_here, leaves)))
        elif same and self.changed and not self.same:
            raise SiteError(
                f"site {site!r}: in training its state is changed before it is handed back, as by dropout, and in "
                "evaluation it comes back as it was, from where dendrites would go on with states of their own that "
                "they never had in training: hand back a new tensor in both, as in h = dropout(h) * 1"
            )

    def give(self, state: Any) -> None:
        """Mark a state that is returned."""
        if traced():
            return
        for leaf in tensors_in(state):
            setattr(memory_of(leaf), HANDED_OUT, self)
            node: Any = leaf.grad_fn  # whose metadata torch declares as a method, and has as a dictionary
            if node is not None:
                node.metadata[HANDED_OUT] = self

    def _leads_here(self, leaf: Tensor) -> bool:
        """Whether a tensor was computed from a state that was returned, as far as autograd knows."""
        ahead: list[Any] = [leaf.grad_fn]
        seen = {None}
        while ahead and len(seen) < FURTHEST:
            node = ahead.pop(0)  # the nearest first
            if node in seen:
                continue
            if node.metadata.get(HANDED_OUT) is self:
                return True
            seen.add(node)
            ahead += [after for after, _ in node.next_functions]
        return False


def traced() -> bool:
    """Whether this is compiled or traced: there are no values yet."""
    return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None


def memory_of(tensor: Tensor) -> Any:
    """What carries a mark or a record: the storage, which a detached tensor and a view share."""
    try:
        return tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):  # e.g. within vmap there is none
        return tensor
