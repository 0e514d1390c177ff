"""Averages of the weights of a network that grows.

    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))     # of pbgraph.dendrites
    while not growth.finished:
        for batch in loader:
            growth.step(loss_fn, batch)
            averaged.update_parameters(model)
        growth.epoch_end(validation_score)

torch's own AveragedModel pairs the parameters of two networks by their order, which growth changes: after that it fails
or, where shapes happen to agree, averages what does not belong together.
"""

from __future__ import annotations

from torch import nn
from torch.optim import swa_utils

from pbgraph.dendrites.copies import copy_of
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.structure import shapes


class AveragedModel(swa_utils.AveragedModel):
    """torch's AveragedModel, of a network that grows; arguments as there.

    An average is one of networks with the same dendrites, so it begins anew with the first update after these have
    changed (accepted, dropped, restored), and `n_averaged` with it. While candidates are trained the network stands
    still and updates do nothing.
    """

    def update_parameters(self, model: nn.Module) -> None:
        """Take in the weights of the model as they are now."""
        sites = sites_of(model)
        if any(site.candidates for site in sites.values()):
            return
        grown = [dendrite for site in sites.values() for dendrite in site.dendrites]
        known: list[nn.Module] | None = self.__dict__.get("_grown")
        other = shapes(self.module.state_dict()) != shapes(model.state_dict())
        if other or (known is not None and known != grown):
            self._begin_anew(model)
        self.__dict__["_grown"] = grown
        super().update_parameters(model)

    def _begin_anew(self, model: nn.Module) -> None:
        device = next(self.module.parameters()).device
        self.module = copy_of(model).to(device)
        self.n_averaged.zero_()
