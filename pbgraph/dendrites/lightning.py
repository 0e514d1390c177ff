"""Growth in Lightning's loop; needs the package `lightning`.

    class Net(lightning.LightningModule):
        def __init__(self, growth):             # growth.model is the network
            ...
        def configure_optimizers(self):
            return self.growth.as_optimizer()   # automatic optimisation; schedules are growth's own

    lightning.Trainer(max_epochs=-1, callbacks=[GrowthCallback(growth, "val_loss")]).fit(Net(growth), ...)

`examples/with_lightning.py` is a whole program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer

from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.growth import Growth


class GrowthCallback(Callback):
    """Ends growth's epoch after every validation, stops the trainer when growth is finished, restores the best network.

    monitor  name of the metric that the module logs in validation;  mode  "min" if smaller is better, else "max"
    Checkpoints hold growth's state, and ``trainer.fit(..., ckpt_path=...)`` goes on from it. For that, keys of the
    network that are in a checkpoint and not in the module, or the other way round, are no error (`strict_loading`).
    Raises TrainingError if the metric is not logged, or if the trainer accumulates other than growth.
    """

    def __init__(self, growth: Growth, monitor: str, mode: Literal["min", "max"] = "min") -> None:
        self.growth, self.monitor = growth, monitor
        self._sign = 1.0 if mode == growth.settings.mode else -1.0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Before a checkpoint is loaded: dendrites come with growth's state, after the network's."""
        if stage == "fit":
            pl_module.strict_loading = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the trainer's loss scale."""
        self.growth.scaler = getattr(trainer.precision_plugin, "scaler", None)
        ours, theirs = self.growth.settings.accumulate, trainer.accumulate_grad_batches
        if ours != theirs:
            raise TrainingError(f"accumulate_grad_batches is {theirs}, but growth was made with accumulate={ours}")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End growth's epoch, unless the trainer only tries out whether validation works."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or self.growth.finished:
            return
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(trainer.callback_metrics) or "none"
            raise TrainingError(f"{self.monitor!r} is not logged in validation; logged: {known}")
        self.growth.epoch_end(self._sign * float(trainer.callback_metrics[self.monitor]))
        trainer.should_stop = trainer.should_stop or self.growth.finished

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the network the best of the run."""
        self.growth.restore_best()

    def state_dict(self) -> dict[str, Any]:
        """Growth's."""
        return {"growth": self.growth.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.growth.load_state_dict(state_dict["growth"])
