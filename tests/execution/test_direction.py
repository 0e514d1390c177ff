"""Scores of an error, for which smaller is better, on their way to a method that maximises, and back."""

from __future__ import annotations

import numpy as np
import pytest

from pbgraph.execution.fitting import fit_in_own_direction
from pbgraph.history import Epoch, Selection
from pbgraph.methods.base import FitJob, Fitted, Report
from pbgraph.metrics import R2, RMSE, mean_over_tasks

Y, SCORES = np.array([[0.0], [2.0]]), np.array([[0.0], [1.0]])


@pytest.mark.parametrize("metric", [RMSE, R2], ids=lambda metric: metric.name)
def test_a_method_maximises_and_all_others_see_the_metric_itself(metric):
    own, seen, heard = mean_over_tasks(metric, Y, SCORES), [], []

    def fit(job: FitJob) -> Fitted:
        score = job.metric(Y, SCORES)
        seen.append(score)
        job.report(Report("neuron", 0, score, 0, 1.0))
        job.report(Report("neuron", 0, None, 0, 1.0))
        line = Epoch(epoch=0, phase="neuron", dendrites=0, train_loss=None, valid=score, learning_rate=0.1)
        return Fitted(lambda store: SCORES, 1, 1, Selection("best", 0, score), (line,))

    job = FitJob(*(None,) * 5, seed=0, metric=lambda y, scores: mean_over_tasks(metric, y, scores), report=heard.append)
    fitted = fit_in_own_direction(fit, job, metric)
    assert seen == [own if metric.larger_is_better else -own]
    assert [news.best for news in heard] == [own, None]
    assert (fitted.selection.score, fitted.history[0].valid) == (own, own)
