"""What a run is asked (RunSpec), what comes out of it (RunRecord), and where that comes from (Provenance)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import msgspec

from pbgraph.files.hashing import Scalar, canonical_json, sha256
from pbgraph.history import Epoch, Selection
from pbgraph.methods.roles import EXTERNAL
from pbgraph.metrics import SplitScore, Thresholds
from pbgraph.molecules import Rejected
from pbgraph.results.arms import Arm, as_changes

FORMAT_VERSION = 3  # of records, where it is the field `schema`
WHOLE_FORM = 2  # the schema that says the same less compactly, see `pbgraph.results.compact`

Status = Literal["finished", "failed"]


@dataclass(frozen=True)
class RunSpec:
    """All that determines a run's result on the CPU; its key names the record.

    split_seed    None for a deterministic split
    seed          of initialisation, shuffling, dropout and dendrites
    featuriser    registered name; the model's own unless the preset asks for another
    preset        name of the recipe the settings came from
    model_config, settings  resolved: every field of the model's config and of the method's settings
    versions      of "task", "split", "featuriser", "model", "method", "metric"; and the SHA-256 of every file that the
                  model is built from, under "model file NAME", and of those of its features, "featuriser file NAME"
    control_of    key of the run a control is paired with
    changes       settings that differ from the preset's recipe, those of the run a control is paired with among them as
                  "METHOD.FIELD"; what has none is the recipe itself
    """

    task: str
    split: str
    split_seed: int | None
    model: str
    method: str
    seed: int
    metric: str
    featuriser: str
    preset: str
    model_config: Mapping[str, Scalar]
    settings: Mapping[str, Scalar]
    versions: Mapping[str, int | str]
    control_of: str | None = None
    changes: Mapping[str, Scalar] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON."""
        return sha256(canonical_json(self.said))[:16]

    @property
    def said(self) -> dict[str, Any]:
        """All fields as JSON has them; `changes` are left out where there are none, as they are of older records."""
        facts: dict[str, Any] = msgspec.to_builtins(self)
        if not self.changes:
            del facts["changes"]
        return facts

    @property
    def external(self) -> bool:
        """Whether this is no run of ours: another tool made the predictions, and `model` is what it is called."""
        return self.method == EXTERNAL

    @cached_property
    def arm(self) -> Arm:
        """The row it belongs to."""
        return Arm(self.model, self.method, as_changes(self.changes))


@dataclass(frozen=True)
class Cost:
    """seconds of wall time over all sittings; peak resident bytes of the worker; sittings > 1 if resumed."""

    parameters: int
    epochs: int
    seconds: float
    peak_memory_bytes: int
    sittings: int


@dataclass(frozen=True)
class Source:
    """The code of one import package, as it was when a run began.

    distribution, version  under which it is installed; "" if it is of none
    sha256         of its code files, see `pbgraph.execution.origins`; "" if none can be read
    commit, dirty  of the checkout it is in, or was installed from; "" if there is none
    note           what could not be found out, and why; "" if nothing
    """

    distribution: str
    version: str
    sha256: str
    commit: str = ""
    dirty: bool = False
    note: str = ""

    def __str__(self) -> str:
        name = f"{self.distribution or 'no distribution'} {self.version}".strip()
        files = f"files {self.sha256[:12]}" if self.sha256 else f"files unknown ({self.note})"
        commit = f", commit {self.commit[:12]}{'*' * self.dirty}" if self.commit else ""
        return f"{name}, {files}{commit}"


@dataclass(frozen=True)
class NumericPlatform:
    """By what a run's numbers were computed. See `pbgraph.execution.numerics`.

    On a CPU, with equal fields and equal versions of `Provenance.packages` and `libraries`, they are equal bit for bit.

    name      "x86-64-avx2" for workers on any such processor; else the architecture and its loops, or the GPU
    products  library of matrix products, its version and kernels
    loops     torch's capability: AVX2, AVX512, NEON, DEFAULT, ...
    kernels   Numba's version and target, or why its kernels are not used
    threads   of torch
    torch     its version with the build
    libm      the C library, whose exp and log kernels call
    probe     digest of operations computed by that process
    """

    name: str
    products: str
    loops: str
    kernels: str
    threads: int
    torch: str
    libm: str
    probe: str

    @property
    def described(self) -> str:
        """In words, all but the probe.

        >>> NumericPlatform("x86-64-avx2", "OpenBLAS 0.3.30 Haswell", "AVX2", "Numba 0.68.1 haswell", 1,
        ...                 "2.13.0+cpu", "glibc 2.36", "c678b72eca7b").described
        'x86-64-avx2: OpenBLAS 0.3.30 Haswell, torch 2.13.0+cpu AVX2, Numba 0.68.1 haswell, glibc 2.36, 1 thread'
        """
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{self.name}: {self.products}, torch {self.torch} {self.loops}, {self.kernels}, {self.libm}, {threads}"

    def __str__(self) -> str:
        return f"{self.described}, probe {self.probe}"


