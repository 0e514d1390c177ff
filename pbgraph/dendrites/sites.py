"""Sites: where dendrites grow, and what they add to the forward pass.

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

Accepted dendrites are fixed functions: their weights are frozen, and normalisation layers in them use the running
statistics they had when the dendrite was accepted, in training too. Dropout in a dendrite follows the network's mode.
With `Role.trainable` they are trained in neuron phases like any other part.

Source: Brenner & Itti, arXiv:2501.18018. Where it is silent: g is tanh by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import MakeModule, Reset, detached, tensors_in
from pbgraph.dendrites.dendrite import Dendrite, Role, add_scaled, zeros
from pbgraph.dendrites.deputy import Deputy
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.outputs import neuron_axis, opened, replaced
from pbgraph.dendrites.recurrence import Known, Recurrence, recurrence_of, remember
from pbgraph.dendrites.step import Step, refuse_transform


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a site in a dendrite phase: its output y' and what each candidate answered, all shaped as y'."""

    output: Tensor
    candidates: tuple[Tensor, ...]


class PerforatedSite(Deputy):
    """What stands in the place of a sub-module M of the user's network; `Site` does what there is to do.

    parent  M, as it was;  name, reset, make  as of `Site`
    """

    def __init__(self, parent: nn.Module, name: str, *, reset: Reset = None, make: MakeModule | None = None) -> None:
        super().__init__("parent")
        self._modules.update(dendrites=nn.ModuleList(), w=nn.ParameterList(), candidates=nn.ModuleList())
        self._modules["parent"] = parent
        self.__dict__[_SITE] = Site(self, name, reset=reset, make=make)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the parent returns, with the dendrites' contribution added to it."""
        return self.__dict__[_SITE].run(inputs, named)


_SITE = "_PerforatedSite__site"


def site_at(module: nn.Module) -> Site | None:
    """The site that a module is, or None."""
    return module.__dict__[_SITE] if isinstance(module, PerforatedSite) else None


