"""What the sites of a network that stands still are called with, and the errors δ that they make.

In evaluation mode and with weights that stay as they are, both are functions of the batch alone. So a candidate can be
trained on what was kept of a batch, without another pass of the network: its activations are computed from the inputs
of every call, in order; a recurrent candidate goes on from its own states, as it does within the network. A state that
the site was handed from another batch is one to start from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import is_plain, mapped, tensors_in
from pbgraph.dendrites.deltas import output_gradients
from pbgraph.dendrites.dendrite import Arguments, Dendrite
from pbgraph.dendrites.forward import Call, SiteForward
from pbgraph.dendrites.recurrence import Known, Origin, SiteState
from pbgraph.dendrites.scaling import Scaling
from pbgraph.dendrites.sites import Site


@dataclass(frozen=True, eq=False)
class Autocast:
    """The mixed precision that was on in a call."""

    device: str
    dtype: torch.dtype

    @classmethod
    def present(cls, device: str) -> Autocast | None:
        """Of this device, if it is on."""
        return cls(device, torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else None


@dataclass(frozen=True, eq=False)
class KeptCall:
    """One call of a site: what it was called with, and δ (..., C), shaped as its output.

    earlier  activations of its dendrites;  origin  of a state among the inputs that an earlier call returned
    """

    inputs: tuple[Any, ...]
    named: Mapping[str, Any]
    earlier: tuple[Tensor, ...]
    origin: Origin | None
    autocast: Autocast | None
    delta: Tensor


@dataclass(frozen=True, eq=False)
class KeptBatch:
    """Of one batch: the task's loss, and the calls of every site that it depends on. δ is too large by `scale`."""

    loss: Tensor
    sites: Mapping[str, tuple[KeptCall, ...]]
    scale: float = 1.0

    @property
    def finite(self) -> bool:
        """Whether the loss and δ are; what sites are called with need not be, such as labels that were not measured."""
        errors = [call.delta for own in self.sites.values() for call in own]
        return all(bool(values.isfinite().all()) for values in (self.loss, *errors))


def answers(site: Site, candidate: Dendrite, calls: Sequence[KeptCall]) -> list[Tensor]:
    """The activations of a candidate of the site in these calls of one batch, shaped as δ."""
    recurrence, states, found = site.recurrence, list[Any](), list[Tensor]()
    for call in calls:
        inputs, named = call.inputs, dict(call.named)
        if recurrence is not None:
            state = recurrence.handed(inputs, named)
            if call.origin is not None:
                state = call.origin.state(states[call.origin.call], state)
            inputs, named = recurrence.placed(inputs, named, state)  # type: ignore[assignment]
        with _as_then(call.autocast):
            a, output = candidate(call.earlier, inputs, named)
        found.append(a)
        if recurrence is not None:
            states.append(recurrence.following(output))
    return found


def _as_then(autocast: Autocast | None) -> AbstractContextManager[Any]:
    return nullcontext() if autocast is None else torch.autocast(autocast.device, autocast.dtype)


class Keeper:
    """Takes in the calls of one forward pass; inputs are copied when a site is called, each tensor once."""

    def __init__(self) -> None:
        self._calls: dict[
            str, list[tuple[tuple[Any, ...], dict[str, Any], tuple[Tensor, ...], Origin | None, Autocast | None]]
        ] = defaultdict(list)
        self._states: dict[str, list[SiteState | None]] = defaultdict(list)
        self._copies: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}

    def called(self, site: SiteForward, arguments: Arguments, earlier: Sequence[Tensor], known: Known | None) -> None:
        """See `pbgraph.dendrites.forward.Keeper`."""
        origin = None if known is None else known.origin(self._states[site.name])
        if origin is not None and origin.mask is True and site.recurrence is not None:  # no candidate will look at it
            empty = mapped(site.recurrence.handed(*arguments), lambda state: state.new_empty(0))
            arguments = site.recurrence.placed(*arguments, empty)
        given: tuple[tuple[Any, ...], dict[str, Any]] = (tuple(arguments[0]), dict(arguments[1]))
        inputs, named = mapped(given, self._copy)
        tensors = tensors_in((inputs, named))
        autocast = Autocast.present(tensors[0].device.type) if tensors else None
        self._calls[site.name].append((inputs, named, tuple(map(self._copy, earlier)), origin, autocast))

    def remembered(self, site: SiteForward, state: SiteState | None) -> None:
        """See there."""
        self._states[site.name].append(state)

    def calls(self, deltas: Mapping[str, Sequence[Tensor]]) -> dict[str, tuple[KeptCall, ...]]:
        """Those of the sites that have δ."""
        return {
            name: tuple(
                KeptCall(inputs, named, earlier, origin, autocast, delta.detach().clone(memory_format=_CONTIGUOUS))
                for (inputs, named, earlier, origin, autocast), delta in zip(self._calls[name], own, strict=True)
            )
            for name, own in deltas.items()
        }

    def _copy(self, tensor: Tensor) -> Tensor:
        """A copy in memory of its own; of a tensor that has been copied as it is now, the same one."""
        if not is_plain(tensor) or tensor.is_inference():
            return tensor.detach().clone()
        place = tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.shape, tensor.stride()
        key = (*place, tensor.dtype, tensor._version)
        if key not in self._copies:  # the original is kept too, so that nothing else comes to be in its place
            self._copies[key] = tensor, tensor.detach().clone(memory_format=_CONTIGUOUS)
        return self._copies[key][1]


_CONTIGUOUS = torch.contiguous_format


def kept_batch(
    sites: Mapping[str, Site],
    task_loss: Callable[[], Tensor],
    scaling: Scaling,
    *,
    closed: Callable[[], None] = lambda: None,
) -> KeptBatch:
    """One forward and one backward pass of a network that stands still, in the mode that it is in.

    closed  called between the two
    Nothing but sites may require gradients; errors as of `output_gradients`.
    """
    keeper = Keeper()
    with _keeping(sites, keeper):
        loss = task_loss()
        calls = {name: site.calls or [] for name, site in sites.items()}
        for site in sites.values():
            site.calls, site.keeper = [], None  # what is called from now on repeats it, for a checkpoint
        closed()
        deltas = output_gradients(scaling.scale(loss), calls)
    return KeptBatch(loss.detach(), keeper.calls(deltas), scaling.factor)


@contextmanager
def _keeping(sites: Mapping[str, Site], keeper: Keeper) -> Iterator[None]:
    """Within the block sites keep their calls, and candidates are not among what is called."""
    candidates = {name: site.candidates for name, site in sites.items()}
    for site in sites.values():
        site.calls, site.keeper, site.candidates = list[Call](), keeper, nn.ModuleList()
    try:
        yield
    finally:
        for name, site in sites.items():
            site.calls, site.keeper, site.candidates = None, None, candidates[name]
