"""Every conformance check accepts a sound architecture and rejects its mutant."""

from __future__ import annotations

import pytest

from mutants import MUTANTS, SOUND
from pbgraph.errors import UsageError
from pbgraph.testing import ARCHITECTURE_CHECKS, Check, CheckFailed, architecture_checks


@pytest.mark.parametrize("check", architecture_checks(SOUND), ids=str)
def test_sound_architecture_passes(check: Check) -> None:
    check()
    assert check.summary.endswith(".")


@pytest.mark.parametrize("name", list(ARCHITECTURE_CHECKS))
def test_mutant_is_rejected(name: str) -> None:
    (check,) = (check for check in architecture_checks(MUTANTS[name]) if check.name == name)
    with pytest.raises(CheckFailed):
        check()


def test_unknown_names_and_estimators_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'trimnet'"):
        architecture_checks("trimnt")
    with pytest.raises(UsageError, match="'random-forest' fits itself"):
        architecture_checks("random-forest")