@dataclass(frozen=True)
class ScoredFile:
    """The file of predictions that an external result was scored from: its name, and the SHA-256 of its content."""

    name: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name}, sha256 {self.sha256[:12]}"


@dataclass(frozen=True)
class Provenance:
    """Where a record comes from.

    commit, dirty   of the source tree; "" outside a checkout
    numerics        by what its numbers were computed; None without numbers, and in records made before that was noted
    data_sha256     of the decompressed CSV; rows_sha256 of the accepted mol_ids in order
    split_sha256    of the index arrays
    device          "cpu" or the name of the GPU
    components      "task", "split", "featuriser", "model", "method", "metric" and "metric NAME" of every other metric
                    -> the import packages that its code is in; none if that could not be found out
    sources         these packages by name
    libraries       versions of other libraries that took part, beside `packages`
    These three are empty in older records.
    pretrained_on   on what a network was trained that made some of its features, as somebody states it; "" if none did
    scored_from     of an external result, its file; all else is then of the scoring, and device and numerics are not
                    known
    mean_of         of an average of runs, their keys; `scored_from` is then of their predictions
    """

    created: str
    pbgraph: str
    commit: str
    dirty: bool
    python: str
    packages: Mapping[str, str]
    platform: str
    processor: str
    device: str
    threads: int
    data_sha256: str
    rows: int
    rejected: tuple[Rejected, ...]
    rows_sha256: str
    featuriser: str
    split_sha256: str
    components: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    numerics: NumericPlatform | None = None
    pretrained_on: str = ""
    scored_from: ScoredFile | None = None
    mean_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRecord:
    """The outcome of one run; a failed run has an error and no scores.

    An external result is one, too: what it is called and which split it is of make its spec, with which it is found,
    shown, compared, merged and moved away as any other; it has neither selection nor cost nor history.

    scores       "valid" and "test" -> SplitScore; of an external result without validation rows, "valid" has their
                 number and no score
    metrics      name -> version of what they were scored by
    thresholds   of the metrics among these that take decisions: from the validation rows, see `pbgraph.decisions`
    predictions  file name and SHA-256 of its content
    correlations  of a run in which dendrites grew: site -> for every dendrite tried there, in order, the mean over
                 neurons of corr(a, δ) on validation rows when it was accepted, signed by the correlation it was
                 accepted for; None where there is none. Records of earlier versions lack it, so it is not in `digest`
    written_digest  `digest` when the record was written, by which an edit is noticed
    seal         SHA-256 of all that its file says but this, provenance and time included; None in older records
    """

    spec: RunSpec
    status: Status
    provenance: Provenance
    error: str | None = None
    selection: Selection | None = None
    scores: Mapping[str, SplitScore] = field(default_factory=dict)
    metrics: Mapping[str, int] = field(default_factory=dict)
    cost: Cost | None = None
    history: tuple[Epoch, ...] = ()
    predictions: str | None = None
    predictions_sha256: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    correlations: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=dict)
    schema: int = FORMAT_VERSION
    written_digest: str | None = None
    seal: str | None = None

    @property
    def key(self) -> str:
        """Key of the spec."""
        return self.spec.key

    def digest(self) -> str:
        """SHA-256 of all that the spec determines on a CPU: everything but time, memory and provenance."""
        cost = self.cost and (self.cost.parameters, self.cost.epochs)
        return sha256(
            canonical_json(
                (
                    self.spec.said,
                    self.status,
                    self.selection,
                    self.scores,
                    self.metrics,
                    cost,
                    self.history,
                    self.predictions_sha256,
                    self.details,
                    *([self.thresholds] if self.thresholds else ()),
                )
            )
        )
