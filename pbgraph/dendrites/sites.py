"""Sites: where dendrites grow, and what they add to the forward pass.

A site is a sub-module M whose output y has a neuron axis of C channels, its last axis. With K dendrites

    z_k = M_k(x) + Σ_{j<k} u_kj ⊙ a_j        M_k: same architecture as M, weights of its own
    a_k = g(z_k)                              g: tanh, sigmoid or relu
    y'  = M(x) + Σ_k w_k ⊙ a_k                w_k, u_kj (C,): one number per neuron, broadcast over all other axes

*Perforation*: M_k sees its inputs detached, so no error flows through a dendrite; w_k gets its exact gradient.

A *recurrent* site is a module with the class attribute ``recurrent_state = True`` and
``forward(input, state) -> (output, state)``. Whoever calls it hands the state back unopened, within the same forward
pass. Each dendrite carries a state of its own, which starts from the parent's initial state; what dendrites add goes
to the output alone, so the parent's own recurrence is unchanged.

Accepted dendrites are fixed functions: their weights are frozen, and normalisation layers in them use the running
statistics they had when the dendrite was accepted, in training too. Dropout in a dendrite follows the network's mode.

Source: Brenner & Itti, arXiv:2501.18018. Where it is silent: g is tanh by default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import detached, fresh_copy
from pbgraph.dendrites.errors import SiteError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
}


class Dendrite(nn.Module):
    """One dendrite of every neuron of a site: M_k (`module`) and the weights u_kj from its k predecessors (`cascade`).

    parent      the module M that it is a fresh copy of
    channels    C
    activation  name of g
    accepted    whether it is a fixed function by now, rather than a candidate
    """

    def __init__(self, parent: nn.Module, *, channels: int, predecessors: int, activation: str) -> None:
        super().__init__()
        self.module = fresh_copy(parent)
        self.cascade = nn.ParameterList(zeros(parent, channels) for _ in range(predecessors))
        self.activation = activation
        self.accepted = False

    def forward(self, earlier: Sequence[Tensor], inputs: Sequence[Any], named: dict[str, Any]) -> tuple[Tensor, Any]:
        """(activations a_1 .. a_{k-1}, inputs of the site) -> (a_k, next state of a recurrent site, else None)."""
        output = self.module(*inputs, **named)
        z, state = output if isinstance(output, tuple) else (output, None)
        for u, a in zip(self.cascade, earlier, strict=True):
            z = torch.addcmul(z, u, a)
        return ACTIVATIONS[self.activation](z), state

    def accept(self) -> Dendrite:
        """Make it a fixed function; returns itself."""
        self.requires_grad_(False).zero_grad(set_to_none=True)
        self.accepted = True
        return self.train(self.training)

    def train(self, mode: bool = True) -> Dendrite:
        """As of any module, except that the statistics of an accepted dendrite stay frozen."""
        super().train(mode)
        if self.accepted:
            freeze_statistics(self.modules())
        return self


@dataclass(frozen=True, eq=False)
class SiteState:
    """State of a recurrent site between two calls: the parent's, and one of each dendrite and candidate."""

    site: PerforatedSite
    parent: Any
    dendrites: tuple[Any, ...]
    candidates: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a site in a dendrite phase: its output y' and what each candidate answered, all (..., C)."""

    output: Tensor
    candidates: tuple[Tensor, ...]


