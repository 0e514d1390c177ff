"""BACE: inhibitors of human beta-secretase 1, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset

BACE = Dataset(
    name="bace",
    version=1,
    file="bace.csv",
    sha256="f3fb9ce90bada3e2bd6148b0df13f8f8145a357bf87df0dd5b391ede974fc737",
    urls=("https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/bace.csv",),
    rows=1513,
    tasks=("Class",),
    smiles_column="mol",
    id_column="CID",
    metric="roc_auc",
    split="scaffold",
    licence="none stated by the authors; redistributors state MIT (DeepChem) or CC0 (AttentiveFP)",
    defects={
        "rows that share a parent with another row": 91,
        "cells measured more than once for one parent, with conflicting labels": 18,
        "rows labelled active in spite of a pIC50 below 7": 17,
        "columns that are neither structure, name nor label, among them pIC50, from which the label was made": 592,
    },
    source=(
        "Subramanian et al. 2016, doi:10.1021/acs.jcim.6b00290; MoleculeNet, Wu et al. 2018, doi:10.1039/C7SC02664A; "
        "public file of DeepChem"
    ),
)
"""BACE as MoleculeNet distributes it: 1,513 compounds, 1 binary task.

`Class`: 691 of 1,513 inhibit; no cell is blank. MoleculeNet recommends a scaffold split and ROC-AUC.

Defects, with counts as in `BACE.defects` (`pbgraph.datasets.audit` measures them):

- The file has 595 columns. pIC50 is the measured quantity behind the label, `Model` a split of the authors', and 590
  are descriptors and one more identifier. None of them is read: pIC50 would give the label away.
- All rows with a pIC50 of at least 7 are active, and so are 17 with less, down to 2.7.
- 91 rows share their parent with another row: stereoisomers and protonation states; 18 of the 44 cells that are
  measured more than once for a parent conflict, which stereochemistry may explain.
- Structures are written in their protonated forms, unlike those of other tables.

Licence: see `BACE.licence`. Cite Subramanian et al. and MoleculeNet.
"""
