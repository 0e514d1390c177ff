"""A text is a structure only if RDKit reads what is written, all of it."""

from __future__ import annotations

import random
import subprocess
import sys
from string import printable

import numpy as np
import pytest
from rdkit import Chem, rdBase

from pbgraph.features.base import FEATURISERS
from pbgraph.structures.smiles import MAX_ATOMS, MAX_CHARACTERS, PLAIN, examined, reasons, refusals, unmapped


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CC(=O)О", "character 7 is 'О' (U+041E CYRILLIC CAPITAL LETTER O)"),
        ("ОCC", "character 1 is 'О'"),
        ("C\u2212C", "(U+2212 MINUS SIGN)"),
        ("CC\u200b", "(U+200B ZERO WIDTH SPACE)"),
        ("\ufeffCC", "(U+FEFF ZERO WIDTH NO-BREAK SPACE)"),
        ("\xa0CC", "(U+00A0 NO-BREAK SPACE)"),
        ("CC\x01", "character 3 is U+0001"),
        ("C\0C", "character 2 is U+0000"),
        ("CC\x1b[31m", "character 3 is U+001B"),
        ("CC |^1:0|", "text after the SMILES: '|^1:0|'"),
        ("CC\tethane", "text after the SMILES: 'ethane'"),
        ("CC\nC", "text after the SMILES: 'C'"),
        ("CC>>CO", "not a valid SMILES"),
        ("CC>O>CO", "not a valid SMILES"),
        ("{}", "not a valid SMILES"),
        ("C{}", "not a valid SMILES"),
        ("C}", "not a valid SMILES"),
        ("CC|", "not a valid SMILES"),
        ("[C,N]", "not a valid SMILES"),
        ("C~C", "a pattern, not a SMILES"),
        ("CCCCc1cc~c(Cl)cc1", "a pattern, not a SMILES"),
        ("[#119]", "RDKit cannot use it: Atomic number not found"),
        ("CN([#119])C", "RDKit cannot use it: Atomic number not found"),
        ("", "blank SMILES"),
        (" \t", "blank SMILES"),
        ("CN(C)(C)(C)C", "valence"),
    ],
)
def test_what_is_not_a_smiles_is_refused_with_its_cause(text, words):
    (reason,) = reasons([text])
    assert words in reason
    assert examined([text, "OCC"]) == [(reason, ""), (None, "CCO")]


@pytest.mark.parametrize(
    "text", ["CCO", " CCO\r\n", "C*", "[2H]C", "[NH3]->[Fe]", "C%(100)CC%(100)", "[Na+].[Cl-]", "C/C=C/C"]
)
def test_what_is_one_is_read_as_rdkit_reads_it(text):
    (found,) = examined([text])
    assert found == (None, Chem.CanonSmiles(text.strip()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("C" * MAX_ATOMS, None),
        ("C" * (MAX_ATOMS + 1), f"{MAX_ATOMS + 1} atoms, more than the {MAX_ATOMS}"),
        ("*" * (MAX_ATOMS + 1), f"{MAX_ATOMS + 1} atoms"),
        (".".join(["[2H]"] * (MAX_ATOMS + 1)), f"{MAX_ATOMS + 1} atoms"),
        ("C" * (MAX_CHARACTERS + 1), f"{MAX_CHARACTERS + 1} characters, more than the {MAX_CHARACTERS}"),
        ("(" * (MAX_CHARACTERS + 1), f"{MAX_CHARACTERS + 1} characters"),
        ("[Fe]" + "([Fe])" * 17, "an atom with 17 bonds"),
    ],
)
def test_limits_bind(text, words):
    ((reason, _),) = examined([text])
    assert (reason is None) if words is None else reason.startswith(words)
    assert refusals([text]) == [reason]


def complete(atoms: int) -> str:
    """Every dummy atom is bound to every other."""
    rings = {(i, j): f"%({100 + i * atoms + j})" for i in range(atoms) for j in range(i + 2, atoms)}
    return "".join("*" + "".join(ring for pair, ring in rings.items() if i in pair) for i in range(atoms))


def test_a_net_of_bonds_is_refused_since_its_paths_take_hours():
    (few, _), (many, _) = examined([complete(5), complete(12)])
    assert few is None
    assert many == "66 bonds between 12 atoms, more than the 2 per atom that a molecule may have here"


PIECES = ("[*]", "[#6]", "[A]", "[R]", "[X1]", "[QH]", "[r5]", "[M]", "->", "$", "~", "~", "~", "C", "N", "F")


def test_patterns_are_looked_for_in_all_texts_that_make_some():
    rng, found = random.Random(0), [0, 0]
    texts = ["c1ccccc1C(=O)N[C@H](C)/C=C/Cl", "CC(C)(C)[N+](=O)[O-]", "[NH3]->[Fe]", "C%10CC%10"]
    with rdBase.BlockLogs():
        for _ in range(20_000):
            letters = list(rng.choice(texts))
            for _ in range(rng.randint(1, 2)):
                new = rng.choice(PIECES) if rng.random() < 0.5 else rng.choice(printable[:94])
                letters.insert(rng.randrange(len(letters) + 1), new)
            molecule = Chem.MolFromSmiles(text := "".join(letters))
            if molecule is not None and not set(text) & set(" \t|"):
                pattern = any(one.HasQuery() for one in [*molecule.GetAtoms(), *molecule.GetBonds()])
                found[pattern] += 1  # how many are none, how many are one
                assert not (pattern and PLAIN.fullmatch(text)), text
    assert min(found) > 100


MAPPED, TWIN, BARE = "[CH3:1][c:2]1[cH:3]cccc1", "[cH:9]1cccc[c:4]1[CH3:7]", "Cc1ccccc1"


def test_map_numbers_are_notes():
    assert unmapped("[CH3:12][*:1].[13CH4:0]C:C") == "[CH3][*].[13CH4]C:C"
    assert {name for _, name in examined([MAPPED, TWIN, BARE])} == {BARE}
    assert examined(["[13CH4:1]"])[0][1] == "[13CH4]"  # an isotope is none


def test_map_numbers_do_not_make_centres_of_chirality():
    (mapped,), (plain,) = examined(["[CH3:1][C@H]([CH3:2])O"]), examined(["C[C@H](C)O"])
    assert mapped == plain == (None, "CC(C)O")
    y = np.zeros((1, 1), dtype=np.float32)
    for name in FEATURISERS:
        featuriser = FEATURISERS.get(name)
        with_maps, without = (featuriser.featurise([s], y).arrays() for s in ("[CH3:1][C@H]([CH3:2])O", "C[C@H](C)O"))
        for key, array in without.items():
            np.testing.assert_array_equal(with_maps[key], array, err_msg=name)


@pytest.mark.lengthy
def test_nothing_is_written_to_stderr():
    code = (
        "import os; from rdkit import rdBase; from pbgraph.structures.smiles import examined, reasons\n"
        "texts = ['C1CC', '[#119]', 'c1ccc', 'CN(C)(C)(C)C', 'C/C=C(/F)/C', '[C@TH9](F)(Cl)(Br)I', 'C%', 'CC\u0421']\n"
        "examined(texts), reasons(texts); os.write(2, b'afterwards')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=600)
    assert done.stderr == b"afterwards"
