"""Selection: which parts of a network somebody means by names, patterns, classes and functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from torch import nn

from pbgraph.dendrites.copies import MakeModule
from pbgraph.dendrites.discovery import holds
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.proxy import part_of
from pbgraph.dendrites.sites import PerforatedSite

Dendrites = MakeModule | Mapping[str, MakeModule] | None
Wanted = str | type[nn.Module] | Callable[[str, nn.Module], bool]
_CLOSED = (nn.MultiheadAttention, nn.TransformerEncoderLayer)  # they read their parts' weights and do not call them


def selected(
    model: nn.Module, wanted: Sequence[Wanted] | Wanted, check: Callable[[str, nn.Module], None]
) -> tuple[list[str], dict[str, str]]:
    """(Names of the sub-modules that are meant, in the model's order; name -> why another that was meant is none).

    wanted  names and patterns; classes, of which the outermost modules are meant; functions (name, module) -> bool
    check   (name, module) -> raises SiteError if the module cannot be a site
    A name or pattern has to be of sites; of what a class or function finds, that which can be none is left out.
    Raises SiteError if something has no sub-module, or none that can be a site, or if sites lie within each other.
    """
    if isinstance(wanted, str):
        raise SiteError(f"sites is the string {wanted!r}; give a list of names: [{wanted!r}]")
    if callable(wanted):
        wanted = [wanted]
    if not isinstance(wanted, Iterable):
        raise SiteError(f"sites is {wanted!r}; give a list of names, classes or functions: [{wanted!r}]")
    if not (wanted := list(wanted)):
        raise SiteError("no sites were named: a model without sites cannot grow dendrites")
    for item in wanted:
        if not (isinstance(item, str) or callable(item)):
            raise SiteError(f"{item!r} is among the sites; give names, classes or functions of sub-modules")
    named = [item for item in wanted if isinstance(item, str)]
    chosen = matching_names(model, named) if named else []
    left_out: dict[str, str] = {}
    for name in chosen:
        _check_owners(model, name)
        check(name, part_of(model, name))
    for item in wanted:
        if not isinstance(item, str):
            chosen = [*chosen, *_chosen_by(model, item, taken=set(chosen), left_out=left_out, check=check)]
    order = [names[0] for names in _aliases(model)]
    return sorted(set(chosen), key=order.index), {n: reason for n, reason in left_out.items() if n not in chosen}


def _chosen_by(
    model: nn.Module,
    wanted: Wanted,
    *,
    taken: set[str],
    left_out: dict[str, str],
    check: Callable[[str, nn.Module], None],
) -> list[str]:
    """The outermost sub-modules that a class or a function means and that can be sites; `left_out` gets the others."""
    chosen: list[str] = []
    meant = False
    for names in _aliases(model):
        name, module = names[0], part_of(model, names[0])
        if isinstance(module, PerforatedSite) or not _is_meant(wanted, name, module):
            continue
        if name in taken or any(holds(part_of(model, outer), module) for outer in [*taken, *chosen]):
            meant = True
            continue
        try:
            _check_owners(model, name)
            check(name, module)
        except SiteError as error:
            left_out[name] = f"{type(module).__name__}: {error}"
        else:
            chosen.append(name)
    if not chosen and not meant:
        reason = next(iter(left_out.values()), "there is none in the model")
        raise SiteError(f"no sub-module matches site {_shown(wanted)}, or none that can be one: {reason}")
    return chosen


def _is_meant(wanted: Wanted, name: str, module: nn.Module) -> bool:
    """Lists of modules, which nobody calls, are never meant."""
    if type(module).forward is nn.Module.forward:
        return False
    if isinstance(wanted, type):
        return isinstance(module, wanted)
    assert not isinstance(wanted, str)
    return bool(wanted(name, module))


def _shown(wanted: Wanted) -> str:
    name = str(getattr(wanted, "__name__", wanted))
    return name if isinstance(wanted, type) else f"{name}(name, module)"


def matching_names(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Names of the sub-modules that match a pattern, in the model's order.

    Raises SiteError if there is none for a pattern, or if one of them is a site or lies within another.
    """
    aliases = _aliases(model)
    chosen = set()
    for pattern in patterns:
        hits = [names[0] for names in aliases if any(matches(name, pattern) for name in names)]
        if not hits:
            known = ", ".join(names[0] for names in aliases) or "none"
            raise SiteError(f"no sub-module matches site {pattern!r}; there are: {known}")
        chosen.update(hits)
    ordered = [names[0] for names in aliases if names[0] in chosen]
    modules = {name: part_of(model, name) for name in ordered}
    for name, module in modules.items():
        if within := [outer for outer, whole in modules.items() if whole is not module and holds(whole, module)]:
            raise SiteError(f"site {name!r} lies within site {within[0]!r}: name one of them")
    return ordered


def maker_of(dendrites: Dendrites, name: str) -> MakeModule | None:
    """What makes the module of a site's dendrites; None for a copy. Of several patterns the last one counts."""
    if not isinstance(dendrites, Mapping):
        return dendrites
    makers = [make for pattern, make in dendrites.items() if matches(name, pattern)]
    return makers[-1] if makers else None


def check_patterns(dendrites: Dendrites, sites: Iterable[str]) -> None:
    """Raises SiteError for a pattern among `dendrites` that is of no site."""
    names = list(sites)
    for pattern in dendrites if isinstance(dendrites, Mapping) else ():
        if not any(matches(name, pattern) for name in names):
            raise SiteError(f"no site matches {pattern!r} in dendrites; there are: {', '.join(names)}")


def matches(name: str, pattern: str) -> bool:
    """Whether a name is of a pattern, in which ``*`` stands for any part between two dots."""
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _check_owners(model: nn.Module, name: str) -> None:
    """Raises SiteError for a part of a module that reads its parts' weights and would pass dendrites over."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        owner = ".".join(parts[:end])
        if isinstance(part_of(model, owner), _CLOSED):
            kind = type(part_of(model, owner)).__name__
            raise SiteError(f"site {name!r} lies within {owner} ({kind}), which does not call its parts: name {owner}")


def _aliases(model: nn.Module) -> list[list[str]]:
    """For each sub-module all its names; parts of a site are left out."""
    inside = tuple(f"{name}." for name, part in model.named_modules() if isinstance(part, PerforatedSite))
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if module is not model and not (inside and name.startswith(inside)):
            names.setdefault(module, []).append(name)
    return list(names.values())
