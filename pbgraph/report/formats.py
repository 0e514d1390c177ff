"""The forms of a table: Markdown for people, CSV and JSON for programs; LaTeX and HTML have files of their own.

A column for programs is a name in `csv_columns` and a value in `_csv_line`; JSON has all fields of a row.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from pbgraph.humanize import figure, plural
from pbgraph.metrics import label_of
from pbgraph.report.columns import flush_right, narrowed
from pbgraph.report.comparisons import Comparison, Spread
from pbgraph.report.kept import SameNetwork
from pbgraph.report.markdown import as_markdown, bullets, markdown
from pbgraph.report.stats import NORMAL_QUANTILE, Difference, Interval, MixedDifference
from pbgraph.report.tables import Row, Table
from pbgraph.report.texts import COMPARED, interval_text, p_text, texts
from pbgraph.report.together import hedges_g
from pbgraph.report.wording import verdict_words
from pbgraph.results.compared import Pair
from pbgraph.terminal import no_formula


def to_markdown(table: Table, columns: Sequence[str] | None = None) -> str:
    """The table for people, with its protocol, its comparisons, an answer in words, and what is missing or failed.

    columns  of `pbgraph.report.columns.column_names`; None: all
    """
    said = texts(table)
    parts = [f"## {as_markdown(said.title)}\n\n{as_markdown(said.protocol)}"]
    parts.append(markdown(*narrowed(table, said.header, said.rows, columns), right=flush_right(table, columns)))
    if said.comparisons:
        parts += [said.note + "\n\n" + markdown(COMPARED, said.comparisons, right=(2, 4)), bullets(said.answers)]
    return "\n\n".join(filter(None, [*parts, bullets(said.notes)])) + "\n"


def to_csv(table: Table) -> str:
    """One line per arm; numbers unrounded, a cell that has no value is blank."""
    return csv_text(csv_columns(table), csv_lines(table))


def csv_text(columns: Sequence[str], lines: Iterable[Mapping[str, object]]) -> str:
    """A header and lines as CSV, in which nothing is a formula; what a line lacks is blank."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    for line in ({name: name for name in columns}, *lines):
        writer.writerow({name: no_formula(value) for name, value in line.items()})
    return text.getvalue()


def csv_lines(table: Table) -> list[dict[str, object]]:
    """A line for each arm; what it has no value of may be left out."""
    return [_csv_line(table, row, table.against_plain.get(row.arm)) for row in table.rows]


def csv_columns(table: Table) -> tuple[str, ...]:
    """The columns of these lines."""
    metrics = [column for name in table.metrics for column in (name, f"{name}_sd")]
    return (
        *("protocol", "task", "split", "preset", "model", "method", "variant", "seeds", "missing", "failed"),
        *(*metrics, f"valid_{table.metrics[0]}"),
        *("parameters", "epochs", "seconds", "dendrites", "runs_with_dendrites"),
        *("difference", "low", "high", "p", "p_holm", "verdict"),
    )


def to_json(table: Table) -> str:
    """Everything the table holds."""
    return json_text(json_content(table))


def json_content(table: Table) -> dict[str, object]:
    """All the table holds, under the names that programs know."""
    return {
        "protocol_id": table.protocol.id,
        "protocol": table.protocol,
        "rows": [_row_content(row) for row in table.rows],
        "comparisons": [_comparison_content(comparison) for comparison in table.comparisons],
        "metrics": table.metrics,
        "yardstick": table.margin,
        "family": {"name": table.family, "tests": table.tests},
        "commits": table.commits,
        "software": table.software,
        "processors": table.processors,
        "seconds": table.seconds,
        "numerics": table.numerics,
        "others": table.others,
        "pretrained": table.pretrained,
        "averages": table.averages,
        "external": table.external,
        "declared": table.declared,
        "primary": [str(arm) for arm in table.primary or ()],
        "settings_tried": {
            str(arm): [{"trials": budget.trials, "seeds": budget.seeds} for budget in searches]
            for arm, searches in table.tried.items()
        },
    }


def _row_content(row: Row) -> dict[str, object]:
    content = msgspec.to_builtins(row, str_keys=True)
    return {**content.pop("arm"), "changes": dict(row.arm.changes), **content}


def _comparison_content(comparison: Comparison) -> dict[str, object]:
    return {
        "a": str(comparison.a),
        "b": str(comparison.b),
        "seeds": comparison.seeds,
        "mean": comparison.mean,
        "interval": comparison.interval,
        "p": comparison.p,
        "p_holm": comparison.p_holm,
        "complete": comparison.complete,
        "verdict": verdict_words(comparison),
        "one_split": comparison.one_split,
    }


def json_text(content: object) -> str:
    """JSON for programs, in which what would command a terminal stands as its number."""
    text = msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n"
    if text.replace("\n", "").isprintable():
        return text
    return re.sub(r"[^\n]", lambda match: match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1], text)


