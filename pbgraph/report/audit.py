"""What is in a data set, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from pbgraph.metrics import label_of
from pbgraph.report.markdown import markdown

if TYPE_CHECKING:
    from pbgraph.datasets.audit import Audit, Noise, TaskFacts

MOST_TASKS = 30  # tasks that are listed one by one


def audit_text(audit: Audit, refused: Mapping[str, str]) -> str:
    """What is in a data set, for people; refused: split -> why it does not apply."""
    cells = audit.accepted * len(audit.tasks)
    facts = [
        ("accepted rows", f"{audit.accepted:,} of {audit.rows:,}"),
        ("measured cells", f"{audit.labelled:,} of {cells:,} ({audit.labelled / max(cells, 1):.2%})"),
        ("rows without any label", f"{audit.blank_rows:,}"),
        ("multi-fragment rows (salts, mixtures)", f"{audit.multi_fragment:,}"),
        ("molecules without a bond", f"{audit.bond_free:,}"),
        ("rows whose structure another row has too", f"{audit.duplicate_rows:,}"),
        ("distinct parents", f"{audit.parents:,}"),
        ("rows that share a parent with another row", f"{audit.sharing_rows:,}"),
        ("cells measured more than once for a parent", f"{audit.repeated_cells:,}"),
        ("of these with conflicting labels", f"{audit.conflicting_cells:,}"),
    ]
    parts = [markdown((audit.dataset, "count"), facts, right=(1,)), _labels(audit.tasks)]
    parts += [*_noise(audit.noise, audit.metric), _leakage(audit, refused)]
    if audit.rejected:
        rows = [(str(row.row), row.mol_id, row.reason) for row in audit.rejected]
        parts.append(markdown(("rejected row, from 0", "name", "reason"), rows))
    return "\n\n".join(parts) + "\n"


def _labels(tasks: Sequence[TaskFacts]) -> str:
    """Task by task, or where there are too many, the tasks with the least, the median and the most of each count."""
    columns = {"labelled": [facts.labelled for facts in tasks]}
    if all(facts.active is not None for facts in tasks):
        columns["active"] = [facts.active or 0 for facts in tasks]
    if len(tasks) <= MOST_TASKS:
        cells = [[f"{count:,}" for count in counts] for counts in columns.values()]
        rows = [(facts.task, *counts) for facts, *counts in zip(tasks, *cells, strict=True)]
        return markdown(("task", *columns), rows, right=range(1, 3))
    counted = [
        (name, f"{min(counts):,}", f"{median(counts):,.0f}", f"{max(counts):,}", f"{sum(counts):,}")
        for name, counts in columns.items()
    ]
    return markdown((f"of {len(tasks)} tasks", "least", "median", "most", "sum"), counted, right=range(1, 5))


def _noise(noise: Sequence[Noise], metric: str) -> list[str]:
    """What measuring again says of a measurement, task by task; of many tasks, those with the most replicates."""
    if not noise:
        return []
    shown = sorted(noise, key=lambda one: -one.replicates)[:MOST_TASKS] if len(noise) > MOST_TASKS else noise
    rows = [
        (
            one.task,
            f"{one.replicates:,}",
            f"{one.conflicts:,} of {one.parents:,}",
            "-" if one.ceiling is None else f"{one.ceiling:.4f}",
        )
        for one in shown
    ]
    label = label_of(metric)
    more = "" if len(shown) == len(noise) else f" Shown: the {len(shown)} of {len(noise)} tasks with the most of them."
    return [
        f"Noise ceiling, by rows that were measured again: {label} where each of them is predicted by the mean of its "
        f"parent's other rows. What does better on such rows knows more than one measurement, or the noise.{more}",
        markdown(("noise", "rows measured again", "parents in conflict", f"{label} ceiling"), rows, right=(1, 2, 3)),
    ]


def _leakage(audit: Audit, refused: Mapping[str, str]) -> str:
    rows = [
        (split, f"{leak.parents:,}", f"{leak.test_rows:,} of {leak.tested:,}") for split, leak in audit.leakage.items()
    ]
    header = ("split", "parents in training and test", "test rows whose parent is in training")
    return markdown(header, rows + [(split, "-", why) for split, why in refused.items()], right=(1,))
