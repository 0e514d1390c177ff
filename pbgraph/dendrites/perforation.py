"""Perforation: finding the sites of a network and wrapping them, in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from pbgraph.dendrites.copies import MakeModule, fresh_copy, module_of
from pbgraph.dendrites.discovery import Findings, LayerNormed, SiteReport, describe, discover, no_site
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.grouping import Trace, output_on, same_output, trace
from pbgraph.dendrites.outputs import neuron_axis
from pbgraph.dendrites.selection import Example, Wanted, makers_of, matches, matching_names, selected
from pbgraph.dendrites.sites import PerforatedSite
from pbgraph.streams import seeded

REPORT = "dendrite_report"

Check = Callable[[str, nn.Module], None]


def perforate(
    model: nn.Module,
    sites: Sequence[Wanted] | Wanted | None = None,
    *,
    example: Any = None,
    dendrites: MakeModule | Mapping[str, MakeModule] | None = None,
) -> nn.Module:
    """Make sub-modules of `model` sites of dendrites, in place; until some grow, the model computes what it did.

    sites    names as in ``model.named_modules()``, where ``*`` stands for any part of a name between two dots;
             classes, of which the outermost modules are meant; functions (name, module) -> bool. None: they are
             found, as `pbgraph.dendrites.discovery` says. `report_of(model)` tells what is a site and what is none,
             and why
    example  inputs for one call of the model, by which more is found: normalisations that follow a layer in code, and
             what is never called; the call is in evaluation mode, without gradients. A tensor, a tuple of inputs, a
             dict of named ones, or both as (tuple, dict); only used where sites are found
    dendrites  module of a site -> module of a new dendrite, with new weights and parent's inputs and output shape, in
             the place of a copy of the site: for all sites, or by name or pattern of the site. It is called for every
             candidate, and random numbers of torch that it draws are the candidate's
    Returns the model. A module that the network holds under several names becomes one site, under the first of them.
    A layer and its normalisations that become one site are together under the layer's name; an Identity is left in
    the place of each normalisation.
    Raises SiteError, naming the site, if a pattern matches nothing, sites lie within each other, a site has no
    parameters or some that cannot be drawn anew, or nothing can be a site; the model is then as it was.

    >>> model = perforate(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)))
    >>> sorted(sites_of(model))
    ['0', '2']
    """
    check = _checker(dendrites)
    if sites is None:
        found = discover(model, check, matching_names)
        _with_norms(model, found, None if example is None else Example.of(example), check)
        if not found.sites and not sites_of(model):
            raise no_site(found.others)
        chosen = {name: model.get_submodule(name) for name in found.sites}
        others = found.others
    else:
        names, unsuitable = selected(model, sites, check)
        chosen = {name: model.get_submodule(name) for name in names}
        others = _left_out(model, chosen) | unsuitable
    makers = makers_of(dendrites, chosen)
    for name, module in chosen.items():
        replace_module(model, module, PerforatedSite(module, name, makers[name]))
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


def _with_norms(model: nn.Module, found: Findings, example: Example | None, check: Check) -> None:
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
        obstacle = _group(model, name, norms, example=example, check=check)
        found.others.update(dict.fromkeys(norms, obstacle or f"part of site {name}"))


def _group(model: nn.Module, name: str, norms: Sequence[str], *, example: Example | None, check: Check) -> str | None:
    """Make a layer and the normalisations after it one module; returns why that cannot be, or None if it is done."""
    layer, parts = model.get_submodule(name), [model.get_submodule(norm) for norm in norms]
    grouped = LayerNormed(layer, parts)
    try:
        check(name, grouped)
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


def _checker(dendrites: MakeModule | Mapping[str, MakeModule] | None) -> Check:
    """`check_site` with what makes the dendrites of each site."""

    def check(name: str, module: nn.Module) -> None:
        by_pattern = dendrites if isinstance(dendrites, Mapping) else {}
        makers = [make for pattern, make in by_pattern.items() if matches(name, pattern)]
        check_site(name, module, makers[-1] if makers else None if isinstance(dendrites, Mapping) else dendrites)

    return check


def check_site(name: str, module: nn.Module, make: MakeModule | None = None) -> None:
    """Raises SiteError unless dendrites can be fresh copies of the module, or what `make` gives for it."""
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
            if make is None:
                fresh_copy(module)
            else:
                module_of(make, module)
    except SiteError as error:
        raise SiteError(f"site {name!r}: {error}") from None


def replace_module(model: nn.Module, module: nn.Module, other: nn.Module) -> None:
    """Put another module wherever the network holds this one."""
    for owner in list(model.modules()):
        if owner is other:
            continue
        for name, child in owner._modules.items():  # named_children() would show a module once
            if child is module:
                owner._modules[name] = other
