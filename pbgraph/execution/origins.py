"""Whose code a run was made of: the packages of its components, the content of their files, and other libraries.

A component (task, split, featuriser, model, method, metric) is a value that a package registers. Its code is in the
package of the entry point and in those of the functions and classes that the value holds. Of each of these the
distribution, the version, a hash of the files and the commit are kept, so that two that only share a name and a version
can be told apart. Libraries that are dependencies are named by their version.

The hash is the SHA-256 of the canonical JSON of [[path within the package, SHA-256 of the content], ...], sorted, of
all its .py files and compiled modules; the commit is that of the checkout that the package runs from, or the one that
pip noted when it installed the package from a repository.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache, partial
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    distributions,
    packages_distributions,
)
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from pbgraph.datasets.base import DATASETS
from pbgraph.errors import PbgraphError
from pbgraph.execution.checkouts import checkout, files_sha256
from pbgraph.features.base import FEATURISERS, Featuriser
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.methods.base import METHODS
from pbgraph.metrics import METRICS
from pbgraph.models.base import MODELS, Estimator
from pbgraph.registry import Registry
from pbgraph.results.protocol import OF_AN_ARM, others_code
from pbgraph.results.records import RunRecord, RunSpec, Source
from pbgraph.splits import SPLITS

PACKAGES = ("torch", "torch-geometric", "rdkit", "numpy", "numba", "scikit-learn")  # named in every record
LIBRARIES: Mapping[str, tuple[str, ...]] = {  # import name -> distributions that are named in records of runs with it
    "deepchem": ("deepchem",),
    "lightgbm": ("lightgbm",),
    "scipy": ("scipy",),
    "sklearn": ("scikit-learn", "scipy"),
    "xgboost": ("xgboost",),
}
OWN = "pbgraph"
REGISTRIES: Mapping[str, Registry[Any]] = {
    "task": DATASETS,
    "split": SPLITS,
    "featuriser": FEATURISERS,
    "model": MODELS,
    "method": METHODS,
    "metric": METRICS,
}


@dataclass(frozen=True)
class Origins:
    """Whose code takes part in a run; see `pbgraph.results.records.Provenance`.

    declared  import names and distributions of libraries that its components say they use
    """

    components: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()


def origins_of(spec: RunSpec, values: Mapping[str, Any], metrics: Iterable[str] = ()) -> Origins:
    """Whose code a run is made of, as it is now.

    values   of components that may be registered nowhere, such as the task of a user's table
    metrics  names of those that the run is scored by
    """
    named = [(kind, kind, getattr(spec, kind)) for kind in REGISTRIES]
    named += [(f"metric {name}", "metric", name) for name in sorted(set(metrics) - {spec.metric})]
    components: dict[str, tuple[str, ...]] = {}
    sources: dict[str, Source] = {}
    declared: set[str] = set()
    for what, kind, name in named:
        value = (values[kind] if what in values else None) or _value(kind, name)
        mine = _sources(kind, name, value)
        components[what] = tuple(mine)
        sources |= mine
        declared |= _declared(kind, name, value, sources=mine.values())
    return Origins(components, sources, frozenset(declared))


def _value(kind: str, name: str) -> Any:
    """The component, or None if it cannot be loaded here."""
    try:
        return REGISTRIES[kind].get(name)
    except PbgraphError:
        return None


def _sources(kind: str, name: str, value: Any) -> dict[str, Source]:
    """The packages that a component's code is in, the one that registers it first; of joined features, of each."""
    if isinstance(value, Featuriser) and value.parts:
        return {package: source for part in value.parts for package, source in _sources(kind, part.name, part).items()}
    entry = REGISTRIES[kind].entry(name)
    first = {} if entry is None else {package_of(entry.module): entry.dist}
    others = dict.fromkeys(package_of(module) for module in _modules_of(value))
    return {package: source_of(package, first.get(package)) for package in [*first, *others]}


def code_of(kind: str, name: str) -> str:
    """SHA-256 over the code of a component that is in other packages than pbgraph; "" if it is in none."""
    sources = _sources(kind, name, _value(kind, name))
    others = {package: source.sha256 for package, source in sources.items() if package != OWN}
    return sha256(canonical_json(others)) if others else ""


def changed_code(record: RunRecord) -> str:
    """In words, with which files of other packages a run was made that are others now; "" if with none.

    Packages that are not here are passed over.
    """
    used = {name for component in OF_AN_ARM for name in others_code(record, component)}
    pairs = {name: (record.provenance.sources[name].sha256, source_of(name).sha256) for name in sorted(used)}
    return "; ".join(
        f"other files of {name} ({mine[:12]}) than are here ({now[:12]})"
        for name, (mine, now) in pairs.items()
        if mine and now and mine != now
    )


