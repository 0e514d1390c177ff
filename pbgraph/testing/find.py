"""Which kind of thing a name is registered as, and so which checks it must pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pbgraph.datasets.base import DATASETS
from pbgraph.errors import UsageError, unknown_name
from pbgraph.features.base import FEATURISERS
from pbgraph.methods.base import METHODS
from pbgraph.metrics import METRICS
from pbgraph.models.base import MODELS, Estimator
from pbgraph.registry import Registry
from pbgraph.splits import SPLITS
from pbgraph.testing.architectures import architecture_checks
from pbgraph.testing.base import Check
from pbgraph.testing.datasets import dataset_checks
from pbgraph.testing.estimators import estimator_checks
from pbgraph.testing.featurisers import featuriser_checks
from pbgraph.testing.methods import method_checks
from pbgraph.testing.metrics import metric_checks
from pbgraph.testing.splits import split_checks

REGISTRIES: Mapping[str, Registry[Any]] = {
    "model": MODELS,
    "method": METHODS,
    "task": DATASETS,
    "split": SPLITS,
    "metric": METRICS,
    "featuriser": FEATURISERS,
}


def checks(name: str, folder: Path | None = None) -> list[Check[Any]]:
    """All checks of whatever is registered under this name.

    name    as registered, or, where several kinds of things have the name, ``kind:name``, e.g. ``split:random``
    folder  looked in first for the file of a data set
    Raises UsageError for a name that is unknown or ambiguous, or of an estimator whose package is not installed.
    """
    kind, name = _kind_and_name(name)
    make: Mapping[str, Callable[[str], list[Any]]] = {
        "model": _model_checks,
        "method": method_checks,
        "task": partial(dataset_checks, folder=folder),
        "split": split_checks,
        "metric": metric_checks,
        "featuriser": featuriser_checks,
    }
    return make[kind](name)


def _model_checks(name: str) -> list[Any]:
    model = MODELS.get(name)
    return estimator_checks(model) if isinstance(model, Estimator) else architecture_checks(model)


def _kind_and_name(name: str) -> tuple[str, str]:
    prefix, colon, rest = name.partition(":")
    if colon and prefix in REGISTRIES:
        return prefix, rest
    kinds = [kind for kind, registry in REGISTRIES.items() if name in registry]
    if len(kinds) > 1:
        kinds = _knowing(kinds, name)
    if len(kinds) > 1:
        which = " or ".join(f"{kind}:{name}" for kind in kinds)
        raise UsageError(f"{name!r} is registered as {' and as '.join(kinds)}; say which: check {which}")
    if not kinds:
        known = {known for registry in REGISTRIES.values() for known in registry}
        raise unknown_name(" or ".join(REGISTRIES), name, known)
    return kinds[0], name


def _knowing(kinds: list[str], name: str) -> list[str]:
    """The kinds that have the name itself: a namespace, to which every name of one beginning belongs, has to be asked.

    Raises UsageError, with what each namespace says, if none has it.
    """
    found, refusals = [], []
    for kind in kinds:
        try:
            if name not in REGISTRIES[kind].names():
                REGISTRIES[kind].get(name)
            found.append(kind)
        except UsageError as error:
            refusals.append(str(error))
    if not found:
        raise UsageError("; ".join(refusals))
    return found
