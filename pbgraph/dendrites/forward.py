"""The forward pass of a site: what dendrites add to what a layer returns.

A site is a sub-module M whose output y has a neuron axis of C channels. With K dendrites

    z_k = M_k(x) + Σ_{j<k} u_kj ⊙ a_j        M_k: same architecture as M, weights of its own
    a_k = g(z_k)                              g: tanh, sigmoid or relu
    y'  = M(x) + Σ_k w_k ⊙ a_k                w_k, u_kj (C,): one number per neuron, broadcast over all other axes

*Perforation*: M_k sees its inputs detached, so no error flows through a dendrite; w_k gets its exact gradient.
The neuron axis is the last one; see `pbgraph.dendrites.outputs` for convolutions and for modules that return tuples.

A *recurrent* site keeps a state between its calls. Each dendrite carries a state of its own, which starts from the
parent's initial state; what dendrites add goes to the output alone, so the parent's own recurrence is unchanged.

- A module with the class attribute ``recurrent_state = True`` has ``forward(input, state) -> (output, state)``.
- The state of a GRUCell, RNNCell or LSTMCell is its output, so what dendrites added is taken off it again when it is
  handed back.
- A GRU, LSTM or RNN runs over its sequence within one call: dendrites act on its `output`, h_n is the parent's.

`pbgraph.dendrites.recurrence` says what the dendrites' states are when the state is handed back, changed or not.

Source: Brenner & Itti, arXiv:2501.18018. Where it is silent: g is tanh by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import MakeModule, detached, mapped, tensors_in
from pbgraph.dendrites.dendrite import Arguments, Role, activated, with_scaled
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.handing import Handing
from pbgraph.dendrites.outputs import neuron_axis, opened, replaced
from pbgraph.dendrites.recurrence import Known, Recurrence, SiteState, recurrence_of, remember
from pbgraph.dendrites.step import Step, refuse_transform


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a site in a dendrite phase: its output y' and what each candidate answered, all shaped as y'."""

    output: Tensor
    candidates: tuple[Tensor, ...]


class Keeper(Protocol):
    """Who wants to know what sites are called with, in passes in which calls are kept."""

    def called(self, site: SiteForward, arguments: Arguments, earlier: Sequence[Tensor], known: Known | None) -> None:
        """A site was called: its inputs, detached; activations of its dendrites; what is known of a state in them."""

    def remembered(self, site: SiteForward, state: SiteState | None) -> None:
        """The same call of a recurrent site has returned a state."""


