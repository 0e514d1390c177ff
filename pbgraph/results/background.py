"""What a results folder holds beside its records, and what every table of these says as well."""

from __future__ import annotations

from dataclasses import dataclass

from pbgraph.results.folder import ResultsFolder
from pbgraph.results.registered import Registration, registrations
from pbgraph.results.tuning import Budget, budgets


@dataclass(frozen=True)
class Background:
    """By what it is said whether runs were declared beforehand, and how many settings of them were tried.

    registered  plans, the earliest first
    searched    searches by any recipe on any split
    """

    registered: tuple[Registration, ...] = ()
    searched: tuple[Budget, ...] = ()


NOTHING = Background()  # of records that are in no folder


def background_of(results: ResultsFolder) -> Background:
    """All of it; a file that cannot be read costs a warning."""
    return Background(tuple(registrations(results)), tuple(budgets(results.root)))
