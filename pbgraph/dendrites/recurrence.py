"""The states of a recurrent site's dendrites between two calls: what they are when its own state is handed back.

Whoever calls a recurrent module sees one state, the module's, and may do with it whatever there is to do: hand it
back, detach it, reset some of its rows, clamp it. The dendrites' states travel with the memory of the tensors that the
site returned, and

- a tensor on that memory (itself, detached, a view of its first rows) is known again, row by row: where a row holds
  bit for bit what the site returned, module and dendrites go on from the states they had; where it was changed in
  place, all of them start from what is there now;
- any other tensor, be it computed from what the site returned (``torch.where``, ``h * mask``, ``c.clamp()``) or the
  initial state of a new sequence, is a state to start from: module and dendrites all do.

So a state has to come back in evaluation as it does in training. Dropout between calls changes it in training alone,
and evaluation would compute another function: `pbgraph.dendrites.handing` refuses that.

A row is all channels of one item (of one layer, where states have an axis of layers); where a state has several
tensors, as of an LSTM, a row is known if it is in each of them. Detached states are cut for dendrites too.
So the function is one of the values handed over, nothing that a caller does to a state is ever ignored, and rows do not
depend on each other.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import detached, mapped, tensors_in
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.handing import memory_of, traced

STATE = "dendrite_states"  # the attribute of a storage
Rows = tuple[int, int]


@dataclass(frozen=True, eq=False)
class SiteState:
    """What a recurrent site keeps beside a state that it returned.

    owner     the site
    returned  copies of the state's tensors as they were then
    offsets   where each began in its memory
    graphs    whether each required gradients
    parent    the output of a cell without what dendrites added to it; None for a module whose state is not its output
    own       the states of its dendrites and candidates
    step      the training step in which it was made, or None
    mark      by which tensors of the state but the first are known: a record there would keep itself alive
    """

    owner: nn.Module
    returned: tuple[Tensor, ...]
    offsets: tuple[int, ...]
    graphs: tuple[bool, ...]
    parent: Tensor | None
    own: Mapping[nn.Module, Any]
    step: int | None
    mark: object = field(default_factory=object)


class Recurrence:
    """Where the state of a recurrent module goes in and comes out.

    cell  whether its state is its output: a GRUCell, RNNCell or LSTMCell; elsewhere it returns (output, state)
    """

    def __init__(self, parent: nn.Module, site: str) -> None:
        self.cell, self.site = isinstance(parent, nn.RNNCellBase), site
        names = list(inspect.signature(parent.forward).parameters)
        if len(names) < 2:
            raise SiteError(f"site {site!r} keeps a state, but its forward takes {names}: expected (input, state, ...)")
        self.name = names[1]

    def handed(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """The state among the arguments of a call, or None."""
        return inputs[1] if len(inputs) > 1 else named.get(self.name)

    def placed(self, inputs: Sequence[Any], named: Mapping[str, Any], state: Any) -> tuple[Sequence[Any], Any]:
        """The arguments of a call with this state in the place of the one that was handed over."""
        if len(inputs) > 1:
            return (inputs[0], state, *inputs[2:]), named
        return inputs, named if state is None else {**named, self.name: state}

    def following(self, output: Any) -> Any:
        """The next state in what the module returned."""
        if self.cell:
            return output
        if not isinstance(output, tuple) or len(output) != 2:
            raise SiteError(
                f"site {self.site!r} sets recurrent_state = True but returns a {type(output).__name__}: "
                "return (output, state), or take the attribute away"
            )
        return output[1]


def recurrence_of(parent: nn.Module, site: str) -> Recurrence | None:
    """How a module keeps its state, or None for one that keeps none."""
    if isinstance(parent, (nn.RNNCellBase, nn.RNNBase)) or getattr(parent, "recurrent_state", False):
        return Recurrence(parent, site)
    return None


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a state comes from that was handed to a site: what an earlier call returned, or rows of it.

    call  number of that call;  rows, mask  which of its rows, and which of them are what they were
    cut   whether each tensor of the state was detached
    """

    call: int
    rows: tuple[Rows | None, ...]
    mask: Tensor | bool
    cut: tuple[bool, ...]

    def state(self, own: Any, initial: Any) -> Any:
        """What a dendrite goes on from, which had the state `own` after that call; initial: the one handed over."""
        left = iter(zip(tensors_in(own), self.rows, self.cut, strict=True))

        def mixed(leaf: Tensor) -> Tensor:
            state, rows, cut = next(left)
            return _mixed(state, leaf, rows, self.mask, cut=cut)

        return mapped(initial, mixed)


