"""Lipophilicity: distribution between octanol and water at pH 7.4, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset

LIPOPHILICITY = Dataset(
    name="lipophilicity",
    version=1,
    file="Lipophilicity.csv",
    sha256="aed41590cb30609d51d8e08ad3ff06495a76e80e211358801f596b10da69bacd",
    urls=("https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/Lipophilicity.csv",),
    rows=4200,
    tasks=("exp",),
    smiles_column="smiles",
    id_column="CMPD_CHEMBLID",
    metric="rmse",
    split="random",
    licence=(
        "none comes with the table; that of ChEMBL, to our knowledge CC BY-SA 3.0, is on its site; redistributors "
        "state MIT (DeepChem) or CC0 (AttentiveFP) for their repositories"
    ),
    defects={
        "multi-fragment rows (salts, mixtures)": 1,
        "rows that share a parent with another row": 180,
        "cells measured more than once for one parent, with conflicting labels": 11,
    },
    source=(
        "AstraZeneca in ChEMBL, doi:10.6019/CHEMBL3301361; MoleculeNet, Wu et al. 2018, doi:10.1039/C7SC02664A; "
        "public file of DeepChem"
    ),
)
"""Lipophilicity as MoleculeNet distributes it: 4,200 compounds, one regression task.

Task `exp`: measured log10 of the distribution coefficient between octanol and water at pH 7.4; -1.5 to 4.5, mean 2.19,
standard deviation 1.20; no cell is blank. MoleculeNet recommends a random split and RMSE.

Defects, with counts as in `LIPOPHILICITY.defects` (`pbgraph.datasets.audit` measures them):

- 180 rows share their parent with another row, as stereoisomers do. Of the 82 cells that are measured more than once
  for a parent, 11 conflict: two values are more than a quarter of the standard deviation apart, 0.3 log units.
- One row has two fragments.
- Values end at -1.5 and 4.5, the limits of the assay.

Licence: see `LIPOPHILICITY.licence`. Cite ChEMBL and MoleculeNet.
"""
