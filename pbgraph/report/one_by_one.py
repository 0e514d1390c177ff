"""Every comparison that a table makes, each by itself: all its intervals, pairs of one network, verdict and power.

`pbgraph.report.together` asks of all arms at once which is the best; here every pair is judged as the plan asks. The
interval that decides and the verdict are those of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pbgraph.humanize import figure, plural
from pbgraph.report.comparisons import Comparison, further_differences
from pbgraph.report.formats import interval_around
from pbgraph.report.kept import SameNetwork
from pbgraph.report.markdown import bullets, markdown
from pbgraph.report.power import Power
from pbgraph.report.stats import Difference, Outcome
from pbgraph.report.tables import Row, Table
from pbgraph.report.texts import interval_text, p_text, scales
from pbgraph.report.wording import how_compared, verdict_words
from pbgraph.results.compared import Pair
from pbgraph.results.records import RunRecord


@dataclass(frozen=True)
class Examined:
    """One comparison that has all its runs; further: what does not decide, by name; same: pairs of one network."""

    comparison: Comparison
    further: Mapping[str, Difference]
    same: SameNetwork

    @property
    def pair(self) -> Pair:
        """Its arms."""
        return self.comparison.a, self.comparison.b

    @property
    def helped(self) -> bool:
        """Whether a gain of A over B was shown, and not one that is too small to matter."""
        verdict = self.comparison.verdict
        return verdict.outcome is Outcome.BETTER and verdict.size != "less"


@dataclass(frozen=True)
class Awaited:
    """One that lacks some: of how many runs, and of these how many are missing, failed, or have no score."""

    pair: Pair
    runs: int
    missing: int
    failed: int
    unscored: int

    @property
    def lacks(self) -> int:
        """How many in all."""
        return self.missing + self.failed + self.unscored

    @classmethod
    def of(cls, a: Row, b: Row, seeds: int) -> Awaited:
        """Of two rows with so many seeds."""
        missing, failed = (sum(map(len, both)) for both in ((a.missing, b.missing), (a.failed, b.failed)))
        scored = len(a.test) + len(b.test)
        return cls((a.arm, b.arm), 2 * seeds, missing, failed, 2 * seeds - missing - failed - scored)


@dataclass(frozen=True)
class OneByOne:
    """The comparisons of one table."""

    examined: tuple[Examined, ...]
    awaited: tuple[Awaited, ...]


def one_by_one(table: Table, records: Sequence[RunRecord], awaited: Iterable[Pair] = ()) -> OneByOne:
    """Of all comparisons of a table, made of these records.

    awaited  further pairs of its rows; those that lack no run are left out, as nothing makes them a comparison
    """
    rows, seeds = {row.arm: row for row in table.rows}, len(table.protocol.seeds)
    complete = [one for one in table.comparisons if one.complete]
    lacking = [*((one.a, one.b) for one in table.comparisons if not one.complete), *awaited]
    return OneByOne(
        tuple(
            Examined(one, further_differences(records, one), SameNetwork.of(rows[one.a], rows[one.b]))
            for one in complete
        ),
        tuple(one for a, b in lacking if (one := Awaited.of(rows[a], rows[b], seeds)).lacks),
    )


def to_markdown(
    table: Table, found: OneByOne, powers: Mapping[Pair, Power | None] | None, command: Callable[[str, str], str]
) -> str:
    """One table of the comparisons that have all their runs, what the others lack, and what did not help.

    powers   of each of the former; None: not asked for, and then what did not help is not listed
    command  the names of two arms -> what shows the two again
    """
    if not found.examined and not found.awaited:
        return ""
    count = len(found.examined)
    parts = [f"One by one: {count} of {plural(count + len(found.awaited), 'comparison')}, with all runs."]
    if found.examined:
        header, right = _header(table, found, powers)
        rows = [tuple(_cells(table, found, one, powers)) for one in found.examined]
        parts += [how_compared(table, [one.comparison for one in found.examined]), markdown(header, rows, right=right)]
    parts += [bullets(_notes(table, found, powers))]
    if found.awaited:
        parts += ["Not judged yet:", bullets(_lacks(table, one) for one in found.awaited)]
    without_gain = [one for one in found.examined if not one.helped]
    if powers is not None and without_gain:
        parts += ["What did not help: A shows no gain over B that matters."]
        parts += [bullets(_did_not_help(table, one, powers[one.pair], command) for one in without_gain)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _further(found: OneByOne) -> list[str]:
    """The names of what does not decide, of any comparison."""
    return list(dict.fromkeys(name for one in found.examined for name in one.further))


def _header(
    table: Table, found: OneByOne, powers: Mapping[Pair, Power | None] | None
) -> tuple[tuple[str, ...], list[int]]:
    """The columns' names, and which are flush right."""
    decides = "plain" if any(one.comparison.one_split for one in found.examined) else "corrected"
    header = ["A", "B", "A - B", f"95 % interval, {decides} t", *_further(found), "p", "same network", "verdict"]
    right = [2, len(header) - 3, len(header) - 2]
    if powers is not None:
        right += range(len(header), len(header) + 3)
        header += [f"power at {table.margin.relevant}", "after Holm", f"equal within ±{table.margin.relevant}"]
    return tuple(header), right


