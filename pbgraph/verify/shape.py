"""What a record has to have if it is of a finished run, or of a failed one, and how its parts hang together."""

from __future__ import annotations

from collections.abc import Iterator

from pbgraph.history import rounded
from pbgraph.methods.ensemble import RULE as ENSEMBLE_RULE
from pbgraph.methods.perforated import RULE as PERFORATED_RULE
from pbgraph.methods.plain import RULE as PLAIN_RULE
from pbgraph.results.records import RunRecord

ONE_LINE_AN_EPOCH = (PLAIN_RULE, PERFORATED_RULE, ENSEMBLE_RULE)  # rules of selection that promise such a history
SELECTED_FROM_IT = (PLAIN_RULE, PERFORATED_RULE)  # and those whose score stands in the line of the selected epoch
PARTS = ("task", "split", "featuriser", "model", "method", "metric")


def misshapen_run(record: RunRecord) -> Iterator[str]:
    """What a finished record lacks, or has too much."""
    if record.spec.external and (record.selection or record.cost or record.history or record.error):
        yield "nothing is known of how another tool came to its predictions, and this external result says something"
    elif not record.spec.external and (record.error is not None or record.selection is None or record.cost is None):
        yield "a finished run has a selection and a cost, and no error"
    if missing := set(PARTS) - {name for name, version in record.spec.versions.items() if isinstance(version, int)}:
        yield f"it does not say the version of {', '.join(sorted(missing))}"
    elif record.metrics.get(record.spec.metric) != record.spec.versions["metric"]:
        yield f"it is selected by {record.spec.metric}, of which its scores have another version, or none"
    for name, score in record.scores.items():
        for where, metrics in [
            (name, score.metrics),
            *((f"{name} {target}", target_score.metrics) for target, target_score in score.tasks.items()),
        ]:
            if set(metrics) != set(record.metrics) and (name == "test" or not set(metrics) < set(record.metrics)):
                yield f"{where}: scores of {', '.join(metrics) or 'no metric'}, expected {', '.join(record.metrics)}"
    if record.predictions != f"{record.key}.parquet" or record.predictions_sha256 is None:
        yield f"it names {record.predictions} as its predictions, expected {record.key}.parquet with its hash"
    yield from _other_history(record)


def _other_history(record: RunRecord) -> Iterator[str]:
    """In what a history is not that of the cost and the selection beside it, where these say how they came about."""
    selected, cost = record.selection, record.cost
    if selected is None or cost is None or selected.rule not in ONE_LINE_AN_EPOCH:
        return
    if len(record.history) != cost.epochs:
        yield f"its history has {len(record.history)} epochs, its cost {cost.epochs}"
    line = next((epoch for epoch in record.history if epoch.epoch == selected.epoch), None)
    if line is None:
        yield f"epoch {selected.epoch}, which it says was selected, is not in its history"
    elif selected.rule in SELECTED_FROM_IT and line.valid not in (selected.score, rounded(selected.score)):
        yield f"it was selected by a score of {selected.score}, and its history has {line.valid} for that epoch"


def misshapen_failure(record: RunRecord) -> Iterator[str]:
    """What a record of a failed run lacks, or has too much."""
    if not record.error:
        yield "a failed run says what went wrong, and this one does not"
    if record.scores or record.predictions:
        yield "a failed run has neither scores nor predictions, and this one has"
