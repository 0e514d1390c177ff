"""MUV: seventeen screens built to be hard for similarity search, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset, OtherColumns

MUV = Dataset(
    name="muv",
    version=1,
    file="muv.csv",
    sha256="4a164809c7e33a76d93a80198303f8ac353edbd2c8dccc0f5b44e8cd1c0ba3c7",
    urls=("https://raw.githubusercontent.com/chemprop/chemprop/b83635b/data/muv.csv",),
    rows=93087,
    tasks=OtherColumns(17),
    smiles_column="smiles",
    id_column=None,
    metric="average_precision",
    split="random",
    licence="labels of PubChem BioAssay, public domain; redistributors state MIT (DeepChem, chemprop)",
    defects={
        "blank cells, not measured": 1_332_593,
        "rows that share a parent with another row": 124,
    },
    source=(
        "Rohrer & Baumann 2009, doi:10.1021/ci8002649; MoleculeNet, Wu et al. 2018, doi:10.1039/C7SC02664A; "
        "file of chemprop/chemprop@b83635b"
    ),
    lookalikes={93087: "another file with as many rows, maybe DeepChem's, which has its columns in another order"},
)
"""MUV as chemprop distributes MoleculeNet's table: 93,087 compounds, 17 binary tasks.

249,886 measured cells, 489 of them active; 84.21 % are blank, that is not measured, never 0. Each task has about 14,700
labels and 24 to 30 actives. MoleculeNet recommends a random split and PRC-AUC, which `average_precision` is. Tasks are
the columns beside the structures; rows have no names and are known by their numbers.

Defects, with counts as in `MUV.defects` (`pbgraph.datasets.audit` measures them):

- Three actives of a task are in the test rows of a random split, on average: scores of single splits say next to
  nothing, and a task may have none, so that it is left out of the mean.
- 124 rows share their parent with another row; none of the 39 cells that are measured more than once for a parent
  conflicts. Salts were stripped by the authors.
- Decoys are inactive by primary screens alone, and actives were chosen to be unlike each other.

DeepChem's public file has its structures in the last column, as torch-geometric reads it: its hash is another one.

Licence: see `MUV.licence`. Cite Rohrer & Baumann and MoleculeNet.
"""
