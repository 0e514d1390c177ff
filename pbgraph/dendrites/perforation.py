"""Perforation: finding the sites of a network and wrapping them, in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from pbgraph.dendrites.copies import fresh_copy
from pbgraph.dendrites.discovery import Findings, LayerNormed, SiteReport, describe, discover, no_site
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.grouping import Trace, output_on, same_output, trace
from pbgraph.dendrites.outputs import neuron_axis
from pbgraph.dendrites.sites import PerforatedSite
from pbgraph.streams import seeded

REPORT = "dendrite_report"


def perforate(
    model: nn.Module, sites: Sequence[str] | None = None, *, example: Sequence[Any] | None = None
) -> nn.Module:
    """Make sub-modules of `model` sites of dendrites, in place; until some grow, the model computes what it did.

    sites    names as in ``model.named_modules()``; ``*`` stands for any part of a name between two dots. None: they
             are found, as `pbgraph.dendrites.discovery` says, and `report_of(model)` tells what is a site and what
             is none, and why
    example  positional arguments for one call of the model, by which more is found: normalisations that follow a
             layer in code, and what is never called; the call is in evaluation mode, without gradients
    Returns the model. A module that the network holds under several names becomes one site, under the first of them.
    A layer and its normalisations that become one site are together under the layer's name; an Identity is left in
    the place of each normalisation.
    Raises SiteError, naming the site, if a pattern matches nothing, sites lie within each other, a site has no
    parameters or some that cannot be drawn anew, or nothing can be a site; the model is then as it was.

    >>> model = perforate(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)))
    >>> sorted(sites_of(model))
    ['0', '2']
    """
    if sites is None:
        found = discover(model, check_site, matching_names)
        _with_norms(model, found, example)
        if not found.sites and not sites_of(model):
            raise no_site(found.others)
        chosen = {name: model.get_submodule(name) for name in found.sites}
        others = found.others
    else:
        chosen = {name: model.get_submodule(name) for name in matching_names(model, sites)}
        for name, module in chosen.items():
            _check_owners(model, name)
            check_site(name, module)
        others = _left_out(model, chosen)
    for name, module in chosen.items():
        replace_module(model, module, PerforatedSite(module, name))
    reported = SiteReport({name: describe(site.parent) for name, site in sites_of(model).items()}, others)
    object.__setattr__(model, REPORT, reported)
    return model


def report_of(model: nn.Module) -> SiteReport:
    """What `perforate` found in `model`; raises SiteError for one that it has not seen."""
    if (found := getattr(model, REPORT, None)) is None:
        raise SiteError("the model has no report of sites: call perforate(model) first")
    assert isinstance(found, SiteReport)
    return found


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


def _check_owners(model: nn.Module, name: str) -> None:
    """Raises SiteError for a part of a module that reads its parts' weights and would pass dendrites over."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        owner = ".".join(parts[:end])
        if isinstance(model.get_submodule(owner), (nn.MultiheadAttention, nn.TransformerEncoderLayer)):
            kind = type(model.get_submodule(owner)).__name__
            raise SiteError(f"site {name!r} lies within {owner} ({kind}), which does not call its parts: name {owner}")


def _with_norms(model: nn.Module, found: Findings, example: Sequence[Any] | None) -> None:
    """Make each layer and its normalisations one module; with an example, leave out what it shows to be no site."""
    seen = Trace() if example is None else trace(model, found.sites, example)
    for name, reason in seen.others.items():
        del found.sites[name]
        found.others[name] = reason
    groups = {name: norms for name, norms in found.groups.items() if name in found.sites}
    for name, norm in seen.norms.items():
        if name not in groups:
            groups[name] = [norm]
    for name, norms in groups.items():
        obstacle = _group(model, name, norms, example)
        found.others.update(dict.fromkeys(norms, obstacle or f"part of site {name}"))


def _group(model: nn.Module, name: str, norms: Sequence[str], example: Sequence[Any] | None) -> str | None:
    """Make a layer and the normalisations after it one module; returns why that cannot be, or None if it is done."""
    layer, parts = model.get_submodule(name), [model.get_submodule(norm) for norm in norms]
    grouped = LayerNormed(layer, parts)
    try:
        check_site(name, grouped)
    except SiteError as error:
        return str(error)
    before = None if example is None else output_on(model, example)
    swaps = [*((part, nn.Identity()) for part in parts), (layer, grouped)]
    for old, new in swaps:
        replace_module(model, old, new)
    if example is not None and not same_output(output_on(model, example), before):
        for old, new in reversed(swaps):
            replace_module(model, new, old)
        return f"something else depends on what {name} returns, so they cannot be one site"
    return None


def _left_out(model: nn.Module, chosen: Mapping[str, nn.Module]) -> dict[str, str]:
    """What is no site because it was not named, and what could not have been one."""
    found = discover(model, check_site, matching_names)
    others = found.others | dict.fromkeys(found.sites, "not named in sites")
    inside = tuple(f"{name}." for name in chosen)
    return {name: reason for name, reason in others.items() if name not in chosen and not name.startswith(inside)}


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
        neuron_axis(module)
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


def replace_module(model: nn.Module, module: nn.Module, other: nn.Module) -> None:
    """Put another module wherever the network holds this one."""
    for owner in list(model.modules()):
        if owner is other:
            continue
        for name, child in owner._modules.items():  # named_children() would show a module once
            if child is module:
                owner._modules[name] = other
