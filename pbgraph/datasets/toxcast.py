"""ToxCast: hundreds of in-vitro assays of the US EPA, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset, OtherColumns

TOXCAST = Dataset(
    name="toxcast",
    version=1,
    file="toxcast_data.csv",
    sha256="7cf85e17a8fbeea03297d4f5e3e9df164f19e8a49bb57e955065c28af3306b7a",
    urls=(
        "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/toxcast_data.csv.gz",
        "https://raw.githubusercontent.com/chemprop/chemprop/b83635b/data/toxcast.csv",
    ),
    rows=8576,
    tasks=OtherColumns(617),
    smiles_column="smiles",
    id_column=None,
    metric="roc_auc",
    split="random",
    licence="labels of the US EPA, public domain; redistributors state MIT (DeepChem, chemprop)",
    defects={
        "blank cells, not measured": 3_757_732,
        "multi-fragment rows (salts, mixtures)": 1_734,
        "molecules without a bond": 11,
        "rows that share a parent with another row": 1_093,
        "cells measured more than once for one parent, with conflicting labels": 4_181,
    },
    source=(
        "Richard et al. 2016, doi:10.1021/acs.chemrestox.6b00135; MoleculeNet, Wu et al. 2018, "
        "doi:10.1039/C7SC02664A; file of chemprop/chemprop@b83635b"
    ),
    lookalikes={8597: "the larger ToxCast file in circulation, with 21 rows more"},
)
"""ToxCast as chemprop distributes MoleculeNet's table: 8,576 compounds, 617 binary tasks.

1,533,660 measured cells, 126,651 of them active; 71.02 % are blank, that is not measured, never 0. A task has between
50 and 7,931 labels (median 1,439) and between 19 and 1,761 actives (median 110). Tasks are the columns beside the
structures; rows have no names and are known by their numbers. MoleculeNet recommends a random split and ROC-AUC.

Defects, with counts as in `TOXCAST.defects` (`pbgraph.datasets.audit` measures them):

- 1,734 rows have several fragments (salts, mixtures); 11 molecules have no bond.
- 1,093 rows share their parent with another row; of the 57,109 cells that are measured more than once for a parent,
  4,181 conflict.
- Some tasks have one class only among the validation or test rows: they are left out of the mean, and counted.
- Tasks are far from independent: one assay gives several columns, for directions and times.

Another file of the same name has 8,597 rows, as torch-geometric documents it; its hash tells it apart.

Licence: see `TOXCAST.licence`. Cite Richard et al. and MoleculeNet.
"""
