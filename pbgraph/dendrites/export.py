"""Export: a grown network as a plain module, and networks on disk.

An exported network holds parents, dendrites and output weights, and no candidates, scores or names: nothing of
`pbgraph.dendrites` is needed to go on with it but the two classes below. Gradients flow through it as through any
network; perforation is a rule of training.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pbgraph.checkpoint import load_state, save_state
from pbgraph.dendrites.dendrite import Dendrite, add_scaled
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.outputs import opened, replaced
from pbgraph.dendrites.perforation import replace_module, sites_of
from pbgraph.dendrites.sites import PerforatedSite
from pbgraph.dendrites.structure import network_state, restore_network


class Dendritic(nn.Module):
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


class RecurrentDendritic(Dendritic):
    """A module with ``recurrent_state`` and dendrites: its state is a tuple of the parent's and each dendrite's."""

    recurrent_state = True

    def forward(self, input: Any, state: Any = None, **named: Any) -> Any:
        """(input, state) -> (output, state)."""
        own = state if isinstance(state, _States) else _States([state] * (1 + len(self.dendrites)))
        output = self.parent(input, own[0], **named)
        y, returned = self._output(output, [((input, s), named) for s in own[1:]])
        return y, _States([output[1], *(made[1] for made in returned)])


class _States(tuple[Any, ...]):
    """States of a parent and its dendrites, told from a parent's own state by its type."""


def export(model: nn.Module) -> nn.Module:
    """A copy of a perforated model as a plain module, whose outputs are the same bit for bit; `model` stays as it is.

    In a dendrite phase the candidates are left out. A site without dendrites becomes its parent again. All weights
    can be trained, and normalisation layers in dendrites go with the mode of the network.
    Raises SiteError for a GRUCell, RNNCell or LSTMCell with dendrites: the state of its dendrites needs the site.
    """
    made = copy.deepcopy(model)
    for name, site in sites_of(made).items():
        if isinstance(made, PerforatedSite):
            raise SiteError("the model itself is a site: export the model that holds it")
        replace_module(made, site, _plain(name, site))
    for part in made.modules():
        if isinstance(part, Dendrite):
            part.accepted = False
    object.__delattr__(made, "dendrite_report")
    return made.train(model.training).requires_grad_(True)


def _plain(name: str, site: PerforatedSite) -> nn.Module:
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
