"""What a run takes beside its spec; apart from `pbgraph.execution.fitting`, whose libraries take seconds to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunOptions:
    """What a run takes beside its spec, and does not depend on: none of it is in the key.

    results      where records go
    data         where data are looked for first; None: the usual places
    offline      whether to fetch nothing
    save_models  whether to keep trained models beside their records
    leased       whether a lease says that nobody else does the run, so that no lock need be waited for
    pairs        folder of what controls of a search are paired with; None: finished records in `results`
    """

    results: Path
    data: Path | None = None
    offline: bool = False
    save_models: bool = False
    leased: bool = False
    pairs: Path | None = None
