"""Tox21: twelve toxicity assays of the 2014 data challenge, in the MoleculeNet table."""

from __future__ import annotations

from pbgraph.datasets.base import Dataset

TOX21 = Dataset(
    name="tox21",
    version=1,
    file="tox21.csv",
    sha256="7d7e7facd853a63e79ddce4e9c3fcb7a0d83a1c300b603031c0f2c64fbe77761",
    urls=(
        "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/tox21.csv.gz",
        "https://raw.githubusercontent.com/yvquanli/TrimNet/147ca4d/trimnet_drug/data/raw/tox21.csv",
    ),
    rows=7831,
    tasks=(
        "NR-AR",
        "NR-AR-LBD",
        "NR-AhR",
        "NR-Aromatase",
        "NR-ER",
        "NR-ER-LBD",
        "NR-PPAR-gamma",
        "SR-ARE",
        "SR-ATAD5",
        "SR-HSE",
        "SR-MMP",
        "SR-p53",
    ),
    smiles_column="smiles",
    id_column="mol_id",
    metric="roc_auc",
    split="random",
    licence=(
        "labels of US government screening programmes (NIH/EPA/FDA); redistributors state CC0 (AttentiveFP) "
        "or MIT (TrimNet, DeepChem, chemprop)"
    ),
    defects={
        "rows that RDKit rejects from 2024.09 on ([AlH3] with six neighbours)": 8,
        "blank cells, not measured": 16_026,
        "multi-fragment rows (salts, mixtures)": 245,
        "molecules without a bond": 19,
        "rows that share a parent with another row": 600,
        "cells measured more than once for one parent, with conflicting labels": 134,
    },
    source=(
        "Tox21 data challenge, NCATS; MoleculeNet, Wu et al. 2018, doi:10.1039/C7SC02664A; "
        "file of yvquanli/TrimNet@147ca4d"
    ),
    lookalikes={8014: "the other Tox21 file in circulation, with 183 duplicate structures"},
)
"""Tox21 as MoleculeNet distributes it: 7,831 compounds, 12 binary tasks, about nuclear receptors and stress response.

Labels: 77,946 measured cells; 16,026 (17.05 %) are blank, that is not measured, never 0; no row is fully blank.

    task           labelled  active        task           labelled  active
    NR-AR              7265     309        NR-PPAR-gamma      6450     186
    NR-AR-LBD          6758     237        SR-ARE             5832     942
    NR-AhR             6549     768        SR-ATAD5           7072     264
    NR-Aromatase       5821     300        SR-HSE             6467     372
    NR-ER              6193     793        SR-MMP             5810     918
    NR-ER-LBD          6955     350        SR-p53             6774     423

Defects, with counts as in `TOX21.defects` (`pbgraph.datasets.audit` measures them):

- 8 rows hold ``[AlH3]`` with six neighbours. RDKit up to 2024.03 parses them; from 2024.09 on it rejects them, and
  7,823 are left.
- 245 rows have several fragments (salts, mixtures); 19 molecules have no bond.
- 600 rows share their parent (largest fragment, first InChIKey block) with another row; of the 2,527 cells that are
  measured more than once for a parent, 134 conflict. A random split therefore leaks near-duplicates.
- Canonical SMILES differ between RDKit releases for about 1 % of the rows: rows are known by `mol_id` alone.
- Another file of the same name has 8,014 rows (183 duplicate structures); its hash tells it apart.

Licence: see `TOX21.licence`. Cite NCATS and MoleculeNet (doi:10.1039/C7SC02664A).
"""