class PerforatedSite(nn.Module):
    """A sub-module of the user's network with its dendrites; see the equations at the top of this file.

    parent      M, as it was
    dendrites   the accepted ones
    w           their output weights, (C,) each
    candidates  those in training; they add nothing to the output
    channels    C, or None before the first call
    calls       None, or the list to which every call is appended in a dendrite phase
    """

    def __init__(self, parent: nn.Module, name: str) -> None:
        super().__init__()
        self.parent, self.name = parent, name
        self.dendrites = nn.ModuleList()
        self.w = nn.ParameterList()
        self.candidates = nn.ModuleList()
        self.channels: int | None = None
        self.calls: list[Call] | None = None
        self.recurrent = bool(getattr(parent, "recurrent_state", False))

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the parent returns, with the dendrites' contribution added to it."""
        if self.recurrent:
            return self._recurrent(*inputs, **named)
        y = self._checked(self.parent(*inputs, **named))
        if not self.dendrites and self.calls is None:
            return y
        arguments = detached(inputs), detached(named)
        answers, _ = self._dendrites(arguments for _ in self.dendrites)
        candidates, _ = self._candidates(answers, (arguments for _ in self.candidates))
        return self._output(y, answers, candidates)

    def _recurrent(self, x: Any, state: Any = None) -> tuple[Tensor, Any]:
        own = self._opened(state)
        y, following = _pair(self.parent(x, own.parent), self.name)
        self._checked(y)
        if not self.dendrites and self.calls is None:
            return y, following
        x = detached(x)
        answers, states = self._dendrites(((x, s), {}) for s in own.dendrites)
        candidates, candidate_states = self._candidates(answers, (((x, s), {}) for s in own.candidates))
        return self._output(y, answers, candidates), SiteState(self, following, states, candidate_states)

    def _opened(self, state: Any) -> SiteState:
        """The state as this site left it; any other state is the parent's, and dendrites start from it too."""
        if isinstance(state, SiteState) and state.site is self:
            if (len(state.dendrites), len(state.candidates)) != (len(self.dendrites), len(self.candidates)):
                raise SiteError(
                    f"site {self.name!r} was handed a state from before it gained or lost dendrites: "
                    "start every forward pass from a state of your own"
                )
            return state
        initial = state.parent if isinstance(state, SiteState) else state
        own = detached(initial)
        return SiteState(self, initial, (own,) * len(self.dendrites), (own,) * len(self.candidates))

    def _dendrites(self, arguments: Iterable[tuple[Any, Any]]) -> tuple[list[Tensor], tuple[Any, ...]]:
        """Activations and next states of the accepted dendrites, as constants."""
        answers: list[Tensor] = []
        states = []
        with torch.no_grad():
            for dendrite, (inputs, named) in zip(self.dendrites, arguments, strict=True):
                a, state = dendrite(answers, inputs, named)
                answers.append(a)
                states.append(state)
        return answers, tuple(states)

    def _candidates(
        self, answers: list[Tensor], arguments: Iterable[tuple[Any, Any]]
    ) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
        """Activations and next states of the candidates, computed only while calls are being kept."""
        if self.calls is None:
            return (), (None,) * len(self.candidates)
        pairs = [own(answers, inputs, named) for own, (inputs, named) in zip(self.candidates, arguments, strict=True)]
        return tuple(a for a, _ in pairs), tuple(state for _, state in pairs)

    def _output(self, y: Tensor, answers: Sequence[Tensor], candidates: tuple[Tensor, ...]) -> Tensor:
        for w, a in zip(self.w, answers, strict=True):
            y = torch.addcmul(y, w, a)
        if self.calls is None:
            return y
        if not y.requires_grad:
            y = y.detach().requires_grad_(torch.is_grad_enabled())
        self.calls.append(Call(y, candidates))
        return y.clone()  # whoever changes the output in place leaves y' as it is

    def _checked(self, y: Any) -> Tensor:
        if not isinstance(y, Tensor) or y.ndim == 0:
            what = type(y).__name__ if not isinstance(y, Tensor) else "tensor without axes"
            raise SiteError(
                f"site {self.name!r} returns a {what}; a site returns one tensor whose last axis holds its neurons, "
                "or (output, state) if its class sets recurrent_state = True: choose another sub-module"
            )
        if self.channels is None:
            self.channels = y.shape[-1]
        elif self.channels != y.shape[-1]:
            raise SiteError(
                f"site {self.name!r} had {self.channels} neurons on the last axis and now has {y.shape[-1]}; "
                "the last axis must be the neurons: choose another sub-module"
            )
        return y

    def new_dendrite(self, activation: str) -> Dendrite:
        """A dendrite with initial weights from torch's current stream, whose predecessors are the accepted ones."""
        channels, predecessors = self.known_channels, len(self.dendrites)
        return Dendrite(self.parent, channels=channels, predecessors=predecessors, activation=activation)

    def accept(self, dendrite: Dendrite) -> None:
        """Add a trained dendrite; its output weight starts at 0, so the site's output stays the same bit for bit."""
        self.dendrites.append(dendrite.accept())
        self.w.append(nn.Parameter(zeros(self.parent, self.known_channels)))

    def resize(self, dendrites: int, candidates: int, activation: str) -> None:
        """Give the site so many dendrites and candidates; the last dendrites go, all that come have initial weights."""
        del self.dendrites[dendrites:]
        self.w = nn.ParameterList(list(self.w)[:dendrites])
        while len(self.dendrites) < dendrites:
            self.accept(self.new_dendrite(activation))
        self.candidates = nn.ModuleList(self.new_dendrite(activation) for _ in range(candidates))

    @property
    def known_channels(self) -> int:
        """C; raises SiteError if the site was never called."""
        if self.channels is None:
            raise SiteError(
                f"site {self.name!r} was never called in training, so it cannot grow dendrites: "
                "leave it out of the sites, or call it"
            )
        return self.channels


def zeros(module: nn.Module, channels: int) -> Tensor:
    """(C,) zeros of the type and on the device of the module's weights."""
    return next(module.parameters()).new_zeros(channels)


def freeze_statistics(modules: Iterable[nn.Module]) -> None:
    """Let the normalisation layers among `modules` use their running statistics and leave them as they are."""
    for module in modules:
        if getattr(module, "running_mean", None) is not None:
            module.eval()


def _pair(output: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(output, tuple) or len(output) != 2:
        raise SiteError(
            f"site {name!r} sets recurrent_state = True but returns a {type(output).__name__}: "
            "return (output, state), or take the attribute away"
        )
    return output
