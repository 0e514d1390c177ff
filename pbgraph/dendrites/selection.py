"""Selection: which parts of a network somebody means by names, patterns, classes and functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from pbgraph.dendrites.copies import MakeModule
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.sites import PerforatedSite

Wanted = str | type[nn.Module] | Callable[[str, nn.Module], bool]
_CLOSED = (nn.MultiheadAttention, nn.TransformerEncoderLayer)  # they read their parts' weights and do not call them


@dataclass(frozen=True)
class Example:
    """Inputs for one call of a model."""

    inputs: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any) -> Example:
        """From a tensor, a mapping of named inputs, (inputs, named inputs), or a sequence of inputs.

        >>> Example.of(({"one": 1},)), Example.of({"one": 1}), Example.of(([1], {"one": 1}))
        (Example(inputs=({'one': 1},), named={}), Example(inputs=(), named={'one': 1}), \
Example(inputs=(1,), named={'one': 1}))
        """
        if isinstance(value, Tensor):
            return cls((value,))
        if isinstance(value, Mapping):
            return cls((), dict(value))
        if not isinstance(value, (tuple, list)):
            raise SiteError(
                f"example is a {type(value).__name__}; give a tensor, a tuple of inputs, a dict of named inputs, or "
                "both as (tuple, dict)"
            )
        if len(value) == 2 and isinstance(value[0], (tuple, list)) and isinstance(value[1], Mapping):
            return cls(tuple(value[0]), dict(value[1]))
        return cls(tuple(value))

    def of_model(self, model: nn.Module) -> Any:
        """What the model returns."""
        return model(*self.inputs, **self.named)


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
    if isinstance(wanted, type) or callable(wanted):
        wanted = [wanted]
    if not wanted:
        raise SiteError("no sites were named: a model without sites cannot grow dendrites")
    named = [one for one in wanted if isinstance(one, str)]
    found = matching_names(model, named) if named else []
    left_out: dict[str, str] = {}
    for name in found:
        _check_owners(model, name)
        check(name, model.get_submodule(name))
    for one in wanted:
        if not isinstance(one, str):
            found = [*found, *_found_by(model, one, set(found), left_out, check)]
    order = [names[0] for names in _aliases(model)]
    return sorted(set(found), key=order.index), {n: reason for n, reason in left_out.items() if n not in found}


def _found_by(
    model: nn.Module,
    wanted: Wanted,
    taken: set[str],
    left_out: dict[str, str],
    check: Callable[[str, nn.Module], None],
) -> list[str]:
    """The outermost sub-modules that a class or a function means and that can be sites; `left_out` gets the others."""
    found: list[str] = []
    meant = False
    for names in _aliases(model):
        name, module = names[0], model.get_submodule(names[0])
        if isinstance(module, PerforatedSite) or not _is_meant(wanted, name, module):
            continue
        if name in taken or _within(name, [*taken, *found]):
            meant = True
            continue
        try:
            _check_owners(model, name)
            check(name, module)
        except SiteError as error:
            left_out[name] = f"{type(module).__name__}: {error}"
        else:
            found.append(name)
    if not found and not meant:
        reason = next(iter(left_out.values()), "there is none in the model")
        raise SiteError(f"{_shown(wanted)} among sites means no sub-module that can be one: {reason}")
    return found


def _is_meant(wanted: Wanted, name: str, module: nn.Module) -> bool:
    """Lists of modules, which nobody calls, are never meant."""
    if type(module).forward is nn.Module.forward:
        return False
    if isinstance(wanted, type):
        return isinstance(module, wanted)
    assert not isinstance(wanted, str)
    return bool(wanted(name, module))


def _shown(wanted: Wanted) -> str:
    kind = "class" if isinstance(wanted, type) else "function"
    return f"the {kind} {getattr(wanted, '__name__', wanted)!r}"


def matching_names(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Names of the sub-modules that match a pattern, in the model's order.

    Raises SiteError if there is none for a pattern, or if one of them is a site or lies within another.
    """
    aliases = _aliases(model)
    found = set()
    for pattern in patterns:
        hits = [names[0] for names in aliases if any(matches(name, pattern) for name in names)]
        if not hits:
            known = ", ".join(names[0] for names in aliases) or "none"
            raise SiteError(f"no sub-module matches site {pattern!r}; there are: {known}")
        found.update(hits)
    ordered = [names[0] for names in aliases if names[0] in found]
    for name in ordered:
        if within := _within(name, ordered):
            raise SiteError(f"site {name!r} lies within site {within!r}: name one of them")
    return ordered


def makers_of(
    dendrites: MakeModule | Mapping[str, MakeModule] | None, sites: Iterable[str]
) -> dict[str, MakeModule | None]:
    """Site -> what makes the module of its dendrites; None for a copy.

    dendrites  one for all sites, or by name or pattern; the last that matches counts
    Raises SiteError for a pattern that matches no site.
    """
    names = list(sites)
    if not isinstance(dendrites, Mapping):
        return dict.fromkeys(names, dendrites)
    made: dict[str, MakeModule | None] = dict.fromkeys(names)
    for pattern, make in dendrites.items():
        hits = [name for name in names if matches(name, pattern)]
        if not hits:
            raise SiteError(f"no site matches {pattern!r} in dendrites; there are: {', '.join(names)}")
        made.update(dict.fromkeys(hits, make))
    return made


def matches(name: str, pattern: str) -> bool:
    """Whether a name is of a pattern, in which ``*`` stands for any part between two dots."""
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _within(name: str, others: Iterable[str]) -> str | None:
    """The first of these that a sub-module is part of."""
    return next((outer for outer in others if name.startswith(f"{outer}.")), None)


def _check_owners(model: nn.Module, name: str) -> None:
    """Raises SiteError for a part of a module that reads its parts' weights and would pass dendrites over."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        owner = ".".join(parts[:end])
        if isinstance(model.get_submodule(owner), _CLOSED):
            kind = type(model.get_submodule(owner)).__name__
            raise SiteError(f"site {name!r} lies within {owner} ({kind}), which does not call its parts: name {owner}")


def _aliases(model: nn.Module) -> list[list[str]]:
    """For each sub-module all its names; parts of a site are left out."""
    inside = tuple(f"{name}." for name, part in model.named_modules() if isinstance(part, PerforatedSite))
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if module is not model and not (inside and name.startswith(inside)):
            names.setdefault(module, []).append(name)
    return list(names.values())
