from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from pbgraph import registry
from pbgraph.errors import PbgraphError, UsageError
from pbgraph.registry import Namespace, Registry


@dataclass
class _Package:
    name: str


def _number(text):
    if not text.replace(".", "").isdecimal():
        raise UsageError(f"no number {text!r}")
    return float(text)


NUMBERS = Namespace(version=1, resolve=_number, source="made up")
NAMED = EntryPoint("renamed", "renamed:x", "any")


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
    with pytest.raises(PbgraphError, match="is a builtin_function_or_method; expected: str or float"):
        things.get("sqrt")


def test_entry_under_another_name_than_its_own_is_refused(monkeypatch):
    _entries(monkeypatch, ("a", "mine", "test_registry:NAMED"))
    with pytest.raises(PbgraphError, match="is named 'renamed' itself; register it under that name, or name it 'mine'"):
        Registry("thing", "pbgraph.things", EntryPoint).get("mine")


def test_a_namespace_makes_values_when_they_are_asked_for(monkeypatch):
    things = _entries(monkeypatch, ("a", "pi", "math:pi"), ("b", "num:*", "test_registry:NUMBERS"))
    assert (things.names(), things.namespaces(), things.packages("num:*")) == (["pi"], ["num:*"], ["b"])
    assert "num:2.5" in things
    assert "nom:2.5" not in things
    assert things.get("num:2.5") == 2.5
    assert things.get("num:2.5") is things.get("num:2.5")
    with pytest.raises(UsageError, match="no number 'x'"):
        things.get("num:x")
    with pytest.raises(UsageError, match=r"unknown thing 'nom:2.5'.*num:\*"):
        things.get("nom:2.5")


def test_all_that_can_be_loaded_is_had_beside_what_cannot(monkeypatch, caplog):
    things = _entries(monkeypatch, ("bad", "broken", "no_such_module:x"), ("good", "pi", "math:pi"))
    assert list(things.working()) == [things.get("pi")]
    assert "left out: thing 'broken' of package bad" in caplog.text


def test_uninstalled_package_is_explained(monkeypatch):
    things = _entries(monkeypatch)
    with pytest.raises(PbgraphError, match="not installed"):
        things.get("pi")
