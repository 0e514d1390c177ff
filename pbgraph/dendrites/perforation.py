"""Perforation: finding the sites of a network and wrapping them, in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from pbgraph.dendrites.comparison import Comparison
from pbgraph.dendrites.copies import MakeModule, Reset, fresh_copy, module_of
from pbgraph.dendrites.discovery import Findings, LayerNormed, SiteReport, describe, discover, no_site
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.example import Example
from pbgraph.dendrites.grouping import Trace, trace
from pbgraph.dendrites.hooks import pass_hooks
from pbgraph.dendrites.outputs import neuron_axis, same_output
from pbgraph.dendrites.proxy import part_of, refuse_shadowed
from pbgraph.dendrites.selection import Dendrites, Wanted, check_patterns, maker_of, matching_names, selected
from pbgraph.dendrites.sites import PerforatedSite, Site, site_at
from pbgraph.errors import UsageError
from pbgraph.streams import seeded

REPORT = "dendrite_report"


def perforate(
    model: nn.Module,
    sites: Sequence[Wanted] | Wanted | None = None,
    *,
    example: Any = None,
    reset: Reset = None,
    dendrites: Dendrites = None,
) -> nn.Module:
    """Make sub-modules of `model` sites of dendrites, in place; until some grow, the model computes what it did.

    sites    names as in ``model.named_modules()``, where ``*`` stands for any part of a name between two dots;
             classes, of which the outermost modules are meant; functions (name, module) -> bool. None: they are
             found, as `pbgraph.dendrites.discovery` says. `report_of(model)` tells what is a site and what is none,
             and why
    example  the arguments for one call of the model: a tuple or list of positional ones, a dictionary of named ones,
             both as (tuple, dictionary); anything else is the only one. By it more is found: normalisations that follow
             a layer in code, and what is never called. The model's outputs are then compared, in evaluation and in
             training mode: as it was, with sites, and with a dendrite at each site whose w is 0
    reset    how a dendrite's weights are drawn where the layer has no reset_parameters(): a function that is called
             with the module that they are of, or "parent" for the layer's own values in a random order
    dendrites  module of a site -> module of a new dendrite, with new weights and the site's inputs and output shape,
             in the place of a copy of the site: for all sites, or by name or pattern of the site. It is called for
             every candidate, and random numbers of torch that it draws are the candidate's
    Returns the model. A module that the network holds under several names becomes one site, under the first of them.
    A layer and its normalisations that become one site are together under the layer's name; an Identity is left in
    the place of each normalisation.
    Raises SiteError, naming the site, if a pattern matches nothing, sites lie within each other, a site has no
    parameters or some that cannot be drawn anew, nothing can be a site, or the outputs on the example differ. After
    an error of any kind the model is as it was.

    >>> model = perforate(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)))
    >>> sorted(sites_of(model))
    ['0', '2']
    """

    def check(name: str, module: nn.Module) -> None:
        check_site(name, module, reset=reset, make=maker_of(dendrites, name))

    refuse_no_module(model)
    if example is not None and (lazy := [name for name, p in model.named_parameters() if is_lazy(p)]):
        raise SiteError(f"the model's {lazy[0]} has no shape yet: run one batch through it before it is perforated")
    with _all_or_nothing(model):
        known = None if example is None else Comparison(model, Example.of(example))
        chosen, others = _chosen(model, sites, check=check, known=known)
        check_patterns(dendrites, chosen)
        placed = {
            name: PerforatedSite(module, name, reset=reset, make=maker_of(dendrites, name))
            for name, module in chosen.items()
        }
        for name, module in placed.items():
            exchange(model, chosen[name], module)
        if known is not None:
            known.check(sites_of(model), partial(exchange, model))
    reported = SiteReport(
        {name: describe(site.parent) for name, site in sites_of(model).items()},
        others,
        {} if known is None else known.left_out,
    )
    object.__setattr__(model, REPORT, reported)
    return model


@contextmanager
def _all_or_nothing(model: nn.Module) -> Iterator[None]:
    """After an error in the block the model has the parts that it had before."""
    parts, known = [(module, dict(module._modules)) for module in model.modules()], set(sites_of(model).values())
    try:
        yield
    except BaseException:
        for site in set(sites_of(model).values()) - known:
            exchange(model, site.module, site.parent)
        for module, own in parts:
            module._modules.clear()
            module._modules.update(own)
        raise


def _chosen(
    model: nn.Module,
    sites: Sequence[Wanted] | Wanted | None,
    *,
    check: Callable[[str, nn.Module], None],
    known: Comparison | None,
) -> tuple[dict[str, nn.Module], dict[str, str]]:
    """(The modules that are to be sites, by name; what is none, and why)."""
    if sites is not None:
        names, unsuitable = selected(model, sites, check)
        chosen = {name: part_of(model, name) for name in names}
        return chosen, _left_out(model, chosen, check) | unsuitable
    findings = discover(model, check, matching_names)
    _with_norms(model, findings, example=None if known is None else known.example, check=check)
    if not findings.sites and not sites_of(model):
        raise no_site(model, findings.others)
    return {name: part_of(model, name) for name in findings.sites}, findings.others


def report_of(model: nn.Module) -> SiteReport:
    """What `perforate` found in `model`; raises SiteError for one that it has not seen."""
    if (report := getattr(model, REPORT, None)) is None:
        raise SiteError("the model has no report of sites: call perforate(model) first")
    assert isinstance(report, SiteReport)
    return report


def sites_of(model: nn.Module) -> dict[str, Site]:
    """The sites of a perforated model by name."""
    refuse_no_module(model)
    return {name: site for name, module in model.named_modules() if (site := site_at(module)) is not None}


def refuse_no_module(model: Any) -> None:
    """Raises UsageError for what is no module."""
    if not isinstance(model, nn.Module):
        raise UsageError(f"the model is a {type(model).__name__}; give a torch.nn.Module")


def _with_norms(
    model: nn.Module, findings: Findings, *, example: Example | None, check: Callable[[str, nn.Module], None]
) -> None:
    """Make each layer and its normalisations one module; with an example, leave out what it shows to be no site."""
    seen = Trace() if example is None else trace(model, findings.sites, example)
    for name, reason in seen.others.items():
        del findings.sites[name]
        findings.others[name] = reason
    groups = {name: norms for name, norms in findings.groups.items() if name in findings.sites}
    for name, norm in seen.norms.items():
        if name not in groups:
            groups[name] = [norm]
    for name, norms in groups.items():
        obstacle = _group(model, name, norms, example=example, check=check)
        findings.others.update(dict.fromkeys(norms, obstacle or f"part of site {name}"))


def _group(
    model: nn.Module,
    name: str,
    norms: Sequence[str],
    *,
    example: Example | None,
    check: Callable[[str, nn.Module], None],
) -> str | None:
    """Make a layer and the normalisations after it one module; returns why that cannot be, or None if it is done."""
    layer, parts = part_of(model, name), [part_of(model, norm) for norm in norms]
    grouped = LayerNormed(layer, parts)
    try:
        check(name, grouped)
    except SiteError as error:
        return str(error)
    before = None if example is None else example.output(model)
    swaps = [*((part, nn.Identity()) for part in parts), (layer, grouped)]
    for old, new in swaps:
        replace_module(model, old, new)
    if example is None or (obstacle := _obstacle(model, name, example=example, before=before)) is None:
        return None
    for old, new in reversed(swaps):
        replace_module(model, new, old)
    return f"{obstacle}, so they cannot be one site"


def _obstacle(model: nn.Module, name: str, *, example: Example, before: Any) -> str | None:
    """Why the model does not compute what it did before, if so."""
    try:
        same = same_output(example.output(model), before)
    except Exception as error:  # whatever a network says of parts that it does not know
        return f"the model would fail ({type(error).__name__}: {error})"
    return None if same else f"something else depends on what {name} returns"


def _left_out(
    model: nn.Module, chosen: Mapping[str, nn.Module], check: Callable[[str, nn.Module], None]
) -> dict[str, str]:
    """What is no site because it was not named, and what could not have been one."""
    findings = discover(model, check, matching_names)
    others = findings.others | dict.fromkeys(findings.sites, "not named in sites")
    inside = tuple(f"{name}." for name in chosen)
    return {name: reason for name, reason in others.items() if name not in chosen and not name.startswith(inside)}


def check_site(name: str, module: nn.Module, *, reset: Reset = None, make: MakeModule | None = None) -> None:
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
        refuse_shadowed(module)
        with seeded(0, "check"):
            _ = fresh_copy(module, reset=reset) if make is None else module_of(make, module)
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


def exchange(model: nn.Module, module: nn.Module, other: nn.Module) -> None:
    """Let another module stand for this one: in its place, with the hooks that somebody registered on it."""
    replace_module(model, module, other)
    pass_hooks(module, other)
