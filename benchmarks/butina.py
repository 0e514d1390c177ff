"""Processor seconds and memory of the Taylor-Butina clusters that split 'butina' is made of, on any table of SMILES.

    python benchmarks/butina.py ../shared/data/HIV.csv.gz --smiles smiles

Times fingerprints and clusters apart; peak memory is that of the whole process.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
from pathlib import Path

import numpy as np

from pbgraph.execution.memory import peak_bytes
from pbgraph.features.fingerprints import ECFP4
from pbgraph.splits.butina import taylor_butina
from pbgraph.structures.smiles import reasons


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--smiles", default="smiles", metavar="COL")
    args = parser.parse_args()
    reader = gzip.open if args.table.suffix == ".gz" else open
    with reader(args.table, "rt", encoding="utf-8") as file:
        cells = [row[args.smiles] for row in csv.DictReader(file)]
        smiles = [text for text, reason in zip(cells, reasons(cells), strict=True) if reason is None]
    started = time.process_time()
    bits = ECFP4.featurise(smiles, np.zeros((len(smiles), 1))).x
    made = time.process_time()
    before = peak_bytes()
    numbers = taylor_butina(bits)
    done = time.process_time()
    print(f"{len(smiles)} molecules, {len(np.unique(numbers))} clusters, the largest of {np.bincount(numbers).max()}")
    print(f"processor time: fingerprints {made - started:.1f} s, clusters {done - made:.1f} s")
    print(f"peak memory {before / 2**20:.0f} MiB before the clusters, {peak_bytes() / 2**20:.0f} MiB after")


if __name__ == "__main__":
    main()
