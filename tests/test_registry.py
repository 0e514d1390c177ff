from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from pbgraph import registry
from pbgraph.errors import PbgraphError, UsageError
from pbgraph.registry import Registry


@dataclass
class _Package:
    name: str


def _entries(monkeypatch, *named_values):
    found = []
    for package, name, value in named_values:
        entry = EntryPoint(name, value, "pbgraph.things")
        vars(entry).update(dist=_Package(package))
        found.append(entry)
    monkeypatch.setattr(registry, "entry_points", lambda group: found)
    return Registry("thing", "pbgraph.things", (str, float))


def test_values_are_loaded_by_name(monkeypatch):
    things = _entries(monkeypatch, ("a", "pi", "math:pi"), ("a", "sep", "os:sep"))
    assert list(things) == ["pi", "sep"]
    assert things.get("pi") == pytest.approx(3.14159, abs=1e-5)
    assert "pi" in things
    assert "tau" not in things


def test_misspelt_name_is_met_with_the_nearest(monkeypatch):
    things = _entries(monkeypatch, ("a", "trimnet", "os:sep"), ("a", "gin", "os:sep"))
    with pytest.raises(UsageError, match=r"unknown thing 'trimmet'; did you mean 'trimnet'\? \(known: gin, trimnet\)"):
        things.get("trimmet")


def test_collision_names_both_packages(monkeypatch):
    things = _entries(monkeypatch, ("first", "pi", "math:pi"), ("second", "pi", "cmath:pi"))
    with pytest.raises(UsageError, match=r"first \(math:pi\) and second \(cmath:pi\)"):
        things.get("pi")


def test_broken_entry_is_named_and_breaks_nothing_else(monkeypatch):
    things = _entries(monkeypatch, ("bad", "broken", "no_such_module:x"), ("good", "pi", "math:pi"))
    assert things.names() == ["broken", "pi"]
    with pytest.raises(PbgraphError, match="'broken' of package bad"):
        things.get("broken")
    assert things.get("pi") > 3


def test_entry_of_wrong_type_is_refused(monkeypatch):
    things = _entries(monkeypatch, ("a", "sqrt", "math:sqrt"))
    with pytest.raises(PbgraphError, match="is a builtin_function_or_method"):
        things.get("sqrt")


def test_uninstalled_package_is_explained(monkeypatch):
    things = _entries(monkeypatch)
    with pytest.raises(PbgraphError, match="not installed"):
        things.get("pi")
