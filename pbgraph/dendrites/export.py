"""Export: a grown network as a plain module, and networks on disk.

An exported network holds parents, dendrites and output weights, and no candidates, scores or phases. Gradients flow
through it as through any network: perforation is a rule of training.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pbgraph.checkpoint import load_state, save_state
from pbgraph.dendrites.dendrite import Deputy, add_scaled
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.outputs import opened, replaced
from pbgraph.dendrites.perforation import REPORT, replace_module, sites_of
from pbgraph.dendrites.sites import STATE, PerforatedSite
from pbgraph.dendrites.structure import network_state, restore_network


class Dendritic(Deputy):
    """A layer with dendrites: y' = M(x) + Σ_k w_k ⊙ a_k, see `pbgraph.dendrites.sites`."""

    def __init__(self, site: PerforatedSite) -> None:
        super().__init__()
        self.parent, self.dendrites, self.w, self.axis = site.parent, site.dendrites, site.w, site.axis

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the layer returns, with the dendrites' contribution added to it."""
        output = self.parent(*inputs, **named)
        return replaced(output, self._output(output, [(inputs, named)] * len(self.dendrites))[0])

    def _output(self, output: Any, arguments: list[tuple[Any, Any]]) -> tuple[Tensor, list[Any]]:
        """(y', what each dendrite's module returned)."""
        answers: list[Tensor] = []
        returned = []
        for dendrite, (inputs, named) in zip(self.dendrites, arguments, strict=True):
            a, made = dendrite(answers, inputs, named)
            answers.append(a)
            returned.append(made)
        y: Tensor = opened(output)
        for w, a in zip(self.w, answers, strict=True):
            y = add_scaled(y, w, a, self.axis)
        return y, returned


@dataclass(frozen=True, eq=False)
class States:
    """What a recurrent layer keeps from one call to the next: its parent's state and each dendrite's."""

    owner: RecurrentDendritic
    parent: Any
    dendrites: list[Any]


class RecurrentDendritic(Dendritic):
    """A recurrent module with dendrites, which carry states of their own; see `pbgraph.dendrites.sites`."""

    recurrent_state = True

    def __init__(self, site: PerforatedSite) -> None:
        super().__init__(site)
        self.cell = site.cell

    def forward(self, input: Any, hx: Any = None, **named: Any) -> Any:
        """(input, state) -> (output, state); of a GRUCell or RNNCell h, of an LSTMCell (h, c)."""
        own = self._opened(named.pop("state", hx))
        output = self.parent(input, own.parent, **named)
        y, returned = self._output(output, [((input, s), named) for s in own.dendrites])
        if not self.cell:
            return y, States(self, output[1], [made[1] for made in returned])
        setattr(y, STATE, States(self, output, returned))
        return replaced(output, y)

    def _opened(self, state: Any) -> States:
        if self.cell:
            state = getattr(opened(state), STATE, state)
        if isinstance(state, States) and state.owner is self:
            return state
        initial = state.parent if isinstance(state, States) else state
        return States(self, initial, [initial] * len(self.dendrites))


def export(model: nn.Module) -> nn.Module:
    """A copy of a perforated model as a plain module, whose outputs are the same bit for bit; `model` stays as it is.

    In a dendrite phase the candidates are left out. A site without dendrites becomes its parent again. Accepted
    dendrites remain fixed functions, which a call of ``requires_grad_(True)`` changes for their weights.
    """
    if isinstance(model, PerforatedSite):
        raise SiteError("the model itself is a site: export the model that holds it")
    made = copy.deepcopy(model)
    for site in sites_of(made).values():
        replace_module(made, site, _plain(site))
    made.__dict__.pop(REPORT, None)
    return made


def _plain(site: PerforatedSite) -> nn.Module:
    if not site.dendrites:
        return site.parent
    return RecurrentDendritic(site) if site.recurrent else Dendritic(site)


def save_network(model: nn.Module, path: str | Path) -> None:
    """Write the dendrites and all weights of a perforated model to one safetensors file, with JSON in its header."""
    save_state(network_state(model, candidates=False), Path(path))


def load_network(model: nn.Module, path: str | Path) -> nn.Module:
    """Give a freshly perforated model the dendrites and weights that `save_network` wrote; returns the model.

    Raises SiteError if they are those of another network, ValueError if the file is damaged.
    """
    restore_network(model, load_state(Path(path)))
    return model