def comparison_lines(
    comparison: Comparison,
    scores: Mapping[int, tuple[float, float]],
    bootstrap: Interval | None,
    *,
    further: Mapping[str, Difference],
    judged: tuple[str, int],
    of_splits: Sequence[float] = (),
    spread: Spread | None = None,
    same: SameNetwork | None = None,
    declared: str = "",
    called: Pair | None = None,
    scale: float = 1.0,
) -> str:
    """One comparison for people, seed by seed; scores: seed -> (a, b), of this magnitude.

    further  judgements of the same difference that do not decide, see `further_differences`
    judged   the family that it is judged in, "" if it is in none, and by how many tests p is corrected there
    of_splits  what is judged: the difference of each split;  spread  of these
    same     the pairs in which both are one network
    declared  whether the plan was registered before its runs, in words
    called   by which names the two are shown
    """
    called = called or (comparison.a, comparison.b)
    family, tests = judged
    effect = hedges_g(of_splits)
    comparison = replace(comparison, a=called[0], b=called[1])
    seeds = [
        (str(seed), figure(a, scale), figure(b, scale), figure(a - b, scale, sign="+"))
        for seed, (a, b) in scores.items()
    ]
    lines = [
        f"mean difference            {figure(comparison.mean, scale, sign='+')}",
        f"95 % interval, {'plain' if comparison.one_split else 'corrected'} t".ljust(27)
        + interval_text(comparison.interval, scale),
        *(
            f"95 % interval, {name}".ljust(27) + interval_around(one, comparison.mean, scale)
            for name, one in further.items()
        ),
        f"95 % interval, bootstrap   {interval_text(bootstrap, scale)}",
        *_spreads(spread, further, scale),
        f"Hedges' g of differences   {'-' if effect is None else f'{effect:+.2f}'}",
        f"p                          {p_text(comparison.p)}",
        *([f"p, {f'Holm over {tests}'.ljust(23)} {p_text(comparison.p_holm)}"] if family else []),
        f"verdict                    {verdict_words(comparison)}",
    ]
    table = markdown(("seed", str(comparison.a), str(comparison.b), "difference"), seeds, right=range(4))
    lines += [f"the same network {same.pairs}"] if same and same.seeds else []
    lines += [*_how_judged(comparison, further, judged, scale), *([declared] if declared else [])]
    return f"{table}\n\n" + "\n".join(lines) + "\n"


def interval_around(difference: Difference, mean: float, scale: float) -> str:
    """Its interval, and its mean where that is another than the one that is shown."""
    other = f" around {figure(difference.mean, scale, sign='+')}" if _is_another(difference, mean, scale) else ""
    return interval_text(difference.interval, scale) + other


def _is_another(difference: Difference, mean: float, scale: float) -> bool:
    """Whether its mean is another than this one where they are shown."""
    return figure(difference.mean, scale) != figure(mean, scale)


def _spreads(spread: Spread | None, further: Mapping[str, Difference], scale: float) -> Iterator[str]:
    """How much differences vary, in all and by the parts of the mixed model."""
    if spread is not None:
        sd = figure(spread.sd, scale)
        said = f"SD of differences          {sd} between {'seeds' if spread.floor is None else 'splits'}"
        if spread.floor is not None:
            floor = f"{NORMAL_QUANTILE:.2f} × {sd} × √(n_test / n_train) = {figure(spread.floor, scale)}"
            said += f": no number of seeds takes the corrected t's half-width below {floor}"
        yield said
    for one in further.values():
        if isinstance(one, MixedDifference):
            parts = f"{figure(one.between, scale)} between splits, {figure(one.within, scale)} within one"
            yield f"SDs by the mixed model     {parts}"


def _how_judged(
    comparison: Comparison, further: Mapping[str, Difference], judged: tuple[str, int], scale: float
) -> Iterator[str]:
    """With what, and what the numbers do not say; arguments as of `comparison_lines`."""
    family, tests = judged
    if family:
        yield f"judged with the {plural(tests, 'comparison')} of {family}"
    else:
        by = f" by {label_of(comparison.metric)}, which selected nothing" if comparison.metric else ""
        yield f"no plan has this comparison{by}: it is judged by itself, and is a question rather than an answer"
    if further:
        others = f"{', '.join(further)} and bootstrap"
        yield f"the corrected t decides: {others} take splits of the same molecules for independent"
    if any(isinstance(one, MixedDifference) and _is_another(one, comparison.mean, scale) for one in further.values()):
        yield (
            "the mixed model's mean is another: in the mean a split counts once, and in the model more, the more "
            "initialisations it has"
        )
    if comparison.one_split:
        yield "all seeds share one split: the t interval and p speak of initialisations, not of other molecules"


def _csv_line(table: Table, row: Row, difference: Comparison | None) -> dict[str, object]:
    protocol = table.protocol
    line: dict[str, object] = {
        "protocol": protocol.id,
        "task": protocol.task,
        "split": protocol.split,
        "preset": protocol.preset,
        "model": row.arm.model,
        "method": row.arm.method,
        "variant": row.arm.variant,
        "seeds": len(row.seeds),
        "missing": len(row.missing),
        "failed": len(row.failed),
        "parameters": row.parameters,
        "epochs": row.epochs,
        "seconds": row.seconds,
        f"valid_{table.metrics[0]}": row.valid and row.valid.mean,
    }
    if kept := row.dendrites.values():
        line |= {"dendrites": sum(kept) / len(kept), "runs_with_dendrites": sum(map(bool, kept))}
    for name, statistic in row.metrics.items():
        if statistic is not None:
            line |= {name: statistic.mean, f"{name}_sd": statistic.sd}
    if difference is not None:
        interval = difference.interval
        line |= {"difference": difference.mean, "p": difference.p, "p_holm": difference.p_holm}
        line |= {
            "low": interval and interval.low,
            "high": interval and interval.high,
            "verdict": verdict_words(difference),
        }
    return line