class SiteForward:
    """What a site computes when the network calls it; see the equations at the top of this file.

    module      where it stands in the network; its parts are parent, dendrites, w and candidates
    make        M -> the module of a dendrite, if that is not to be a copy of M
    role        how accepted dendrites take part in the backward pass
    axis        of the neurons, counted from the last one, -1
    channels    C, or None before the first call
    calls       None, or the list to which every call is appended in a dendrite phase
    keeper      who is told of these calls, if anybody
    frozen      whether the parent is not trained, in neuron phases either
    step        the training step that is on, if a `Growth` trains the network
    handing     how a recurrent site's state came back to it in training
    """

    def __init__(self, module: nn.Module, name: str, make: MakeModule | None) -> None:
        self.module = module
        self.name, self.make = name, make
        self.role = Role()
        self.axis = neuron_axis(self.parent)
        self.channels: int | None = None
        self.calls: list[Call] | None = None
        self.frozen = False
        self.keeper: Keeper | None = None
        self.step: Step | None = None
        self.recurrence = recurrence_of(self.parent, name)
        self.handing = Handing()

    @property
    def parent(self) -> nn.Module:
        """M, as it was."""
        return self.module._modules["parent"]  # type: ignore[return-value]

    @property
    def dendrites(self) -> nn.ModuleList:
        """The accepted ones."""
        return self.module._modules["dendrites"]  # type: ignore[return-value]

    @property
    def w(self) -> nn.ParameterList:
        """Their output weights, (C,) each."""
        return self.module._modules["w"]  # type: ignore[return-value]

    @w.setter
    def w(self, weights: nn.ParameterList) -> None:
        self.module._modules["w"] = weights

    @property
    def candidates(self) -> nn.ModuleList:
        """Those in training; they add nothing to the output."""
        return self.module._modules["candidates"]  # type: ignore[return-value]

    @candidates.setter
    def candidates(self, candidates: nn.ModuleList) -> None:
        self.module._modules["candidates"] = candidates

    def run(self, inputs: Sequence[Any], named: dict[str, Any]) -> Any:
        """The forward pass of its module."""
        if self.recurrence is None:
            return self._run(inputs, named)
        handed = self.recurrence.handed(inputs, named)
        self.handing.take(self.name, handed, training=self.module.training)
        output = self._run(inputs, named)
        self.handing.give(self.recurrence.following(output))
        return output

    def _run(self, inputs: Sequence[Any], named: dict[str, Any]) -> Any:
        recording = self.calls is not None and torch.is_grad_enabled()
        in_step = self.step is not None and self.step.on
        if in_step:
            self.step.note_call(self.name)  # type: ignore[union-attr]
        if recording or (in_step and self.step.grows):  # type: ignore[union-attr]
            refuse_transform(self.name)
        dendrites = self.dendrites
        if not recording and not len(dendrites):
            output = self.parent(*inputs, **named) if self.channels is not None else self._called_first(inputs, named)
            self._watch(self._checked(output))
            return output
        if self.recurrence is not None:
            return self._recurrent(self.recurrence, inputs, named, recording)
        output = self.parent(*inputs, **named)
        y = self._checked(output)
        inputs, named = self._unshared(inputs, named, recording)
        perforated = self.role.errors == "perforated"
        cut = _detached(inputs, named) if recording or perforated else (inputs, named)
        activations: list[Tensor] = []
        if len(dendrites):
            activations, _ = self._dendrites([cut if perforated else (inputs, named)] * len(dendrites))
        if not recording:
            return replaced(output, self._watch(self._sum(y, activations)))
        self._tell(cut, activations, None)
        candidates, _ = self._candidates(activations, [cut] * len(self.candidates))
        return replaced(output, self._kept(self._sum(y, activations), candidates))

    def _recurrent(self, recurrence: Recurrence, inputs: Sequence[Any], named: dict[str, Any], recording: bool) -> Any:
        known = Known(self.module, recurrence.handed(inputs, named))
        given, words = recurrence.placed(inputs, named, known.parent_state())
        output = self.parent(*given, **words)
        y = self._checked(output)
        inputs, named = self._unshared(inputs, named, recording)
        step = None if self.step is None else self.step.number
        cut, perforated = _detached(inputs, named), self.role.errors == "perforated"
        x, others = cut if perforated else (inputs, named)
        activations, returned = self._dendrites(
            recurrence.placed(x, others, known.state_of(own, cut=perforated, step=step)) for own in self.dendrites
        )
        changed, branches = self._sum(y, activations), list(self.dendrites)
        if recording:
            self._tell(cut, activations, known)
            candidates, tried = self._candidates(
                activations,
                (recurrence.placed(*cut, known.state_of(own, cut=True, step=step)) for own in self.candidates),
            )
            changed = self._kept(changed, candidates)
            branches, returned = [*branches, *self.candidates], [*returned, *tried]
        else:
            self._watch(changed)
        result = replaced(output, changed)
        states = zip(branches, map(recurrence.following, returned), strict=True)
        made = remember(
            self.module, recurrence.following(result), parent=y if recurrence.cell else None, own=states, step=step
        )
        if recording and self.keeper is not None:
            self.keeper.remembered(self, made)
        return result

    def _unshared(self, inputs: Sequence[Any], named: dict[str, Any], recording: bool) -> Arguments:
        """The arguments for what is trained here; copied if nothing keeps the network from changing them in place."""
        if self.frozen and torch.is_grad_enabled() and (recording or self.role.trainable):
            return mapped((inputs, named), Tensor.clone)  # type: ignore[no-any-return]
        return inputs, named

    def _tell(self, arguments: Arguments, activations: list[Tensor], known: Known | None) -> None:
        if self.keeper is not None:
            self.keeper.called(self, arguments, activations, known)

    def _called_first(self, inputs: Sequence[Any], named: dict[str, Any]) -> Any:
        """What the parent returns; raises SiteError if it changes its inputs, which dendrites are to see as well."""
        tensors = [tensor for tensor in tensors_in((inputs, named)) if not tensor.is_inference()]
        before = [tensor._version for tensor in tensors]
        output = self.parent(*inputs, **named)
        if [tensor._version for tensor in tensors] != before:
            raise SiteError(
                f"site {self.name!r} changes its inputs in place, so its dendrites would change them again: let it "
                "work on a copy, or leave the site out"
            )
        return output

    def _watch(self, y: Tensor) -> Tensor:
        if self.step is not None:
            self.step.watch(self.name, y)
        return y

    def _dendrites(self, arguments: Iterable[Arguments]) -> tuple[list[Tensor], list[Any]]:
        """As `activated`, of the accepted dendrites, which are constants unless the role says otherwise."""
        role = self.role
        perforated = role.errors == "perforated"
        fixed = perforated and not role.trainable and torch.is_grad_enabled()
        context: AbstractContextManager[Any] = torch.no_grad() if fixed else nullcontext()
        with context:
            return activated(self.dendrites, arguments, apart=perforated)

    def _candidates(
        self, activations: list[Tensor], arguments: Iterable[Arguments]
    ) -> tuple[tuple[Tensor, ...], list[Any]]:
        """(Activations of the candidates, all they returned), none of which sees another."""
        earlier = detached(activations) if activations else activations
        pairs = [own(earlier, inputs, named) for own, (inputs, named) in zip(self.candidates, arguments, strict=True)]
        return tuple(a for a, _ in pairs), [output for _, output in pairs]

    def _sum(self, y: Tensor, activations: list[Tensor]) -> Tensor:
        """y'."""
        if self.make is not None:
            self._check_shapes(y, activations)
        if not activations:
            return y
        return with_scaled(y, self.w, activations, axis=self.axis)

    def _kept(self, y: Tensor, candidates: tuple[Tensor, ...]) -> Tensor:
        """y' as the network may use it, kept with the candidates' activations for what they are to learn from it."""
        if self.make is not None:
            self._check_shapes(y, candidates)
        if not y.requires_grad:
            y = y.detach().requires_grad_()
        self._watch(y)
        self.calls.append(Call(y, candidates))  # type: ignore[union-attr]
        return y.clone()  # whoever changes the output in place leaves y' as it is

    def _check_shapes(self, y: Tensor, activations: Sequence[Tensor]) -> None:
        """Raises SiteError unless modules that were made for dendrites return what the parent does."""
        for a in activations:
            if a.shape != y.shape:
                raise SiteError(
                    f"the dendrite of site {self.name!r} returns shape {tuple(a.shape)} and the site {tuple(y.shape)}: "
                    "make a module for its dendrites that returns the same"
                )

    def _checked(self, output: Any) -> Tensor:
        """The tensor y in what the parent returned."""
        y = opened(output)
        if not isinstance(y, Tensor) or y.ndim < -self.axis or not y.is_floating_point():
            raise SiteError(
                f"site {self.name!r} returns {_described(y)}; a site returns a tensor of real numbers with its "
                f"neurons on axis {self.axis}, or a tuple that begins with one: choose another sub-module"
            )
        if self.recurrence is not None:
            self.recurrence.following(output)
        channels = y.size(self.axis)
        if self.channels is None:
            self.channels = channels
        elif self.channels != channels:
            raise SiteError(
                f"site {self.name!r} had {self.channels} neurons on axis {self.axis} and now has "
                f"{channels}; that axis must be the neurons: set neuron_axis on the module's class, or "
                "choose another sub-module"
            )
        return y


def _detached(inputs: Sequence[Any], named: dict[str, Any]) -> Arguments:
    if not named and len(inputs) == 1 and isinstance(inputs[0], Tensor):  # as most layers are called
        return (inputs[0].detach() if inputs[0].requires_grad else inputs[0],), named
    return detached(inputs), detached(named) if named else named


def _described(y: Any) -> str:
    if not isinstance(y, Tensor):
        return f"a {type(y).__name__}"
    return f"a tensor of {str(y.dtype).removeprefix('torch.')} with {y.ndim} axes"
