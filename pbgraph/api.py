"""pbgraph from Python, for notebooks and scripts: what the command line does, with frames in the place of text.

    from pbgraph import api

    results = api.run("tox21", preset="smoke", models=["gin"], results="my-results")
    results.to_frame()                        # a row for each run
    print(results.table())
    results.compare("gin/perforated", "gin/backprop").verdict

Errors are those of `pbgraph.errors`: UsageError for a wrong name or value, with the nearest valid one, DataError for
data that cannot be had. A run that fails is a row whose status is "failed"; it raises nothing. Where several names,
seeds or structures can be given, one is a list of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Literal

from pbgraph.datasets.user.table import UserTable, to_dataset
from pbgraph.datasets.user.table import describe as own_table
from pbgraph.errors import UsageError, check_several, unknown_name
from pbgraph.plans.presets import USUAL
from pbgraph.report.comparisons import Comparison
from pbgraph.report.figures import draw_learning_curves
from pbgraph.report.runs import Row, history_rows, run_rows, task_rows
from pbgraph.report.selection import TaskRuns, chosen_comparison, chosen_table, drawn_records, runs_by_seed
from pbgraph.report.shown import FORMATS, WITH_COLUMNS
from pbgraph.results.arms import Arm, parse_arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.lookup import Choice
from pbgraph.results.records import RunRecord

if TYPE_CHECKING:
    import pandas

    from pbgraph.datasets.base import Dataset
    from pbgraph.execution.fitting import RunOptions
    from pbgraph.plans.plan import Plan
    from pbgraph.prediction.predict import Predictions, Predictor
    from pbgraph.report.together import Together

__all__ = ["Results", "load_model", "own_table", "predict", "read", "run"]


@dataclass(frozen=True)
class Results:
    """The runs of one task in one results folder.

    records  of single runs; see `pbgraph.results.records.RunRecord`
    arms, seeds, preset, split  of the plan that was run; None of what was only read
    In every method below, what is not named is that of the plan; of what was only read it is the usual preset and
    split, or else the only one there is, with the arms and seeds that the preset declares. Comparisons are judged among
    all that the preset has in the folder, whatever part of it was run here.
    """

    folder: Path
    task: str
    records: tuple[RunRecord, ...]
    arms: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    preset: str | None = None
    split: str | None = None

    def to_frame(self, per: Literal["run", "task"] = "run") -> pandas.DataFrame:
        """A row for each run, or for each run, part and task of the data, with scores in columns of their own.

        per="run": test_METRIC and valid_METRIC, cost, source, and every setting as config.FIELD or settings.FIELD;
        per="task": a column for each metric, labelled rows and positives.
        """
        kinds = {"run": run_rows, "task": task_rows}
        if per not in kinds:
            raise unknown_name("kind of row", per, kinds)
        return _frame(kinds[per](self.records))

    def histories(self) -> pandas.DataFrame:
        """A row for each epoch of each run: phase, training loss, validation score, dendrites, learning rate."""
        return _frame(history_rows(self.records))

    def table(
        self,
        form: str = "md",
        *,
        models: Sequence[str] | None = None,
        methods: Sequence[str] | None = None,
        arms: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
        preset: str | None = None,
        split: str | None = None,
        metrics: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> str:
        """The table that ``table TASK`` prints, as "md", "tex", "csv", "html" or "json".

        metrics  to be shown beside the one that selects, e.g. ["mcc", "ece"]
        columns  that are shown, of "md" and "tex", as `pbgraph.report.columns.column_names` calls them
        Raises UsageError if there is nothing to be shown, or if runs do not share one protocol.
        """
        check_several(metrics=metrics, columns=columns)
        if form not in FORMATS:
            raise unknown_name("format", form, FORMATS)
        if columns is not None and form not in WITH_COLUMNS:
            raise UsageError(
                f"columns={columns!r}: only {' and '.join(WITH_COLUMNS)} can be asked for some, not {form}"
            )
        choice = replace(self._choice(arms or self.arms, seeds, preset, split), models=models, methods=methods)
        write, shown = resolve_name(FORMATS[form]), chosen_table(self._runs, choice, metrics)[1]
        text: str = write(shown, columns) if form in WITH_COLUMNS else write(shown)
        return text

    def compare(
        self,
        a: str,
        b: str,
        *,
        seeds: Sequence[int] | None = None,
        preset: str | None = None,
        split: str | None = None,
        metric: str | None = None,
    ) -> Comparison:
        """The paired difference of two arms, a - b, with its interval and verdict; arms as in "trimnet/perforated".

        metric  instead of the one that selects; such a comparison is in no plan
        Raises UsageError, with the nearest, for an arm that has no run and for an unknown metric, and if both share no
        finished seed.
        """
        choice = self._choice(None, seeds, preset, split)
        return chosen_comparison(self._runs, parse_arm(a), parse_arm(b), choice=choice, metric=metric)[2]

    def compare_all(
        self,
        *,
        arms: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
        preset: str | None = None,
        split: str | None = None,
    ) -> Together:
        """All arms that have all seeds, at once: ranks, intervals that hold together, and places.

        Raises UsageError if there is nothing to be compared, or if runs do not share one protocol.
        """
        from pbgraph.report.together import together

        choice = self._choice(arms or self.arms, seeds, preset, split)
        return together(chosen_table(self._runs, choice)[1])

    def average(
        self,
        *arms: str,
        name: str | None = None,
        seeds: Sequence[int] | None = None,
        preset: str | None = None,
        split: str | None = None,
        data: str | Path | None = None,
        offline: bool = False,
    ) -> Results:
        """With a row of what arms predict together, seed by seed, as ``average TASK ARM ARM`` makes it in the folder.

        arms  two at least, each counting alike
        name  of the row; None: its arms
        seeds  that all of them must have a finished run of; None: every one that they have
        data  where the data are looked for first: scores are of their labels
        Raises UsageError, with the nearest, for an arm without a finished run of these seeds, and DataError where data
        or predictions cannot be had.
        """
        from pbgraph.execution.averaging import average_by_seed
        from pbgraph.execution.options import RunOptions

        choice = replace(self._choice(arms, None, preset, split), seeds=seeds)
        dataset = _dataset(self.task, ResultsFolder(self.folder))
        options = RunOptions(self.folder, data=Path(data) if data else None, offline=offline)
        made = [record for record, _ in average_by_seed(runs_by_seed(self._runs, choice), dataset, options, name=name)]
        there = {record.key for record in self.records}
        return replace(
            self,
            records=(*self.records, *(record for record in made if record.key not in there)),
            arms=self.arms and tuple(dict.fromkeys([*self.arms, *(str(record.spec.arm) for record in made)])),
        )

    def draw(
        self,
        path: str | Path,
        *,
        arms: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
        preset: str | None = None,
        split: str | None = None,
    ) -> Path:
        """Learning curves as ``table TASK --figure`` draws them, to a .png, .svg or .pdf; returns its path.

        Raises UsageError for another suffix, and if no run has a history of epochs.
        """
        wanted = self._choice(arms or self.arms, seeds, preset, split)
        records, table = chosen_table(self._runs, wanted)
        drawn = drawn_records(records, table, Choice(arms=_parsed(arms)))
        draw_learning_curves(drawn, Path(path), seeds=table.protocol.seeds)
        return Path(path)

    def _choice(
        self, arms: Sequence[str] | None, seeds: Sequence[int] | None, preset: str | None, split: str | None
    ) -> Choice:
        return Choice(
            arms=_parsed(arms), seeds=seeds or self.seeds, preset=preset or self.preset, split=split or self.split
        )

    @cached_property
    def _runs(self) -> TaskRuns:
        """All of the folder, of which those of a plan are a part: families of comparisons are of a whole preset."""
        mine = TaskRuns(ResultsFolder(self.folder), self.task, self.records)
        if self.preset is None:  # these are all of the folder
            return mine
        known = {record.key for record in self.records}
        others = [record for record in mine.results.records(self.task) if record.key not in known]
        return replace(mine, records=(*self.records, *others))


def _parsed(arms: Sequence[str] | None) -> list[Arm] | None:
    check_several(arms=arms)
    return None if arms is None else [parse_arm(text) for text in arms]


def _frame(rows: Sequence[Row]) -> pandas.DataFrame:
    import pandas

    return pandas.DataFrame(list(rows))


def run(
    dataset: str | UserTable,
    preset: str | Path = USUAL,
    *,
    models: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    split: str | None = None,
    settings: Sequence[str] = (),
    results: str | Path = "results",
    jobs: int | None = None,
    device: str = "auto",
    data: str | Path | None = None,
    offline: bool = False,
    save_models: bool = False,
    retry_failed: bool = False,
) -> Results:
    """Do what is missing of a plan, as ``python -m pbgraph.bench TASK`` does; returns the runs of the plan.

    dataset   a registered name, or a table of your own, as `own_table` describes it
    preset    whose arms, seeds and settings are taken, narrowed or widened by `models`, `methods`, `seeds`, `split`;
              a name, or a plan file, NAME.toml
    settings  otherwise than in the preset, e.g. ["trimnet.hidden=64", "training.epochs=60"]
    results   folder of the records: what is finished there is not done again
    jobs      worker processes; None: as many as there are cores
    Progress goes to stderr. Raises UsageError, DataError, and Interrupted after Ctrl-C, with all runs saved.
    """
    from pbgraph.execution.benchmark import device_of, do_missing, usual_jobs
    from pbgraph.execution.engines.progress import shown
    from pbgraph.execution.fitting import RunOptions
    from pbgraph.plans.plan import plan
    from pbgraph.plans.settings import parse_assignments

    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs={jobs}: expected the number of worker processes, at least 1")
    chosen = _dataset(dataset, ResultsFolder(Path(results)))
    planned = plan(
        chosen,
        str(preset),
        models=models,
        methods=methods,
        seeds=seeds,
        split=split,
        settings=parse_assignments(settings),
    )
    where, folder = device_of(device), Path(results)
    options = RunOptions(folder, data=Path(data) if data else None, offline=offline, save_models=save_models)
    _, records = do_missing(
        planned,
        options,
        jobs=jobs or usual_jobs(where),
        device=where,
        shown=shown,
        retry_failed=retry_failed,
        make_ready=lambda ready: _make_ready(chosen, ready, options, table=dataset),
    )
    arms = tuple(map(str, planned.arms))
    return Results(folder, chosen.name, tuple(records.values()), arms, planned.seeds, str(preset), planned.split)


def _dataset(dataset: str | UserTable, results: ResultsFolder) -> Dataset:
    from pbgraph.results.described import dataset_of

    return to_dataset(dataset) if isinstance(dataset, UserTable) else dataset_of(dataset, results)


def _make_ready(dataset: Dataset, plan: Plan, options: RunOptions, *, table: str | UserTable) -> None:
    """Have the data at hand before any run; a table of the user's is described in the results folder."""
    from pbgraph.execution.benchmark import make_data_ready
    from pbgraph.results.described import keep

    make_data_ready(dataset, plan, folder=options.data, offline=options.offline)
    if isinstance(table, UserTable):
        results = ResultsFolder(options.results)
        results.check_writable()
        keep(table, results)


