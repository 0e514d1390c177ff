"""Growth in the loop of Hugging Face's Trainer; needs the package `transformers`.

    trainer = transformers.Trainer(
        model=growth.model,
        args=TrainingArguments(..., eval_strategy="epoch", max_grad_norm=0.0),
        optimizers=optimizers_of(growth),
        callbacks=[GrowthCallback(growth)],
    )
    trainer.train()

The trainer's own schedule and clipping would be in the way: schedules are growth's ``make_scheduler``, clipping its
``clip_norm``, which leaves candidates alone. `examples/with_trainer.py` is a whole program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.growth import Growth
from pbgraph.dendrites.loop import GrowthOptimizer, GrowthScheduler

STATE = "growth.safetensors"  # in each of the trainer's checkpoint folders


def optimizers_of(growth: Growth) -> tuple[GrowthOptimizer, GrowthScheduler]:
    """What Trainer's argument `optimizers` is to be."""
    optimizer = growth.as_optimizer()
    return optimizer, GrowthScheduler(optimizer)


class GrowthCallback(TrainerCallback):
    """Ends growth's epoch after every evaluation, stops the trainer when growth is finished, restores the best network.

    metric             name of the metric of an evaluation;  greater_is_better  whether it is
    Growth's state is written into each checkpoint folder. To go on from one, call ``growth.load`` with that file
    before ``trainer.train(resume_from_checkpoint=...)``.
    Raises TrainingError if an evaluation has no such metric, or if the trainer accumulates other than growth.
    """

    def __init__(self, growth: Growth, metric: str = "eval_loss", *, greater_is_better: bool = False) -> None:
        self.growth, self.metric = growth, metric
        self._sign = 1.0 if greater_is_better == (growth.settings.mode == "max") else -1.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Look whether both accumulate alike."""
        ours, theirs = self.growth.settings.accumulate, args.gradient_accumulation_steps
        if ours != theirs:
            raise TrainingError(f"gradient_accumulation_steps is {theirs}, but growth was made with accumulate={ours}")

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """End growth's epoch."""
        if self.growth.finished:
            return
        if metrics is None or self.metric not in metrics:
            raise TrainingError(
                f"{self.metric!r} is not among the metrics of an evaluation: {', '.join(metrics or ())}"
            )
        self.growth.epoch_end(self._sign * metrics[self.metric])
        control.should_training_stop = control.should_training_stop or self.growth.finished

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write growth's state beside the trainer's."""
        self.growth.save(Path(args.output_dir) / f"checkpoint-{state.global_step}" / STATE)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Make the network the best of the run."""
        self.growth.restore_best()
