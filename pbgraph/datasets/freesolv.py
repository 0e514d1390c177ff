"""FreeSolv: free energies of hydration of small molecules, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset

FREESOLV = Dataset(
    name="freesolv",
    version=1,
    file="SAMPL.csv",
    sha256="ab5895d914ee87cb563bd7b9611e869527bba45bec6b014d34dc495a0f9dcb72",
    urls=("https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/SAMPL.csv",),
    rows=642,
    tasks=("expt",),
    smiles_column="smiles",
    id_column="iupac",
    metric="rmse",
    split="random",
    licence=(
        "none comes with the table; that of FreeSolv, to our knowledge CC BY-NC-SA 4.0, is in its repository: read it "
        "before any use but research; redistributors state MIT (DeepChem) or CC0 (AttentiveFP) for their repositories"
    ),
    defects={
        "molecules without a bond": 3,
        "rows that share a parent with another row": 6,
    },
    source=(
        "Mobley & Guthrie 2014, doi:10.1007/s10822-014-9747-x; MoleculeNet, Wu et al. 2018, doi:10.1039/C7SC02664A; "
        "file of OpenDrugAI/AttentiveFP"
    ),
)
"""FreeSolv as MoleculeNet distributes it: 642 compounds, one regression task.

Task `expt`: measured free energy of hydration, in kcal/mol; -25.47 to 3.43, mean -3.80, standard deviation 3.84; no
cell is blank. The column `calc` is the result of molecular dynamics, never an input here. MoleculeNet recommends a
random split and RMSE.

Defects, with counts as in `FREESOLV.defects` (`pbgraph.datasets.audit` measures them):

- 3 molecules have no bond.
- 6 rows share their parent with another row, as stereoisomers do; their values agree within a quarter of the standard
  deviation.
- 64 molecules are a test set of a random split: scores vary widely with the seed, and a few outliers decide them.

Licence: see `FREESOLV.licence`. Cite Mobley & Guthrie and MoleculeNet.
"""
