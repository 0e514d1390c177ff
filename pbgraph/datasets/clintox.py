"""ClinTox: drugs that were approved and drugs that failed clinical trials for toxicity, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset

CLINTOX = Dataset(
    name="clintox",
    version=1,
    file="clintox.csv",
    sha256="9999816e760dd838358b5d88e81cea2fc062be4458ffa412ceecdba4f88a67b6",
    urls=(
        "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/clintox.csv.gz",
        "https://raw.githubusercontent.com/yvquanli/TrimNet/147ca4d/trimnet_drug/data/raw/clintox.csv",
    ),
    rows=1484,
    tasks=("FDA_APPROVED", "CT_TOX"),
    smiles_column="smiles",
    id_column=None,
    metric="roc_auc",
    split="random",
    licence="none stated by the authors; redistributors state MIT (TrimNet, DeepChem)",
    defects={
        "rows that RDKit rejects": 4,
        "multi-fragment rows (salts, mixtures)": 14,
        "molecules without a bond": 1,
        "rows whose structure another row has too": 46,
        "rows that share a parent with another row": 163,
        "cells measured more than once for one parent, with conflicting labels": 100,
        "rows where the two labels are not each other's opposite": 18,
    },
    source=(
        "Gayvert et al. 2016, doi:10.1016/j.chembiol.2016.07.023; MoleculeNet, Wu et al. 2018, doi:10.1039/C7SC02664A; "
        "file of yvquanli/TrimNet@147ca4d"
    ),
)
"""ClinTox as MoleculeNet distributes it: 1,484 drugs, 2 binary tasks; no cell is blank.

    task          labelled  active
    FDA_APPROVED      1484    1390
    CT_TOX            1484     112

MoleculeNet recommends a random split and ROC-AUC. Rows have no names: they are known by their numbers.

Defects, with counts as in `CLINTOX.defects` (`pbgraph.datasets.audit` measures them, of the 1,480 accepted rows):

- RDKit rejects 4 rows: an ammine complex of platinum, and rings that cannot be kekulised.
- The tasks are one question asked twice: all but 18 rows are either approved and not toxic, or the reverse.
- 163 rows share their parent with another row. Of the 154 cells that are measured more than once for a parent, 100
  conflict: the same drug is listed as approved, often in its charged form, and as failed.
- 94 rows are not approved: a test set of a tenth of the rows has about ten of them, so scores vary widely
  with the seed.

Licence: see `CLINTOX.licence`. Cite Gayvert et al. and MoleculeNet.
"""
