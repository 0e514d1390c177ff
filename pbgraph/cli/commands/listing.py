"""Commands about what is registered, and about data sets."""

from __future__ import annotations

import argparse
import json
import logging
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from pbgraph.cli.commands.names import dataset_of_task, task_names
from pbgraph.cli.options import add_data_folder_arguments, add_results_argument
from pbgraph.cli.values import ENGINES, OneOf
from pbgraph.errors import PbgraphError, UsageError
from pbgraph.fields import Setting, settings_of
from pbgraph.files.hashing import sha256
from pbgraph.humanize import ranges
from pbgraph.plans.declaration import Preset, Study
from pbgraph.plans.presets import preset, presets
from pbgraph.registry import Registry
from pbgraph.results.folder import ResultsFolder
from pbgraph.terminal import show

if TYPE_CHECKING:
    from pbgraph.datasets.base import Dataset
    from pbgraph.models.base import Model
    from pbgraph.molecules import Molecules
    from pbgraph.spaces import Range, Space
    from pbgraph.splits import Split

log = logging.getLogger(__name__)

KINDS = {
    "tasks": "pbgraph.datasets.base:DATASETS",
    "models": "pbgraph.models.base:MODELS",
    "methods": "pbgraph.methods.base:METHODS",
    "splits": "pbgraph.splits:SPLITS",
    "metrics": "pbgraph.metrics:METRICS",
    "featurisers": "pbgraph.features.base:FEATURISERS",
    "presets": "pbgraph.plans.presets:PLANS",
    "plans": "pbgraph.plans.presets:PLANS",
    "engines": "",  # which are no entry points
}
WIDTH = 100  # of what is said of a setting
FURTHER = ("dendrite_sites", "control_of")  # what else there is to say of one model or method
DATA_ACTIONS = ("ls", "fetch", "audit")


def add_ls_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``ls`` takes."""
    parser.set_defaults(command=ls)
    parser.add_argument("kind", nargs="?", type=OneOf("kind", KINDS), help=f"one of {', '.join(KINDS)}")
    parser.add_argument("name", nargs="?", metavar="NAME", help="one of that kind, with its settings and all it says")
    parser.add_argument("--json", action="store_true", help="for programs")


def ls(args: argparse.Namespace) -> int:
    """List registered names with version and source; one that cannot be imported is shown with the reason."""
    if args.name is not None:
        return _ls_one(args)
    kinds = [args.kind] if args.kind else list(KINDS)
    listed = {kind: _listed(kind) for kind in kinds}
    if args.json:
        show(json.dumps(listed, indent=1))
        return 0
    for kind, entries in listed.items():
        show(kind)
        for entry in entries:
            version = "" if entry["version"] is None else f"v{entry['version']}"
            others = [package for package in entry["packages"] if package != "pbgraph"]
            owner = f"  [package {' and '.join(others)}]" if others else ""
            show(f"  {entry['name']:<20} {version:<4} {_facts(entry)}{entry['source']}{owner}")
    _warn_of_slow_operations()
    return 0


def _ls_one(args: argparse.Namespace) -> int:
    """What is registered under one name: what its module says of it, and its settings."""
    if args.kind == "engines":
        raise UsageError(f"ls engines {args.name}: 'ls engines' says all there is of them")
    registry: Registry[Any] = resolve_name(KINDS[args.kind])
    value = registry.get(args.name)
    settings, space, of_head = _settings(value), getattr(value, "space", {}), _space_of_head(args.kind, value)
    told = {
        **_entry(args.name, registry.get),
        "packages": registry.packages(args.name) if args.name in registry.names() else [],
        **{name: getattr(value, name) for name in FURTHER if hasattr(value, name)},
        "settings": {setting.name: _said(setting, {**of_head, **space}.get(setting.name)) for setting in settings},
    }
    if args.json:
        show(json.dumps(told, indent=1))
        return 0
    version = "" if told["version"] is None else f" v{told['version']}"
    show(f"{args.name}{version}: {told['source']}")
    if isinstance(value, Preset):
        for line in _declared(value):
            show(line)
    if isinstance(value, Study):
        show(f"parts: {', '.join(preset.name for preset in value.presets)}")
    if "features" in told:
        show(f"features: {told['features']}")
    if told.get("parameters"):
        show(f"parameters, of these settings, for Tox21: {told['parameters']:,}")
    if told.get("recipe"):
        show(f"its recipe of training: {', '.join(f'{field}={_shown(one)}' for field, one in told['recipe'].items())}")
    if told.get("dendrite_sites"):
        show(f"dendrites at: {', '.join(told['dendrite_sites'])}")
    if told.get("control_of"):
        show(f"control of: {told['control_of']}")
    _show_settings(args.name, settings, space, of_head)
    return 0


def _declared(declared: Preset) -> Iterator[str]:
    """What a preset runs: its seeds, and its rows with what is set otherwise in them."""
    again = f"; second initialisations on their splits: {ranges(sorted(declared.again))}" if declared.again else ""
    yield f"seeds {ranges(declared.once)}{again}"
    for row in declared.rows:
        changes = {**row.config, **row.settings}
        otherwise = ", ".join(f"{name}={_shown(value)}" for name, value in changes.items())
        said = f"{row.model} with {', '.join(row.methods)}" + (f", {otherwise}" if otherwise else "")
        yield textwrap.fill(said + (f": {row.label}" if row.label else ""), WIDTH, subsequent_indent="  ")
    for which, pairs in {"primary": [declared.primary], "secondary": declared.secondary}.items():
        for a, b in filter(None, pairs):
            yield f"{which} comparison: {a} against {b}"


def _show_settings(name: str, settings: Sequence[Setting], space: Space, of_head: Space) -> None:
    """With the ranges in which they are searched; of_head: of a packed head's, where the model may have one."""
    if settings:
        show(f"\nsettings, each set by --set {name}.FIELD=VALUE (the preset may have other values than these):")
    for setting in settings:
        searched = f"searched {space[setting.name]}" if setting.name in space else ""
        if setting.name in of_head and not searched:
            searched = f"with head=packed, searched {of_head[setting.name]}"
        meaning = "; ".join(filter(None, (setting.meaning, searched)))
        said = f"{setting.name} ({setting.type}, default {_shown(setting.default)}){meaning and ': '}{meaning}"
        show(textwrap.fill(said, WIDTH, initial_indent="  ", subsequent_indent="      "))
    if of_pair := {field: range_ for field, range_ in space.items() if field not in {one.name for one in settings}}:
        said = "; ".join(f"{field}, {range_}" for field, range_ in of_pair.items())
        show(textwrap.fill(f"searched besides, of what it is paired with: {said}", WIDTH, subsequent_indent="  "))