class Site:
    """A sub-module of the user's network with its dendrites; see the equations at the top of this file.

    module      where it stands in the network; all that a module can be asked for goes on to it
    make        M -> the module of a dendrite, if that is not to be a copy of M
    role        how accepted dendrites take part in the backward pass
    reset       how weights are drawn anew that M cannot draw itself
    axis        of the neurons, counted from the last one, -1
    channels    C, or None before the first call
    calls       None, or the list to which every call is appended in a dendrite phase
    step        the training step that is on, if a `Growth` trains the network

    It is kept apart from the module, which answers for the parent's attributes, whatever their names are.
    """

    def __init__(
        self, module: PerforatedSite, name: str, *, reset: Reset = None, make: MakeModule | None = None
    ) -> None:
        self.module = module
        self.name, self.make = name, make
        self.role = Role()
        self.reset = reset
        self.axis = neuron_axis(self.parent)
        self.channels: int | None = None
        self.calls: list[Call] | None = None
        self.step: Step | None = None
        self.recurrence = recurrence_of(self.parent, name)

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

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "module" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.module, name)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """As the network calls it."""
        return self.module(*inputs, **named)

    def run(self, inputs: Sequence[Any], named: dict[str, Any]) -> Any:
        """The forward pass of its module."""
        recording = self.calls is not None and torch.is_grad_enabled()
        if self.step is not None and self.step.on:
            self.step.note_call(self.name)
        if recording or (self.step is not None and self.step.on and self.step.grows):
            refuse_transform(self.name)
        if not self.dendrites and not recording:
            output = self.parent(*inputs, **named) if self.channels is not None else self._called_first(inputs, named)
            self._watch(self._checked(output))
            return output
        if self.recurrence is not None:
            return self._recurrent(self.recurrence, inputs, named)
        output = self.parent(*inputs, **named)
        y = self._checked(output)
        cut = detached(inputs), detached(named)
        own = cut if self.role.errors == "perforated" else (inputs, named)
        answers, _ = self._dendrites(own for _ in self.dendrites)
        candidates, _ = self._candidates(answers, (cut for _ in self.candidates))
        return replaced(output, self._output(y, answers, candidates))

    def _recurrent(self, recurrence: Recurrence, inputs: Sequence[Any], named: dict[str, Any]) -> Any:
        known = Known(self.module, recurrence.handed(inputs, named))
        given, words = recurrence.placed(inputs, named, known.parent_state())
        output = self.parent(*given, **words)
        y = self._checked(output)
        step = None if self.step is None else self.step.number
        cut, perforated = (detached(inputs), detached(named)), self.role.errors == "perforated"
        x, others = cut if perforated else (inputs, named)
        answers, made = self._dendrites(
            recurrence.placed(x, others, known.state_of(own, cut=perforated, step=step)) for own in self.dendrites
        )
        candidates, tried = self._candidates(
            answers, (recurrence.placed(*cut, known.state_of(own, cut=True, step=step)) for own in self.candidates)
        )
        result = replaced(output, self._output(y, answers, candidates))
        modules = (*self.dendrites, *self.candidates)[: len(made) + len(tried)]
        states = zip(modules, map(recurrence.following, (*made, *tried)), strict=True)
        remember(self.module, recurrence.following(result), y if recurrence.cell else None, states, step)
        return result

    def _called_first(self, inputs: Sequence[Any], named: dict[str, Any]) -> Any:
        """What the parent returns; raises SiteError if it changes its inputs, which dendrites are to see as well."""
        tensors = [one for one in tensors_in((inputs, named)) if not one.is_inference()]
        before = [one._version for one in tensors]
        output = self.parent(*inputs, **named)
        if [one._version for one in tensors] != before:
            raise SiteError(
                f"site {self.name!r} changes its inputs in place, so its dendrites would change them again: let it "
                "work on a copy, or leave the site out"
            )
        return output

    def _watch(self, y: Tensor) -> Tensor:
        if self.step is not None:
            self.step.watch(self.name, y)
        return y

    def _dendrites(self, arguments: Iterable[tuple[Any, Any]]) -> tuple[list[Tensor], list[Any]]:
        """(Activations of the accepted dendrites, all they returned); constants unless the role says otherwise."""
        answers: list[Tensor] = []
        made = []
        perforated = self.role.errors == "perforated"
        with torch.no_grad() if perforated and not self.role.trainable else nullcontext():
            for dendrite, (inputs, named) in zip(self.dendrites, arguments, strict=True):
                a, output = dendrite(detached(answers) if perforated else answers, inputs, named)
                answers.append(a)
                made.append(output)
        return answers, made

    def _candidates(
        self, answers: list[Tensor], arguments: Iterable[tuple[Any, Any]]
    ) -> tuple[tuple[Tensor, ...], list[Any]]:
        """(Activations of the candidates, all they returned); none unless this call is kept."""
        if self.calls is None or not torch.is_grad_enabled():
            return (), []
        earlier = detached(answers)
        pairs = [own(earlier, inputs, named) for own, (inputs, named) in zip(self.candidates, arguments, strict=True)]
        return tuple(a for a, _ in pairs), [output for _, output in pairs]

    def _output(self, y: Tensor, answers: Sequence[Tensor], candidates: tuple[Tensor, ...]) -> Tensor:
        if self.make is not None:
            self._check_answers(y, (*answers, *candidates))
        for w, a in zip(self.w, answers, strict=True):
            y = add_scaled(y, w, a, self.axis)
        if self.calls is None or not torch.is_grad_enabled():
            return self._watch(y)
        if not y.requires_grad:
            y = y.detach().requires_grad_()
        self._watch(y)
        self.calls.append(Call(y, candidates))
        return y.clone()  # whoever changes the output in place leaves y' as it is

    def _check_answers(self, y: Tensor, answers: Sequence[Tensor]) -> None:
        """Raises SiteError unless modules that were made for dendrites return what the parent does."""
        for a in answers:
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

    def new_dendrite(self, activation: str, *, init_scale: float = 1.0) -> Dendrite:
        """A dendrite with initial weights from torch's current stream, whose predecessors are the accepted ones."""
        return Dendrite(
            self.parent,
            channels=self.known_channels,
            predecessors=len(self.dendrites),
            activation=activation,
            axis=self.axis,
            init_scale=init_scale,
            reset=self.reset,
            make=self.make,
        )

    def accept(self, dendrite: Dendrite, w: Tensor | None = None) -> None:
        """Add a dendrite. Its output weight starts at w (C,), or at 0: then the output stays the same bit for bit."""
        self.dendrites.append(dendrite.accept(trainable=self.role.trainable))
        start = zeros(self.parent, self.known_channels)
        self.w.append(nn.Parameter(start if w is None else start + w))

    def resize(self, dendrites: Sequence[str], candidates: Sequence[str]) -> None:
        """Give the site dendrites and candidates with these activations; the last go, all that come are new."""
        own = [dendrite.activation for dendrite in self.dendrites]
        kept = next((k for k, (ours, theirs) in enumerate(zip(own, dendrites, strict=False)) if ours != theirs), None)
        kept = min(len(own), len(dendrites)) if kept is None else kept
        del self.dendrites[kept:]
        self.w = nn.ParameterList(list(self.w)[:kept])
        for activation in dendrites[kept:]:
            self.accept(self.new_dendrite(activation))
        self.candidates = nn.ModuleList(self.new_dendrite(activation) for activation in candidates)

    @property
    def known_channels(self) -> int:
        """C; raises SiteError if the site was never called."""
        if self.channels is None:
            raise SiteError(
                f"site {self.name!r} was never called in training, so it cannot grow dendrites: "
                "leave it out of the sites, or call it"
            )
        return self.channels


def _described(y: Any) -> str:
    if not isinstance(y, Tensor):
        return f"a {type(y).__name__}"
    return f"a tensor of {str(y.dtype).removeprefix('torch.')} with {y.ndim} axes"
