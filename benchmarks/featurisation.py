"""SMILES of Tox21 -> graphs: against chemprop, from the cache, and on two processes; and -> descriptors, against RDKit.

    python benchmarks/featurisation.py [--repeats 7]

chemprop's side is what its training does: parse the SMILES, then its graph featuriser with default features. Ours
parses too. It comes from the dependency group "parity", which make installs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from statistics import median
from time import perf_counter

from workload import molecules, timing  # isort: skip (sets the number of threads)
from timing import Result, Row, Skipped, in_turn, row_of

from pbgraph.features import graphs
from pbgraph.features.descriptor_values import descriptor_values
from pbgraph.features.graphs import GRAPH
from pbgraph.structures.smiles import parsed

MOST_OF_DESCRIPTORS = 5  # rounds
AGAINST = "SMILES -> graphs / chemprop"
START = """
import logging
logging.disable(logging.WARNING)
from time import process_time
from pbgraph.datasets.load import load
from pbgraph.datasets.tox21 import TOX21
from pbgraph.features.stored import featurised
from pbgraph.features.graphs import GRAPH
start = process_time()
featurised(GRAPH, load(TOX21))
print(process_time() - start)
"""


def measure(repeats: int) -> Sequence[Result]:
    return [
        _against_chemprop(repeats),
        _second_start(repeats),
        _two_processes(repeats),
        *_descriptors(min(repeats, MOST_OF_DESCRIPTORS)),
    ]


def _against_chemprop(repeats: int) -> Result:
    if find_spec("chemprop") is None:
        return Skipped(AGAINST, "chemprop is not installed: pip install --group parity")
    from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer
    from chemprop.utils import make_mol

    smiles, y = molecules().smiles, molecules().y
    theirs = SimpleMoleculeMolGraphFeaturizer()
    variants: dict[str, Callable[[], object]] = {
        "ours": partial(GRAPH.featurise, smiles, y),
        "peer": lambda: [theirs(make_mol(text, keep_h=False, add_h=False)) for text in smiles],
        "copy": partial(GRAPH.featurise, smiles, y),
    }
    return row_of(AGAINST, in_turn(variants, repeats), "ours", "peer", target=0.35)


def _second_start(repeats: int) -> Result:
    start = [sys.executable, "-c", START]
    seconds = [float(subprocess.run(start, capture_output=True, check=True).stdout) for _ in range(repeats + 1)][1:]
    return Row("Tox21 from file and cache to a store, CPU seconds", median(seconds), "s", 0.2)


def _two_processes(repeats: int) -> Result:
    smiles = molecules().smiles
    variants = {
        "one": partial(graphs.codes, smiles, processes=1),
        "two": partial(graphs.codes, smiles, processes=2),
        "copy": partial(graphs.codes, smiles, processes=1),
    }
    times = in_turn(variants, repeats, perf_counter)
    return Row(
        "featurisation on two processes / on one, molecules per second",
        timing.ratio(times, "one", "two"),
        "×",
        1.8,
        at_least=True,
        ours=len(smiles) / median(times["two"]),
        peer=len(smiles) / median(times["one"]),
        figures="/s",
        control=timing.ratio(times, "copy", "one"),
    )


def _descriptors(repeats: int) -> Sequence[Row]:
    """Of every twentieth molecule, against RDKit's CalcMolDescriptors; each side reads the SMILES anew."""
    from rdkit.Chem import Descriptors

    smiles = molecules().smiles[::20]

    def ours() -> object:
        return [descriptor_values(molecule) for molecule in parsed(smiles)]

    def theirs() -> object:
        return [Descriptors.CalcMolDescriptors(molecule) for molecule in parsed(smiles)]  # type: ignore[no-untyped-call]

    ours()  # what is known of kinds of atoms grows with the molecules that were seen
    times = in_turn({"ours": ours, "peer": theirs, "copy": ours}, repeats)
    seconds = median(times["ours"]) / len(smiles) * len(molecules())
    return [
        row_of("descriptors / RDKit's CalcMolDescriptors", times, "ours", "peer", target=0.33),
        Row("descriptors of all of Tox21 on one core, from every twentieth molecule, CPU seconds", seconds, "s", 15),
    ]


if __name__ == "__main__":
    timing.main(measure, __doc__)
