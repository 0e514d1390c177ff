"""A result of another tool beside those of pbgraph, here one forest of scikit-learn for each target of Tox21.

    python -m pbgraph.bench splits tox21 --seeds 68-70 --write splits
    python examples/another_tool.py splits/*/
    python -m pbgraph.bench score tox21 splits/*/predictions.csv --name "forest on MACCS keys" --seeds 68-70
    python -m pbgraph.bench compare tox21 "forest on MACCS keys/external" trimnet/backprop

The tool needs nothing of pbgraph: it reads train.csv, and the structures of test.csv, and writes names and numbers.
examples/chemprop.md does the same with chemprop's own command line.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import rdMolDescriptors
from sklearn.ensemble import RandomForestClassifier

NAME, STRUCTURE = "mol_id", "smiles"  # columns; all others are targets


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a part of a split."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def keys(rows: list[dict[str, str]]) -> np.ndarray:
    """MACCS keys of the structures, (n, 167)."""
    RDLogger.DisableLog("rdApp.*")
    molecules = (Chem.MolFromSmiles(row[STRUCTURE]) for row in rows)
    return np.array([list(rdMolDescriptors.GetMACCSKeysFingerprint(molecule)) for molecule in molecules])


def predict(folder: Path, trees: int = 100) -> Path:
    """Fit a forest for each target on train.csv, and write what they predict for test.csv to predictions.csv."""
    train, test = rows_of(folder / "train.csv"), rows_of(folder / "test.csv")
    targets = [name for name in train[0] if name not in (NAME, STRUCTURE)]
    of_train, of_test = keys(train), keys(test)
    columns = []
    for target in targets:
        measured = np.array([row[target] != "" for row in train])
        labels = [row[target] for row in train if row[target] != ""]
        forest = RandomForestClassifier(trees, random_state=0).fit(of_train[measured], labels)
        columns.append(forest.predict_proba(of_test)[:, list(forest.classes_).index("1")])
    path = folder / "predictions.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow([NAME, *targets])
        out.writerows([row[NAME], *numbers] for row, numbers in zip(test, np.stack(columns, axis=1), strict=True))
    return path


if __name__ == "__main__":
    for word in sys.argv[1:]:
        print(predict(Path(word)))