def _space_of_head(kind: str, value: Any) -> Space:
    if kind != "models":
        return {}
    from pbgraph.models.head import space_of_packed_head

    return space_of_packed_head(value)


def _settings(value: Any) -> list[Setting]:
    """The fields of a model's config or of a method's settings; of anything else none."""
    type_ = getattr(value, "config", None) or getattr(value, "settings", None)
    return settings_of(type_) if isinstance(type_, type) else []


def _said(setting: Setting, range_: Range | None) -> dict[str, Any]:
    """What programs are told of a field; searched: its range, or None where `tune` leaves it as it is."""
    searched = None if range_ is None else range_.said
    return {"type": setting.type, "default": setting.default, "meaning": setting.meaning, "searched": searched}


def _shown(value: object) -> str:
    return json.dumps(value) if not isinstance(value, str) else value


def _warn_of_slow_operations() -> None:
    from pbgraph.ops.kernels import slow_because

    reason = slow_because()
    if reason is not None:
        log.warning("operations run slowly, in plain PyTorch: %s", reason)


def _listed(kind: str) -> list[dict[str, Any]]:
    if kind == "engines":
        return [{"name": name, "version": None, "source": said, "packages": []} for name, said in ENGINES.items()]
    entries = _entries(resolve_name(KINDS[kind]))
    return [entry for entry in entries if kind != "presets" or entry["name"] in presets()]


def _facts(entry: Mapping[str, Any]) -> str:
    """What a line says before the source: of a model its features, and of a network its parameters."""
    size = f", {entry['parameters']:,} parameters" if entry.get("parameters") else ""
    return f"{entry['features']}{size}; " if "features" in entry else ""


def _of_model(model: Model) -> dict[str, Any]:
    """Its features, its own recipe, and how many parameters a network has by default, for Tox21; None of others."""
    return {
        "features": model.featuriser,
        "parameters": _parameters(model),
        "recipe": dict(getattr(model, "recipe", {})),
    }


def _parameters(model: Model) -> int | None:
    from pbgraph.datasets.base import DATASETS
    from pbgraph.features.base import FEATURISERS
    from pbgraph.features.composed import trial
    from pbgraph.methods.training import parameter_count
    from pbgraph.models.base import Architecture, Dims

    if not isinstance(model, Architecture):
        return None
    try:
        store: Any = trial(FEATURISERS.get(model.featuriser), len(DATASETS.get("tox21").tasks), 0)
        dims = Dims(store.node_dim, store.edge_dim, store.y.shape[1], store.graph_dim)
        return parameter_count(model.build(dims, model.config()))
    except Exception as error:  # of somebody else's code, which may want more than that
        log.debug("%s was not built: %s: %s", model.name, type(error).__name__, error)
        return None


def _entries(registry: Registry[Any]) -> list[dict[str, Any]]:
    """What `ls` shows of every name, and of every namespace."""
    names = [(name, registry.get) for name in registry] + [(name, registry.namespace) for name in registry.namespaces()]
    return [_entry(name, get) | {"packages": registry.packages(name)} for name, get in names]


