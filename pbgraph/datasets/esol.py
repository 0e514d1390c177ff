"""ESOL: water solubility of small molecules, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset

ESOL = Dataset(
    name="esol",
    version=1,
    file="delaney-processed.csv",
    sha256="8c06a76f0c6487d29ab0f903e6a7a7139f189ab3c1178f159c8be8964602f189",
    urls=("https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/delaney-processed.csv",),
    rows=1128,
    tasks=("measured log solubility in mols per litre",),
    smiles_column="smiles",
    id_column="Compound ID",
    metric="rmse",
    split="random",
    licence="supporting information of the paper; redistributors state CC0 (AttentiveFP) or MIT (DeepChem, chemprop)",
    defects={
        "molecules without a bond": 1,
        "rows whose structure another row has too": 22,
        "rows that share a parent with another row": 26,
        "cells measured more than once for one parent, with conflicting labels": 1,
    },
    source=(
        "Delaney 2004, doi:10.1021/ci034243x; MoleculeNet, Wu et al. 2018, doi:10.1039/C7SC02664A; "
        "file of OpenDrugAI/AttentiveFP"
    ),
)
"""ESOL as MoleculeNet distributes it: 1,128 compounds, one regression task.

Task: measured log10 of the solubility in water, in mol/l; -11.6 to 1.58, mean -3.05, standard deviation 2.10; no cell
is blank. The column "ESOL predicted log solubility" is the prediction of the paper's own model, never an input here.

Defects, with counts as in `ESOL.defects` (`pbgraph.datasets.audit` measures them):

- One molecule (methane) has no bond.
- 22 rows have the same structure as another row, by InChIKey; 26 share their parent (its first block) with another row.
  For 6 of these 13 parents the values differ, for one of them by more than a quarter of the standard deviation. A
  random split therefore leaks a few near-duplicates.

Licence: see `ESOL.licence`. Cite Delaney 2004 (doi:10.1021/ci034243x).
"""