def read(results: str | Path, dataset: str) -> Results:
    """All runs of a task that a results folder holds; nothing is run.

    What is no record costs a warning in the log and is left out. Raises UsageError, with the nearest name, for a task
    that is neither registered nor described in the folder.
    """
    runs = TaskRuns.read(ResultsFolder(Path(results)), dataset)
    return Results(Path(results), dataset, runs.records)


def load_model(
    folder: str | Path,
    *,
    arm: str | Sequence[str] | None = None,
    preset: str | None = None,
    split: str | None = None,
) -> Predictor:
    """A saved model, RESULTS/models/TASK/KEY, or all models of RESULTS/models/TASK that differ in their seed alone.

    arm  of which there are such models, or several arms: the mean of what each predicts
    Raises UsageError if there is none, or several kinds and nothing that chooses; DataError for a damaged one.
    """
    from pbgraph.prediction.predict import load_predictor

    arms = [arm] if isinstance(arm, str) else arm or []
    return load_predictor(Path(folder), [parse_arm(text) for text in arms], preset=preset, split=split)


def predict(
    model: Predictor | str | Path, smiles: Sequence[str], columns: Mapping[str, Sequence[float]] | None = None
) -> Predictions:
    """Predictions for structures, by a model or the folder of one, in their order: mean (n, T), sd, and errors.

    columns  of a model that was trained with graph columns, their n numbers each by name, NaN = blank
    A structure that cannot be read has NaN, and a reason among the errors. Raises UsageError for a single text in the
    place of a list, and for columns that are missing or that the model does not take.
    """
    import numpy as np

    predictor = load_model(model) if isinstance(model, str | Path) else model
    if unknown := [name for name in columns or {} if name not in predictor.graph_columns]:
        takes = f"the columns {', '.join(predictor.graph_columns)}" if predictor.graph_columns else "no columns"
        raise UsageError(f"the model takes {takes} beside the structures, and not {', '.join(unknown)}")
    if missing := [name for name in predictor.graph_columns if name not in (columns or {})]:
        raise UsageError(
            f"the model was trained with the columns {', '.join(missing)} beside the structures; give them"
        )
    numbers = [columns[name] for name in predictor.graph_columns] if columns else []
    return predictor(smiles, columns=np.stack(numbers, axis=1) if numbers else None)