def _entry(name: str, get: Callable[[str], Any]) -> dict[str, Any]:
    try:
        value = get(name)
    except PbgraphError as error:
        return {"name": name, "version": None, "source": f"broken: {error}"}
    source = getattr(value, "source", None) or getattr(value, "summary", "")
    entry = {"name": name, "version": getattr(value, "version", None), "source": source}
    return {**entry, **_of_model(value)} if hasattr(value, "featuriser") else entry


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``check`` takes."""
    parser.set_defaults(command=check)
    parser.add_argument("name", metavar="NAME", help="as registered, or KIND:NAME, e.g. split:random; see 'ls'")
    parser.add_argument("--data", type=Path, metavar="DIR", help="look for data here first")


def check(args: argparse.Namespace) -> int:
    """Put whatever is registered under a name through its conformance checks, one line each; 1 if one fails."""
    from pbgraph.testing import CheckFailed, checks

    failed = 0
    for conformance in checks(args.name, args.data):
        try:
            conformance()
            show(f"ok      {conformance!s:<20} {conformance.summary}")
        except CheckFailed as error:
            failed += 1
            show(f"FAILED  {conformance!s:<20} {error}")
    return 1 if failed else 0


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``data`` takes."""
    parser.set_defaults(command=data)
    parser.add_argument("action", type=OneOf("action", DATA_ACTIONS), help=", ".join(DATA_ACTIONS))
    parser.add_argument("task", nargs="?", metavar="TASK", help="all of them, if left out of 'data ls'")
    add_results_argument(parser)
    add_data_folder_arguments(parser)


def data(args: argparse.Namespace) -> int:
    """List the data sets and where they are; fetch one; or count what is in it."""
    from pbgraph.datasets.base import DATASETS
    from pbgraph.datasets.user.table import to_dataset
    from pbgraph.results.described import dataset_of, user_tables

    results = ResultsFolder(args.results)
    if args.action == "ls":
        own = map(to_dataset, user_tables(results))
        listed = [*DATASETS.working(), *own] if args.task is None else [dataset_of(args.task, results)]
        for dataset in listed:
            _print_dataset(dataset, args)
        return 0
    if args.task is None:
        raise UsageError(f"data {args.action}: say of which task, e.g. data {args.action} {task_names()[0]}")
    act = _fetch if args.action == "fetch" else _audit
    act(dataset_of_task(args), args)
    return 0


def _print_dataset(dataset: Dataset, args: argparse.Namespace) -> None:
    from pbgraph.datasets.source import locate

    if not dataset.fixed:
        rows = f"{dataset.rows} rows, " if dataset.rows else ""
        show(f"{dataset.name}: {rows}{len(dataset.tasks)} tasks, read by {dataset.source}")
        return
    where = locate(dataset, args.data) or "not on this machine yet"
    tasks = f"{len(dataset.tasks)} task{'' if len(dataset.tasks) == 1 else 's'}"
    show(f"{dataset.name:<14} {dataset.rows:>6} rows {tasks:>9}  {dataset.file} at {where}; {dataset.source}")


def _fetch(dataset: Dataset, args: argparse.Namespace) -> None:
    from pbgraph.datasets.source import find, locate

    if dataset.load is not None:
        raise UsageError(f"{dataset.name} is read in a way of its own, by {dataset.source}; there is nothing to fetch")
    content = find(dataset, folder=args.data, offline=args.offline)
    if dataset.make is not None:
        show(f"{dataset.name}: read by {dataset.source}, sha256 {sha256(content)}")
    else:
        show(f"{dataset.name}: verified, sha256 {dataset.sha256}, at {locate(dataset, args.data)}")


def _audit(dataset: Dataset, args: argparse.Namespace) -> None:
    from pbgraph.datasets.audit import audit
    from pbgraph.datasets.load import load
    from pbgraph.execution.engines.progress import counted
    from pbgraph.report.audit import audit_text
    from pbgraph.splits import SPLITS

    molecules = load(dataset, folder=args.data, offline=args.offline)
    with counted("splits", len(SPLITS.names())) as done:
        splits, refused = _splits(molecules, done)
    with counted("structures", len(molecules)) as done:
        facts = audit(dataset, molecules, splits, done=done)
    show(audit_text(facts, refused), end="")


def _splits(molecules: Molecules, done: Callable[[int], None]) -> tuple[dict[str, Split], dict[str, str]]:
    """Every split of the molecules, by the first seed there is; and why one does not apply, or fails."""
    from pbgraph.splits import SPLITS

    splits: dict[str, Split] = {}
    refused: dict[str, str] = {}
    for splitter in SPLITS.working():
        seed = (splitter.seeds or preset("default").seeds)[0] if splitter.seeded else None
        name = splitter.name if seed is None else f"{splitter.name}, seed {seed}"
        try:
            splits[name] = splitter.split(molecules, seed)
        except UsageError as error:
            refused[name] = str(error).split(";")[0]
        except Exception as error:  # of somebody else's code
            refused[name] = f"it failed: {type(error).__name__}: {error}"
        done(1)
    return splits, refused
