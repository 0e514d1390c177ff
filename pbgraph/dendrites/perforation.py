"""Perforation: finding the sites of a network and wrapping them, in place."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from pbgraph.dendrites.copies import fresh_copy
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.sites import PerforatedSite
from pbgraph.streams import seeded


def perforate(model: nn.Module, sites: Sequence[str]) -> nn.Module:
    """Make sub-modules of `model` sites of dendrites, in place; until some grow, the model computes what it did.

    sites  names as in ``model.named_modules()``; ``*`` stands for any part of a name between two dots
    Returns the model. A module that the network holds under several names becomes one site, under the first of them.
    Raises SiteError, naming the site, if a pattern matches nothing, sites lie within each other, or a site has no
    parameters or some that cannot be drawn anew; the model is then as it was.

    >>> model = perforate(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), sites=["0", "2"])
    >>> sorted(sites_of(model))
    ['0', '2']
    """
    chosen = {name: model.get_submodule(name) for name in matching_names(model, sites)}
    for name, module in chosen.items():
        check_site(name, module)
    for name, module in chosen.items():
        _replace(model, module, PerforatedSite(module, name))
    return model


def sites_of(model: nn.Module) -> dict[str, PerforatedSite]:
    """The sites of a perforated model by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, PerforatedSite)}


def matching_names(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Names of the sub-modules that match a pattern, in the model's order.

    Raises SiteError if there is none for a pattern, or if one of them is a site or lies within another.
    """
    if isinstance(patterns, str):
        raise SiteError(f"sites is the string {patterns!r}; give a list of names: [{patterns!r}]")
    if not patterns:
        raise SiteError("no sites were named: a model without sites cannot grow dendrites")
    aliases = _aliases(model)
    found = set()
    for pattern in patterns:
        hits = [names[0] for names in aliases if any(_matches(name, pattern) for name in names)]
        if not hits:
            known = ", ".join(names[0] for names in aliases) or "none"
            raise SiteError(f"no sub-module matches site {pattern!r}; there are: {known}")
        found.update(hits)
    ordered = [names[0] for names in aliases if names[0] in found]
    for name in ordered:
        if within := [outer for outer in ordered if name.startswith(f"{outer}.")]:
            raise SiteError(f"site {name!r} lies within site {within[0]!r}: name one of them")
    return ordered


def check_site(name: str, module: nn.Module) -> None:
    """Raises SiteError unless dendrites can be fresh copies of the module."""
    if any(isinstance(part, PerforatedSite) for part in module.modules()):
        raise SiteError(f"{name!r} is a site already, or has one in it: perforate a model once, with all its sites")
    if not list(module.parameters()):
        raise SiteError(
            f"site {name!r} ({type(module).__name__}) has no parameters, so a dendrite of it could not learn: "
            "name the layer before it, or a module that holds both"
        )
    try:
        with seeded(0, "check"):
            fresh_copy(module)
    except SiteError as error:
        raise SiteError(f"site {name!r}: {error}") from None


def _aliases(model: nn.Module) -> list[list[str]]:
    """For each sub-module all its names; parts of a site are left out."""
    inside = [f"{name}." for name in sites_of(model)]
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if module is not model and not name.startswith(tuple(inside)):
            names.setdefault(module, []).append(name)
    return list(names.values())


def _matches(name: str, pattern: str) -> bool:
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _replace(model: nn.Module, module: nn.Module, site: PerforatedSite) -> None:
    """Put the site wherever the network holds the module."""
    for owner in list(model.modules()):
        for name, child in owner._modules.items():  # named_children() would show a module once
            if child is module:
                owner._modules[name] = site
