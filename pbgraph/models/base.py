"""What a registered model is: a neural architecture, or an estimator on fingerprints."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import nn

from pbgraph.errors import UsageError, not_installed
from pbgraph.files.hashing import Scalar
from pbgraph.files.reading import file_versions as versions_of
from pbgraph.metrics import Kind
from pbgraph.registry import Registry
from pbgraph.spaces import Space

T = TypeVar("T")


@dataclass(frozen=True)
class Dims:
    """Sizes that a task gives to an architecture: columns of nodes, edges and whole molecules, and number of tasks."""

    node: int
    edge: int
    tasks: int
    graph: int = 0


@dataclass(frozen=True)
class Architecture:
    """A graph neural network that can be built for any task.

    name            as registered
    version         raise it when the same config would give other numbers
    config          frozen dataclass of hyper-parameters; its defaults are the paper's
    build           (dims, config) -> module mapping a GraphBatch to logits (G, T), or of k members side by side to
                    (k, G, T); of regression tasks to scaled values
    dendrite_sites  names of the sub-modules that may grow dendrites, where a config builds them; ``*`` matches within
                    one name
    width           the config field that a size-matched control scales
    fine_width      a field that moves the size by smaller steps, to make up what is missing; or None
    source          DOI, and the reference commit if there is one
    featuriser      registered featuriser that makes its graphs
    files           name -> file that `build` reads, such as weights trained elsewhere; what is in it enters the key
    recipe          settings of training that it needs, by name, where a preset says nothing else for it
    space           field of the config -> the range in which `tune` searches it
    own_head        fields of the config that its own head alone reads, and a packed head in its place does not
    reads_graphs    False of one that sees features of whole molecules alone, so that no control without graphs is due
    """

    name: str
    version: int
    config: type
    build: Callable[[Dims, Any], nn.Module]
    dendrite_sites: tuple[str, ...]
    width: str
    source: str
    featuriser: str = "graph"
    fine_width: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    recipe: Mapping[str, Scalar] = field(default_factory=dict)
    space: Space = field(default_factory=dict)
    own_head: tuple[str, ...] = ()
    reads_graphs: bool = True


def sites_in(model: Architecture, network: nn.Module) -> tuple[str, ...]:
    """The patterns of an architecture's sites that this network has parts for; all of them if it has none."""
    names = [name for name, _ in network.named_modules()]

    def matches(pattern: str) -> bool:
        expression = re.escape(pattern).replace(r"\*", "[^.]*")
        return any(re.fullmatch(expression, name) for name in names)

    return tuple(pattern for pattern in model.dendrite_sites if matches(pattern)) or model.dendrite_sites


@dataclass(frozen=True)
class Estimator:
    """A model on fixed feature vectors that fits itself, e.g. a random forest on fingerprints.

    A blank label teaches nothing. A task whose measured rows hold one class or value alone gets that as the score of
    every row, and a task without any measured row some constant; `pbgraph.models.per_task` sees to that.

    fit_classifier  (x (n, D) as its featuriser makes it, y (n, T) float32 with NaN = not measured, config, seed) ->
                predict, which maps x (m, D) to scores (m, T) float in [0, 1]; None if it cannot classify
    fit_regressor  the same, but predict gives values in the units of y; None if it cannot do regression
    parameters  what the fitted predictor counts as its parameters, e.g. the nodes of the trees
    restore     what `FittedEstimator.state` gave -> predict, the same numbers; None: it cannot be saved
    package     the library that fits it, whose version a record names; and extra, which installs it where it is none of
                pbgraph's own dependencies; "" for nothing
    bits_alone  whether it compares bits, and takes no other numbers
    files, space  as of an `Architecture`
    of_classes  fields of the config that mean nothing of regression: there they are not searched, and recipes do not
                set them
    """

    name: str
    version: int
    config: type
    fit_classifier: Fit | None
    source: str
    featuriser: str = "ecfp4"
    package: str = ""
    extra: str = ""
    fit_regressor: Fit | None = None
    bits_alone: bool = False
    restore: Callable[[Any], Callable[[np.ndarray], np.ndarray]] | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    space: Space = field(default_factory=dict)
    of_classes: tuple[str, ...] = ()

    def of_kind(self, fields: Mapping[str, T], kind: Kind) -> dict[str, T]:
        """Those of the fields of the config that mean something of tasks of this kind."""
        unread = self.of_classes if kind == "regression" else ()
        return {name: value for name, value in fields.items() if name not in unread}

    def refuses(self, kind: Kind) -> str | None:
        """Why it cannot be fitted to tasks of this kind, or None if it can."""
        able = {"classification": self.fit_classifier, "regression": self.fit_regressor}
        if able[kind] is not None:
            return None
        return f"it is for {' and '.join(name for name in able if able[name] is not None)}, not for {kind} tasks"

    def fitter(self, kind: Kind) -> Fit:
        """What fits it to tasks of this kind. Raises UsageError if nothing does."""
        fit = self.fit_classifier if kind == "classification" else self.fit_regressor
        if fit is None:
            raise UsageError(f"model {self.name!r}: {self.refuses(kind)}")
        return fit

    def unavailable(self) -> str | None:
        """Why it cannot be used in this environment, or None if it can."""
        if not self.package or find_spec(self.package) is not None:
            return None
        return not_installed(self.package, self.extra)


@dataclass(frozen=True)
class FittedEstimator:
    """A fitted estimator: its prediction function and its size.

    state  () -> all that is needed to predict again, as `pbgraph.files.state_file` keeps it; None: it cannot be saved
    """

    predict: Callable[[np.ndarray], np.ndarray]
    parameters: int
    state: Callable[[], Any] | None = None


Fit = Callable[[np.ndarray, np.ndarray, Any, int], FittedEstimator]
Model = Architecture | Estimator

MODELS: Registry[Model] = Registry("model", "pbgraph.models", (Architecture, Estimator))


def file_versions(model: Model) -> dict[str, str]:
    """SHA-256 of every file that a model is built from, as a spec's versions have it.

    Raises DataError if one cannot be read.
    """
    remedy = f"model {model.name!r} is built from it: put it there, or install the package of the model again"
    return versions_of("model", model.files, remedy)
