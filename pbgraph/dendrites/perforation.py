"""Perforation: finding the sites of a network and wrapping them, in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from torch import nn

from pbgraph.dendrites.comparison import Comparison
from pbgraph.dendrites.copies import Reset, fresh_copy
from pbgraph.dendrites.discovery import Findings, LayerNormed, SiteReport, describe, discover, holds, no_site
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.example import Example
from pbgraph.dendrites.grouping import Trace, trace
from pbgraph.dendrites.outputs import neuron_axis, same_output
from pbgraph.dendrites.sites import PerforatedSite
from pbgraph.streams import seeded

REPORT = "dendrite_report"


def perforate(
    model: nn.Module,
    sites: Sequence[str | type[nn.Module]] | None = None,
    *,
    example: Any = None,
    reset: Reset = None,
) -> nn.Module:
    """Make sub-modules of `model` sites of dendrites, in place; until some grow, the model computes what it did.

    sites    names as in ``model.named_modules()``; ``*`` stands for any part of a name between two dots; a class
             stands for all its instances. None: they are found, as `pbgraph.dendrites.discovery` says, and
             `report_of(model)` tells what is a site and what is none, and why
    example  the arguments for one call of the model: a tuple or list of positional ones, a dictionary of named ones,
             anything else is the only one. By it more is found: normalisations that follow a layer in code, and what is
             never called. The model's outputs are then compared, in evaluation and in training mode: as it was, with
             sites, and with a dendrite at each site whose w is 0
    reset    how a dendrite's weights are drawn where the layer has no reset_parameters(): a function that is called
             with the module that they are of, or "parent" for the layer's own values in a random order
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
    check = partial(check_site, reset=reset)
    with _all_or_nothing(model):
        known = None if example is None else Comparison(model, Example.of(example))
        chosen, others = _chosen(model, sites, check, known)
        made = {name: PerforatedSite(module, name, reset=reset) for name, module in chosen.items()}
        for name, site in made.items():
            replace_module(model, chosen[name], site)
        if known is not None:
            known.check(made, partial(replace_module, model))
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
    parts = [(module, dict(module._modules)) for module in model.modules()]
    try:
        yield
    except BaseException:
        for module, own in parts:
            module._modules.clear()
            module._modules.update(own)
        raise


def _chosen(
    model: nn.Module,
    sites: Sequence[str | type[nn.Module]] | None,
    check: Callable[[str, nn.Module], None],
    known: Comparison | None,
) -> tuple[dict[str, nn.Module], dict[str, str]]:
    """(The modules that are to be sites, by name; what is none, and why)."""
    if sites is not None:
        chosen = {name: model.get_submodule(name) for name in matching_names(model, sites)}
        for name, module in chosen.items():
            _check_owners(model, name)
            check(name, module)
        return chosen, _left_out(model, chosen, check)
    found = discover(model, check, matching_names)
    _with_norms(model, found, None if known is None else known.example, check)
    if not found.sites and not sites_of(model):
        raise no_site(model, found.others)
    return {name: model.get_submodule(name) for name in found.sites}, found.others


def report_of(model: nn.Module) -> SiteReport:
    """What `perforate` found in `model`; raises SiteError for one that it has not seen."""
    if (found := getattr(model, REPORT, None)) is None:
        raise SiteError("the model has no report of sites: call perforate(model) first")
    assert isinstance(found, SiteReport)
    return found


def sites_of(model: nn.Module) -> dict[str, PerforatedSite]:
    """The sites of a perforated model by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, PerforatedSite)}


def matching_names(model: nn.Module, patterns: Sequence[str | type[nn.Module]]) -> list[str]:
    """Names of the sub-modules that match a pattern, or are of a class, in the model's order.

    Raises SiteError if there is none for a pattern, or if one of them is a site or lies within another.
    """
    if isinstance(patterns, str):
        raise SiteError(f"sites is the string {patterns!r}; give a list of names: [{patterns!r}]")
    if not isinstance(patterns, Iterable):
        raise SiteError(f"sites is {patterns!r}; give a list of names or classes: [{_shown(patterns)}]")
    if not (patterns := list(patterns)):
        raise SiteError("no sites were named: a model without sites cannot grow dendrites")
    aliases = _aliases(model)
    found = set()
    for pattern in patterns:
        if isinstance(pattern, type):
            hits = [names[0] for names in aliases if isinstance(model.get_submodule(names[0]), pattern)]
        elif isinstance(pattern, str):
            hits = [names[0] for names in aliases if any(_matches(name, pattern) for name in names)]
        else:
            raise SiteError(f"{_shown(pattern)} is among the sites; give names or classes of sub-modules")
        if not hits:
            known = ", ".join(names[0] for names in aliases) or "none"
            raise SiteError(f"no sub-module matches site {_shown(pattern)}; there are: {known}")
        found.update(hits)
    ordered = [names[0] for names in aliases if names[0] in found]
    modules = {name: model.get_submodule(name) for name in ordered}
    for name, module in modules.items():
        if within := [outer for outer, whole in modules.items() if whole is not module and holds(whole, module)]:
            raise SiteError(f"site {name!r} lies within site {within[0]!r}: name one of them")
    return ordered


def _shown(pattern: Any) -> str:
    return pattern.__name__ if isinstance(pattern, type) else repr(pattern)


def _check_owners(model: nn.Module, name: str) -> None:
    """Raises SiteError for a part of a module that reads its parts' weights and would pass dendrites over."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        owner = ".".join(parts[:end])
        if isinstance(model.get_submodule(owner), (nn.MultiheadAttention, nn.TransformerEncoderLayer)):
            kind = type(model.get_submodule(owner)).__name__
            raise SiteError(f"site {name!r} lies within {owner} ({kind}), which does not call its parts: name {owner}")


def _with_norms(
    model: nn.Module, found: Findings, example: Example | None, check: Callable[[str, nn.Module], None]
) -> None:
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
        obstacle = _group(model, name, norms, example, check=check)
        found.others.update(dict.fromkeys(norms, obstacle or f"part of site {name}"))


def _group(
    model: nn.Module,
    name: str,
    norms: Sequence[str],
    example: Example | None,
    *,
    check: Callable[[str, nn.Module], None],
) -> str | None:
    """Make a layer and the normalisations after it one module; returns why that cannot be, or None if it is done."""
    layer, parts = model.get_submodule(name), [model.get_submodule(norm) for norm in norms]
    grouped = LayerNormed(layer, parts)
    try:
        check(name, grouped)
    except SiteError as error:
        return str(error)
    before = None if example is None else example.output(model)
    swaps = [*((part, nn.Identity()) for part in parts), (layer, grouped)]
    for old, new in swaps:
        replace_module(model, old, new)
    if example is None or (obstacle := _obstacle(model, name, example, before)) is None:
        return None
    for old, new in reversed(swaps):
        replace_module(model, new, old)
    return f"{obstacle}, so they cannot be one site"


def _obstacle(model: nn.Module, name: str, example: Example, before: Any) -> str | None:
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
    found = discover(model, check, matching_names)
    others = found.others | dict.fromkeys(found.sites, "not named in sites")
    inside = tuple(f"{name}." for name in chosen)
    return {name: reason for name, reason in others.items() if name not in chosen and not name.startswith(inside)}


def check_site(name: str, module: nn.Module, *, reset: Reset = None) -> None:
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
            fresh_copy(module, reset=reset)
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