class Known:
    """A state that was handed to a site, seen through what the site remembers of it.

    owner   the site
    handed  the state, or None
    """

    def __init__(self, owner: nn.Module, handed: Any) -> None:
        self.handed = handed
        self._leaves = tensors_in(handed)
        self._rows: list[Rows | None] = []
        self.record = self._recalled(owner)
        self._mask: Tensor | bool = self.record is not None and self._matching(self.record)

    def _recalled(self, owner: nn.Module) -> SiteState | None:
        first, *others = [getattr(memory_of(leaf), STATE, None) for leaf in self._leaves] or [None]
        if not isinstance(first, SiteState) or first.owner is not owner or len(first.returned) != len(self._leaves):
            return None
        if any(other is not first.mark for other in others):
            return None
        try:
            self._rows = [_rows(*each) for each in zip(self._leaves, first.returned, first.offsets, strict=True)]
        except LookupError:
            return None
        return first

    def _matching(self, record: SiteState) -> Tensor | bool:
        """Which rows are what they were; True or False for all of them."""
        masks = []
        for leaf, returned, rows in zip(self._leaves, record.returned, self._rows, strict=True):
            equal = leaf.detach() == _narrowed(returned, rows)
            masks.append(equal.all(-1, keepdim=True) if equal.ndim else equal)
        if any(mask.shape != masks[0].shape for mask in masks):
            masks = [mask.all() for mask in masks]
        known = torch.stack(masks).all(0)
        if traced():
            return known
        if bool(known.all()):
            return True
        return known if bool(known.any()) else False

    def _mixed(self, place: int, own: Tensor, initial: Tensor, *, cut: bool = False) -> Tensor:
        """One tensor of a state: `own` in the rows that are known, `initial` in the others."""
        return _mixed(own, initial, self._rows[place], self._mask, cut=cut or self._was_cut(place))

    def _was_cut(self, place: int) -> bool:
        """Whether the caller has detached a tensor of the state."""
        assert self.record is not None
        return self.record.graphs[place] and not self._leaves[place].requires_grad

    def origin(self, earlier: Sequence[SiteState | None]) -> Origin | None:
        """Of the state that was handed over, if it has any among these."""
        if self._mask is False or self.record is None or self.record not in earlier:
            return None
        cut = tuple(map(self._was_cut, range(len(self._leaves))))
        return Origin(earlier.index(self.record), tuple(self._rows), self._mask, cut)

    def parent_state(self) -> Any:
        """What the site's parent goes on from."""
        if self._mask is False or self.record is None or self.record.parent is None:
            return self.handed
        first, *others = self._leaves
        own = self._mixed(0, self.record.parent, first)
        if first.requires_grad and first.is_leaf:  # somebody asks for the gradient of this very tensor
            own = own.detach() + (first - first.detach())
        left = iter([own, *others])
        return mapped(self.handed, lambda _: next(left))

    def state_of(self, module: nn.Module, *, cut: bool, step: int | None) -> Any:
        """What this dendrite goes on from.

        cut   whether no error flows back into what was handed over
        step  the training step that is on: no error flows back into another
        """
        initial = detached(self.handed) if cut else self.handed
        if self._mask is False or self.record is None or module not in self.record.own:
            return initial
        own = tensors_in(self.record.own[module])
        left = iter(enumerate(own))

        def mixed(leaf: Tensor) -> Tensor:
            place, state = next(left)
            return self._mixed(place, state, leaf, cut=step != self.record.step)  # type: ignore[union-attr]

        return mapped(initial, mixed)


def remember(
    owner: nn.Module,
    state: Any,
    *,
    parent: Tensor | None,
    own: Iterable[tuple[nn.Module, Any]],
    step: int | None = None,
) -> SiteState | None:
    """Let the memory of a returned state know of the states of the dendrites; arguments as of `SiteState`.

    Returns what it knows now, None for a state that is None. Raises SiteError for a state in which there is no tensor.
    """
    leaves = tensors_in(state)
    if not leaves and state is not None:
        raise SiteError(
            f"a recurrent {type(owner).__name__} returns a {type(state).__name__} as its state, in which no tensor is "
            "found: return tensors, or tuples, lists, dictionaries or dataclasses of them"
        )
    if not leaves:
        return None
    record = SiteState(
        owner,
        tuple(leaf.detach().clone() for leaf in leaves),
        tuple(int(leaf.storage_offset()) for leaf in leaves),
        tuple(leaf.requires_grad for leaf in leaves),
        parent,
        dict(own),
        step,
    )
    for place, leaf in enumerate(leaves):
        setattr(memory_of(leaf), STATE, record.mark if place else record)
    return record


def _rows(leaf: Tensor, returned: Tensor, offset: int) -> Rows | None:
    """(First row, number of rows) of `returned` that a view of its memory holds; None for all of them.

    Raises LookupError for a view of another kind.
    """
    if leaf.shape == returned.shape:
        return None
    if leaf.ndim > 1 and leaf.shape[1:] == returned.shape[1:] and leaf.stride() == returned.stride():
        first = (leaf.storage_offset() - offset) // max(leaf.stride(0), 1)
        if 0 <= first <= len(returned) - len(leaf):
            return first, len(leaf)
    raise LookupError(tuple(leaf.shape))


def _mixed(own: Tensor, initial: Tensor, rows: Rows | None, mask: Tensor | bool, *, cut: bool) -> Tensor:
    own = _narrowed(own, rows)
    if cut:
        own = own.detach()
    return torch.where(mask, own, initial) if isinstance(mask, Tensor) else own


def _narrowed(values: Tensor, rows: Rows | None) -> Tensor:
    return values if rows is None else values.narrow(0, *rows)