def imported() -> frozenset[str]:
    """The libraries of `LIBRARIES` that this process has imported so far."""
    return frozenset(name for name in LIBRARIES if name in sys.modules)


def library_versions(declared: Iterable[str], earlier: Iterable[str]) -> dict[str, str]:
    """Versions of libraries that took part in a run that ends now: declared by its components, or imported during it.

    earlier  what the process had imported before
    """
    taken = {*declared, *(imported() - set(earlier))}
    names = {name for library in taken for name in LIBRARIES.get(library, (library,))}
    return {name: version for name in sorted(names) if (version := version_of(name)) is not None}


def version_of(name: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def installed_packages() -> list[str]:
    """All distributions that are installed here, as pip's constraints have them."""
    found = {(one.name, one.version) for one in distributions() if one.name}
    return [f"{name}=={number}" for name, number in sorted(found, key=lambda pair: (pair[0].lower(), pair[1]))]


def package_of(module: str) -> str:
    """The package whose files are hashed: the outermost one with code of its own, past namespaces.

    >>> package_of("pbgraph.models.gin")
    'pbgraph'
    """
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        with suppress(ImportError, ValueError, AttributeError):
            module_spec = find_spec(name)
            if module_spec is not None and module_spec.origin is not None:
                return name
    return parts[0]


@lru_cache(maxsize=128)
def source_of(package: str, installed: Distribution | None = None) -> Source:
    """The code of an import package; read once per process, which goes on with the modules that it has imported.

    installed  the distribution it is of, where that is known
    """
    installed = installed or _distribution_of(package)
    name, version = (installed.name, installed.version) if installed else ("", "")
    try:
        root = _root(package)
        digest = files_sha256(root)
    except (ImportError, ValueError, AttributeError, OSError) as error:
        return Source(name, version, "", note=f"{type(error).__name__}: {error}")
    commit, dirty = checkout(root)
    note = "" if digest else f"{root} holds no code"
    return Source(name, version, digest, commit or _installed_commit(installed), dirty, note)


def _root(package: str) -> Path:
    """The folder of a package, or the file of a module. Raises ImportError if there is none."""
    module_spec = find_spec(package)
    if module_spec is None or module_spec.origin is None:
        raise ImportError(f"{package} has no file")
    path = Path(module_spec.origin)
    return path.parent if module_spec.submodule_search_locations else path


def _distribution_of(package: str) -> Distribution | None:
    """The one that a package is of; to find it for others than our own, the files of all that is installed are read."""
    if package.split(".")[0] == OWN:
        with suppress(PackageNotFoundError):
            return distribution(OWN)
    names = dict.fromkeys(packages_distributions().get(package.split(".")[0], ()))
    return distribution(next(iter(names))) if len(names) == 1 else None


def _installed_commit(installed: Distribution | None) -> str:
    """The commit that pip noted when it installed a distribution from a repository, or ""."""
    text = installed.read_text("direct_url.json") if installed else None
    try:
        said = msgspec.json.decode(text or "{}")
        return str(said["vcs_info"]["commit_id"])
    except (msgspec.MsgspecError, KeyError, TypeError, RecursionError):
        return ""


def _modules_of(value: Any) -> Iterator[str]:
    """The modules of the functions and classes that a component holds, libraries left out."""
    for part in fields(value) if is_dataclass(value) else ():
        held = getattr(value, part.name)
        while isinstance(held, partial):
            held = held.func
        module = getattr(held, "__module__", None)
        if callable(held) and isinstance(module, str) and not _is_library(module.split(".")[0]):
            yield module


@lru_cache(maxsize=128)
def _is_library(package: str) -> bool:
    """Whether a package belongs to Python, or is named by its version already."""
    if package == OWN:
        return False
    if package in sys.stdlib_module_names or package in LIBRARIES or package == "__main__":
        return True
    installed = _distribution_of(package)
    return installed is not None and installed.name.lower() in PACKAGES


def _declared(kind: str, name: str, value: Any, *, sources: Iterable[Source]) -> set[str]:
    """What a component says that it uses: itself, or its namespace, or a package of somebody else's that it is in."""
    distributions = {value.package} if isinstance(value, Estimator) else set()
    entry = REGISTRIES[kind].entry(name)
    if entry is not None and entry.name != name:
        with suppress(PbgraphError):  # which costs the run, or this component, elsewhere
            distributions.add(REGISTRIES[kind].namespace(entry.name).package)
    for source in sources:
        if source.distribution and source.distribution != OWN:
            distributions.update(_required(source.distribution))
    return distributions - {""}


def _required(name: str) -> Sequence[str]:
    """The distributions that a distribution says it needs, but for those that are named in every record."""
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        return []
    names = [re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0] for line in lines if "extra ==" not in line]
    return [needed for needed in names if needed.lower() not in (OWN, *PACKAGES)]
