"""BBBP: which compounds pass the blood-brain barrier, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset

BBBP = Dataset(
    name="bbbp",
    version=1,
    file="BBBP.csv",
    sha256="34c10e0f0b15dbc178c3ce4ad9774decc6a202776a31763f5a899309c97497ee",
    urls=("https://raw.githubusercontent.com/yvquanli/TrimNet/147ca4d/trimnet_drug/data/raw/bbbp.csv",),
    rows=2050,
    tasks=("BBBP",),
    smiles_column="smiles",
    id_column=None,
    metric="roc_auc",
    split="scaffold",
    licence="none stated by the authors; redistributors state MIT (TrimNet, DeepChem)",
    defects={
        "rows that RDKit rejects (nitrogen with four bonds and no charge)": 11,
        "multi-fragment rows (salts, mixtures)": 105,
        "rows whose structure another row has too": 132,
        "rows that share a parent with another row": 192,
        "cells measured more than once for one parent, with conflicting labels": 15,
    },
    source=(
        "Martins et al. 2012, doi:10.1021/ci300124c; MoleculeNet, Wu et al. 2018, doi:10.1039/C7SC02664A; "
        "file of yvquanli/TrimNet@147ca4d"
    ),
    lookalikes={2050: "another file with as many rows, maybe DeepChem's, whose label column is called p_np"},
)
"""BBBP as TrimNet's authors distribute it: 2,050 compounds, 1 binary task; 1,567 pass the barrier, no cell is blank.

MoleculeNet recommends a scaffold split and ROC-AUC. Rows have no names: they are known by their numbers.

Defects, with counts as in `BBBP.defects` (`pbgraph.datasets.audit` measures them, of the 2,039 accepted rows):

- 11 rows hold a nitrogen with four bonds and no charge; RDKit rejects them.
- 132 rows have the same structure as another row, by InChIKey, though no two SMILES are spelt alike; 192 share their
  parent with another row, and of the 91 cells that are measured more than once for a parent, 15 conflict.
- 105 rows have several fragments; counter-ions are often uncharged atoms such as ``[Cl]``.
- Three of four labels are positive, and stereochemistry is given in part.

DeepChem's public file has a column of names and calls the label p_np: its hash is another one.

Licence: see `BBBP.licence`. Cite Martins et al. and MoleculeNet.
"""
