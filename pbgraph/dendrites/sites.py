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
  Whoever calls it hands the state back unopened, within the same forward pass.
- The state of a GRUCell, RNNCell or LSTMCell is its output: the tensor h that it returned is known again when it is
  handed back. If it was changed on the way (masked, say), the cell and its dendrites start from what it is now.

A GRU, LSTM or RNN runs over its sequence within one call: dendrites act on its `output`, h_n is the parent's.

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

from pbgraph.dendrites.copies import MakeModule, detached
from pbgraph.dendrites.dendrite import Dendrite, Deputy, Role, add_scaled, zeros
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.outputs import neuron_axis, opened, replaced

STATE = "dendrite_state"  # the attribute by which a cell knows its own output again


@dataclass(frozen=True, eq=False)
class SiteState:
    """State of a recurrent site between two calls: the parent's, and one of each dendrite and candidate."""

    site: PerforatedSite
    parent: Any
    dendrites: tuple[Any, ...]
    candidates: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a site in a dendrite phase: its output y' and what each candidate answered, all shaped as y'."""

    output: Tensor
    candidates: tuple[Tensor, ...]


class PerforatedSite(Deputy):
    """A sub-module of the user's network with its dendrites; see the equations at the top of this file.

    parent      M, as it was
    make        M -> the module of a dendrite, if that is not to be a copy of M
    dendrites   the accepted ones
    w           their output weights, (C,) each
    candidates  those in training; they add nothing to the output
    role        how accepted dendrites take part in the backward pass
    axis        of the neurons, counted from the last one, -1
    channels    C, or None before the first call
    calls       None, or the list to which every call is appended in a dendrite phase
    """

    def __init__(self, parent: nn.Module, name: str, make: MakeModule | None = None) -> None:
        super().__init__()
        self.parent, self.name, self.make = parent, name, make
        self.dendrites = nn.ModuleList()
        self.w = nn.ParameterList()
        self.candidates = nn.ModuleList()
        self.role = Role()
        self.axis = neuron_axis(parent)
        self.channels: int | None = None
        self.calls: list[Call] | None = None
        self.cell = isinstance(parent, nn.RNNCellBase)
        self.recurrent = self.cell or bool(getattr(parent, "recurrent_state", False))

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the parent returns, with the dendrites' contribution added to it."""
        if self.recurrent:
            return self._recurrent(*inputs, **named)
        output = self.parent(*inputs, **named)
        y = self._checked(output)
        if not self.dendrites and self.calls is None:
            return output
        cut = detached(inputs), detached(named)
        own = cut if self.role.errors == "perforated" else (inputs, named)
        answers, _ = self._dendrites(own for _ in self.dendrites)
        candidates, _ = self._candidates(answers, (cut for _ in self.candidates))
        return replaced(output, self._output(y, answers, candidates))

    def _recurrent(self, input: Any, hx: Any = None, **named: Any) -> Any:
        own = self._opened(named.pop("state", hx))
        output = self.parent(input, own.parent, **named)
        y = self._checked(output)
        following = output if self.cell else _second(output, self.name)
        if not self.dendrites and self.calls is None:
            return output
        x = detached((input, named))
        seen = x if self.role.errors == "perforated" else (input, named)
        answers, states = self._dendrites(((seen[0], s), seen[1]) for s in own.dendrites)
        candidates, candidate_states = self._candidates(answers, (((x[0], s), x[1]) for s in own.candidates))
        y = self._output(y, answers, candidates)
        state = SiteState(self, following, states, candidate_states)
        if not self.cell:
            return y, state
        setattr(y, STATE, state)
        return replaced(output, y)

    def _opened(self, state: Any) -> SiteState:
        """The state as this site left it; any other state is the parent's, and dendrites start from it too."""
        if self.cell:
            state = getattr(opened(state), STATE, state)
        if isinstance(state, SiteState) and state.site is self:
            if (len(state.dendrites), len(state.candidates)) != (len(self.dendrites), len(self.candidates)):
                raise SiteError(
                    f"site {self.name!r} was handed a state from before it gained or lost dendrites: "
                    "start every forward pass from a state of your own"
                )
            return state
        initial = state.parent if isinstance(state, SiteState) else state
        cut = detached(initial)
        own = cut if self.role.errors == "perforated" else initial
        return SiteState(self, initial, (own,) * len(self.dendrites), (cut,) * len(self.candidates))

    def _dendrites(self, arguments: Iterable[tuple[Any, Any]]) -> tuple[list[Tensor], tuple[Any, ...]]:
        """Activations and next states of the accepted dendrites; constants unless the role says otherwise."""
        answers: list[Tensor] = []
        states = []
        perforated = self.role.errors == "perforated"
        with torch.no_grad() if perforated and not self.role.trainable else nullcontext():
            for dendrite, (inputs, named) in zip(self.dendrites, arguments, strict=True):
                a, output = dendrite(detached(answers) if perforated else answers, inputs, named)
                answers.append(a)
                states.append(self._state(output))
        return answers, tuple(states)

    def _candidates(
        self, answers: list[Tensor], arguments: Iterable[tuple[Any, Any]]
    ) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
        """Activations and next states of the candidates, computed only while calls are being kept."""
        if self.calls is None:
            return (), (None,) * len(self.candidates)
        earlier = detached(answers)
        pairs = [own(earlier, inputs, named) for own, (inputs, named) in zip(self.candidates, arguments, strict=True)]
        return tuple(a for a, _ in pairs), tuple(self._state(output) for _, output in pairs)

    def _state(self, output: Any) -> Any:
        """The state for the next call in what a dendrite's module returned, None if the site has none."""
        if not self.recurrent:
            return None
        return output if self.cell else output[1]

    def _output(self, y: Tensor, answers: Sequence[Tensor], candidates: tuple[Tensor, ...]) -> Tensor:
        if self.make is not None:
            self._check_answers(y, (*answers, *candidates))
        for w, a in zip(self.w, answers, strict=True):
            y = add_scaled(y, w, a, self.axis)
        if self.calls is None:
            return y
        if not y.requires_grad:
            y = y.detach().requires_grad_(torch.is_grad_enabled())
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
        if self.channels is None:
            self.channels = y.shape[self.axis]
        elif self.channels != y.shape[self.axis]:
            raise SiteError(
                f"site {self.name!r} had {self.channels} neurons on axis {self.axis} and now has "
                f"{y.shape[self.axis]}; that axis must be the neurons: set neuron_axis on the module's class, or "
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


def _second(output: Any, name: str) -> Any:
    if not isinstance(output, tuple) or len(output) != 2:
        raise SiteError(
            f"site {name!r} sets recurrent_state = True but returns a {type(output).__name__}: "
            "return (output, state), or take the attribute away"
        )
    return output[1]


def _described(y: Any) -> str:
    if not isinstance(y, Tensor):
        return f"a {type(y).__name__}"
    return f"a tensor of {str(y.dtype).removeprefix('torch.')} with {y.ndim} axes"
