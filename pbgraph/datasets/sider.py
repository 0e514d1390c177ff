"""SIDER: side effects of marketed drugs by organ class, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset, OtherColumns

SIDER = Dataset(
    name="sider",
    version=1,
    file="sider.csv",
    sha256="71efc6ac4ca82d6545bc512509863281be0f17234afd7adaf71a71899988302e",
    urls=("https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/sider.csv.gz",),
    rows=1427,
    tasks=OtherColumns(27),
    smiles_column="smiles",
    id_column=None,
    metric="roc_auc",
    split="random",
    licence=(
        "none comes with the table; that of SIDER 4.1, to our knowledge CC BY-NC-SA 4.0, is on its site: read it "
        "before any use but research; DeepChem, which redistributes the table, states MIT for its repository"
    ),
    defects={
        "multi-fragment rows (salts, mixtures)": 182,
        "molecules without a bond": 31,
        "rows that share a parent with another row": 110,
        "cells measured more than once for one parent, with conflicting labels": 274,
    },
    source=(
        "Kuhn et al. 2016, doi:10.1093/nar/gkv1075; MoleculeNet, Wu et al. 2018, doi:10.1039/C7SC02664A; "
        "file of deepchem/deepchem"
    ),
)
"""SIDER as MoleculeNet distributes it: 1,427 drugs, 27 binary tasks, one per system organ class of MedDRA.

No cell is blank: 38,529 labels, 21,868 of them positive. Tasks differ widely: "Product issues" has 22 positives,
"Skin and subcutaneous tissue disorders" 1,318. MoleculeNet recommends a random split and ROC-AUC. Tasks are the columns
beside the structures; rows have no names and are known by their numbers.

Defects, with counts as in `SIDER.defects` (`pbgraph.datasets.audit` measures them):

- A 0 says that no side effect of the class was found in the drug's label, not that there is none.
- 182 rows have several fragments, 31 molecules have no bond (ions, metals), and one has 492 atoms.
- 110 rows share their parent with another row; of the 1,350 cells that are measured more than once for a parent,
  274 conflict.
- A random split often leaves "Product issues" with one class in the test rows: it is then left out of the mean.

Licence: see `SIDER.licence`. Cite Kuhn et al. and MoleculeNet.
"""
