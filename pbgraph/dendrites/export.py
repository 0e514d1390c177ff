"""Export: a grown network as a plain module, and networks on disk.

An exported network holds parents, dendrites and output weights, and no candidates, scores or phases. Gradients flow
through it as through any network: perforation is a rule of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pbgraph.dendrites.copies import copy_of
from pbgraph.dendrites.dendrite import activated, with_scaled
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.outputs import opened, replaced
from pbgraph.dendrites.perforation import REPORT, exchange, refuse_no_module, sites_of
from pbgraph.dendrites.proxy import ModuleProxy
from pbgraph.dendrites.recurrence import Known, Recurrence, remember
from pbgraph.dendrites.sites import PerforatedSite, Site
from pbgraph.dendrites.stacked import stacked_site
from pbgraph.dendrites.structure import network_state, restore_network
from pbgraph.files.state_file import load_state, save_state


class Dendritic(ModuleProxy):
    """A layer with dendrites: y' = M(x) + Σ_k w_k ⊙ a_k, see `pbgraph.dendrites.forward`.

    A recurrent one's dendrites carry states of their own, see `pbgraph.dendrites.recurrence`.
    """

    def __init__(self, site: Site) -> None:
        super().__init__("parent")
        self.__axis, self.__recurrence = site.axis, site.recurrence
        self._modules.update(dendrites=site.dendrites, w=site.w, parent=site.parent)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the layer returns, with the dendrites' contribution added to it."""
        if self.__recurrence is not None:
            return self.__recurrent(self.__recurrence, inputs, named)
        output = self._modules["parent"](*inputs, **named)  # type: ignore[misc]
        dendrites = self.__dendrites
        activations, _ = activated(dendrites, [(inputs, named)] * len(dendrites), apart=False)
        return replaced(output, self.__sum(output, activations))

    @property
    def __dendrites(self) -> nn.ModuleList:
        return self._modules["dendrites"]  # type: ignore[return-value]

    def __sum(self, output: Any, activations: list[Tensor]) -> Tensor:
        """y'."""
        w: nn.ParameterList = self._modules["w"]  # type: ignore[assignment]
        return with_scaled(opened(output), w, activations, axis=self.__axis)

    def __recurrent(self, recurrence: Recurrence, inputs: Sequence[Any], named: dict[str, Any]) -> Any:
        """(input, state) -> (output, state); of a GRUCell or RNNCell h, of an LSTMCell (h, c)."""
        place, following = recurrence.placed, recurrence.following
        known = Known(self, recurrence.handed(inputs, named))
        given, words = place(inputs, named, known.parent_state())
        output = self._modules["parent"](*given, **words)  # type: ignore[misc]
        starts = [known.state_of(own, cut=False, step=None) for own in self.__dendrites]
        activations, returned = activated(
            self.__dendrites, [place(inputs, named, start) for start in starts], apart=False
        )
        result = replaced(output, self.__sum(output, activations))
        parent = opened(output) if recurrence.cell else None
        states = zip(self.__dendrites, map(following, returned), strict=True)
        remember(self, following(result), parent=parent, own=states)
        return result

    def __prepare_scriptable__(self) -> nn.Module:
        raise SiteError(
            f"torch.jit.script cannot compile a {type(self._modules['parent']).__name__} with dendrites, which takes "
            "whatever the layer takes: use torch.export.export, torch.compile or torch.jit.trace"
        )


def export(model: nn.Module, *, stacked: bool = False) -> nn.Module:
    """A copy of a perforated model as a plain module, whose outputs are the same bit for bit; `model` stays as it is.

    stacked  for faster predictions: the dendrites of linear layers and convolutions, with the batch normalisations
             that follow, become one product with their layer (`pbgraph.dendrites.stacked`). Outputs are then the same
             up to rounding, statistics of such normalisations are fixed, and these weights cannot be trained
    In a dendrite phase the candidates are left out. A site without dendrites becomes its parent again. Accepted
    dendrites remain fixed functions, which a call of ``requires_grad_(True)`` changes for their weights.
    """
    if isinstance(model, PerforatedSite):
        raise SiteError("the model itself is a site: export the model that holds it")
    refuse_no_module(model)
    exported = copy_of(model)
    for site in sites_of(exported).values():
        exchange(exported, site.module, (stacked_site(site) if stacked else None) or _plain(site))
    exported.__dict__.pop(REPORT, None)
    return exported


def _plain(site: Site) -> nn.Module:
    return Dendritic(site) if site.dendrites else site.parent


def save_network(model: nn.Module, path: str | Path) -> None:
    """Write the dendrites and all weights of a perforated model to one safetensors file, with JSON in its header.

    Raises TypeError, naming it, for what a module's get_extra_state() gives that is no tensor, number, string or
    container of such.
    """
    save_state(network_state(model, candidates=False), Path(path))


def load_network(model: nn.Module, path: str | Path) -> nn.Module:
    """Give a freshly perforated model the dendrites and weights that `save_network` wrote; returns the model.

    Raises SiteError if they are those of another network, ValueError if the file is damaged.
    """
    restore_network(model, load_state(Path(path)))
    return model
