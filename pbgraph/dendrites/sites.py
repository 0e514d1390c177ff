"""Sites: sub-modules of the user's network where dendrites grow.

What a site computes is in `pbgraph.dendrites.forward`; here is what stands in the network, and how dendrites come and
go.

Accepted dendrites are fixed functions: their weights are frozen, and normalisation layers in them use the running
statistics they had when the dendrite was accepted, in training too. Dropout in a dendrite follows the network's mode.
With `Role.trainable` they are trained in neuron phases like any other part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from torch import Tensor, nn

from pbgraph.dendrites.copies import MakeModule, Reset
from pbgraph.dendrites.dendrite import Dendrite, zeros
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.forward import SiteForward
from pbgraph.dendrites.proxy import ModuleProxy


class PerforatedSite(ModuleProxy):
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

    def _replicate_for_data_parallel(self) -> NoReturn:
        raise SiteError(
            f"site {self.__dict__[_SITE].name!r} cannot be trained by torch.nn.DataParallel, whose copies would all "
            "compute with the original's weights: use Growth(..., distribute=DistributedDataParallel); to predict, "
            "export(model)"
        )


_SITE = "_PerforatedSite__site"


def site_at(module: nn.Module) -> Site | None:
    """The site that a module is, or None."""
    return module.__dict__[_SITE] if isinstance(module, PerforatedSite) else None


class Site(SiteForward):
    """A sub-module of the user's network with its dendrites.

    module  where it stands in the network; all that a module can be asked for goes on to it
    reset   how weights are drawn anew that M cannot draw itself

    It is kept apart from the module, which answers for the parent's attributes, whatever their names are.
    """

    def __init__(
        self, module: PerforatedSite, name: str, *, reset: Reset = None, make: MakeModule | None = None
    ) -> None:
        super().__init__(module, name, make)
        self.reset = reset

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "module" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.module, name)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """As the network calls it."""
        return self.module(*inputs, **named)

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
        self.w.append(nn.Parameter(start if w is None else start + w.to(start.dtype)))

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