def _cells(table: Table, found: OneByOne, one: Examined, powers: Mapping[Pair, Power | None] | None) -> Iterator[str]:
    shown, scale = _called(table, one.comparison), scales(table)[table.metrics[0]]
    yield from (str(shown.a), str(shown.b), figure(shown.mean, scale, sign="+"), interval_text(shown.interval, scale))
    for name in _further(found):
        yield interval_around(one.further[name], shown.mean, scale) if name in one.further else "-"
    yield p_text(shown.p_holm)
    yield f"{len(one.same.seeds)} of {len(one.same.among)}" if one.same.among else "-"
    yield verdict_words(shown)
    if powers is not None:
        power = powers[one.pair]
        said = (None,) * 3 if power is None else (power.power, power.adjusted, power.equivalent)
        yield from ("-" if value is None else f"{value:.2f}" for value in said)


def _notes(table: Table, found: OneByOne, powers: Mapping[Pair, Power | None] | None) -> Iterator[str]:
    """What the columns are."""
    if further := _further(found):
        verb = "takes" if len(further) == 1 else "take"
        yield f"the corrected t decides: {' and '.join(further)} {verb} splits of the same molecules for independent"
    if any(one.same.seeds for one in found.examined):
        yield "same network: pairs in which both are one, by validation and test score, whose difference is 0"
    if powers:
        relevant = table.margin.relevant
        yield (
            f"power: the probability with which a true difference of {relevant} is found, by p alone and at the first "
            f"step of Holm's correction over {table.tests}; equal: with which the interval of two equal arms is within "
            f"±{relevant}; both by the spread of the differences that there are"
        )


def _lacks(table: Table, one: Awaited) -> str:
    a, b = (table.called[arm] for arm in one.pair)
    counts = {"missing": one.missing, "failed": one.failed, "without a score": one.unscored}
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"{a} - {b}: of {plural(one.runs, 'run')} {said}"


def _did_not_help(table: Table, one: Examined, power: Power | None, command: Callable[[str, str], str]) -> str:
    shown, scale = _called(table, one.comparison), scales(table)[table.metrics[0]]
    relevant = table.margin.relevant
    said = f"{power.power:.2f} at {relevant}, {power.adjusted:.2f} after Holm" if power else "cannot be told"
    return (
        f"{shown.a} over {shown.b}: {figure(shown.mean, scale, sign='+')} {interval_text(shown.interval, scale)}, "
        f"{verdict_words(shown)}; power {said}; `{command(str(shown.a), str(shown.b))}`"
    )


def _called(table: Table, one: Comparison) -> Comparison:
    """With the names that rows are shown by."""
    return replace(one, a=table.called[one.a], b=table.called[one.b])
