"""Where a record comes from: source tree, versions, machine."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import torch

import pbgraph
from pbgraph.execution.checkouts import files_sha256, git
from pbgraph.execution.numerics import numeric_platform
from pbgraph.execution.origins import PACKAGES, Origins, library_versions, version_of
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.molecules import Molecules
from pbgraph.results.records import Provenance

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def source_tree() -> tuple[str, bool]:
    """(commit, dirty) of the checkout this package runs from; ("", False) if it is not one.

    Where git is missing or refuses to look, nobody knows whether anything was edited: then it counts as dirty.
    Only what runs are made of can make a tree dirty: the package, its settings and its pinned versions.
    Read once per process, since the process goes on with the modules it has imported.
    """
    folder = Path(pbgraph.__file__).parent.parent
    if not (folder / ".git").exists():
        return "", False
    commit = git(folder, "rev-parse", "HEAD")
    changes = git(folder, "status", "--porcelain", "--", "pbgraph", "pyproject.toml", "constraints.txt")
    if commit is None or changes is None:
        log.warning("git does not say what was changed in %s, so records count it as changed", folder)
        return commit or "", True
    return commit, bool(changes)


@lru_cache(maxsize=1)
def source_code() -> str:
    """The hash of this package's code, in a checkout or not; read once per process, as `source_tree`."""
    return files_sha256(Path(pbgraph.__file__).parent)


def provenance(
    *,
    device: str,
    molecules: Molecules | None,
    featuriser: str,
    split_sha256: str,
    origins: Origins,
    earlier: Iterable[str] = (),
    pretrained_on: str = "",
) -> Provenance:
    """The provenance of a run on these data in this process, now.

    molecules  None if the data could not be prepared
    earlier    libraries that the process had imported before the run
    """
    commit, dirty = source_tree()
    rejected = molecules.rejected if molecules else ()
    return Provenance(
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        pbgraph=pbgraph.__version__,
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        packages=package_versions(),
        platform=platform.platform(),
        processor=processor(),
        device=torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        threads=torch.get_num_threads(),
        data_sha256=molecules.sha256 if molecules else "",
        rows=len(molecules) + len(rejected) if molecules else 0,
        rejected=rejected,
        rows_sha256=sha256(canonical_json(molecules.mol_ids)) if molecules else "",
        featuriser=featuriser,
        split_sha256=split_sha256,
        components=origins.components,
        sources=origins.sources,
        libraries=library_versions(origins.declared, earlier),
        numerics=numeric_platform(device) if molecules else None,
        pretrained_on=pretrained_on,
    )


def package_versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on."""
    return {name: version_of(name) or "not installed" for name in PACKAGES}


def processor() -> str:
    """Model name of the processor and number of usable cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores"
