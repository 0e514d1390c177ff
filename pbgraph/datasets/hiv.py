"""HIV: the AIDS antiviral screen of the US National Cancer Institute, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset

HIV = Dataset(
    name="hiv",
    version=1,
    file="HIV.csv",
    sha256="9ffa7fe57dc86c342627ee1d5255e937e2ab812393c73c4d16c697022f6e1d22",
    urls=("https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/HIV.csv",),
    rows=41127,
    tasks=("HIV_active",),
    smiles_column="smiles",
    id_column=None,
    metric="roc_auc",
    split="scaffold",
    licence="labels of the US National Cancer Institute, public domain; redistributors state MIT (DeepChem) or CC0",
    defects={
        "rows that RDKit rejects (metals with too many neighbours)": 7,
        "multi-fragment rows (salts, mixtures)": 3_087,
        "rows whose structure another row has too": 4,
        "rows that share a parent with another row": 345,
        "cells measured more than once for one parent, with conflicting labels": 19,
    },
    source=(
        "NCI DTP AIDS Antiviral Screen, 2004; MoleculeNet, Wu et al. 2018, doi:10.1039/C7SC02664A; "
        "public file of DeepChem"
    ),
)
"""HIV as MoleculeNet distributes it: 41,127 compounds, 1 binary task; 1,443 (3.5 %) are active, no cell is blank.

Active are the classes CA (confirmed, 404) and CM (moderate, 1,039) of the column `activity`, which is not read.
MoleculeNet recommends a scaffold split and ROC-AUC. Rows have no names: they are known by their numbers.

Defects, with counts as in `HIV.defects` (`pbgraph.datasets.audit` measures them, of the 41,120 accepted rows):

- RDKit rejects 7 rows: aluminium, boron and germanium with more neighbours than it allows.
- 3,087 rows have several fragments (3,086 of the accepted ones).
- 345 rows share their parent with another row; of the 164 cells that are measured more than once for a parent, 19
  conflict. Two pairs of rows have the same structure, spelt differently.
- Lines end in CR LF, and every second line is empty.

Licence: see `HIV.licence`. Cite the NCI and MoleculeNet.
"""
