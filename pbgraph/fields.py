"""The fields of a dataclass of settings: their names, types, defaults and meanings, and values for them from text.

Hyper-parameters of models and settings of methods are frozen dataclasses, which check ranges themselves; their
docstrings say in indented lines, "name   meaning", what each field is.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from pbgraph.errors import UsageError, unknown_name
from pbgraph.files.hashing import Scalar

LATER = {"later": True}  # metadata of a field that came after records were made, see `told`
RESPELT = {"respelt": True}  # metadata of a field that is in `WRITTEN`
# field -> value -> how specs, and so the keys of runs, write it: as it was first called
WRITTEN: Mapping[str, Mapping[Scalar, Scalar]] = {"loss": {"bce": "plain"}}
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}


@dataclass(frozen=True)
class Setting:
    """One field, as people are told of it.

    type     "int", "float", "bool", "str", or the values there are, as in 'constant' | 'cosine'
    default  None where it is None, and where there is none
    meaning  from the docstring; "" if that does not say
    """

    name: str
    type: str
    default: Scalar
    meaning: str


def settings_of(type_: type) -> list[Setting]:
    """The fields of a dataclass, in its order.

    >>> from dataclasses import make_dataclass
    >>> settings_of(make_dataclass("Config", [("hidden", int, 64)], namespace={"__doc__": "C.\\n\\n    hidden  width"}))
    [Setting(name='hidden', type='int', default=64, meaning='width')]
    """
    hints, said = _hints(type_), _meanings(type_)
    return [
        Setting(
            field.name,
            _type_words(hints[field.name]),
            None if field.default is MISSING else field.default,
            said.get(field.name, ""),
        )
        for field in fields(type_)
    ]


def field_names(type_: type) -> set[str]:
    """Names of the fields of a dataclass."""
    return {field.name for field in fields(type_)}


def from_text(type_: type, name: str, text: str, *, called: str) -> Scalar:
    """The value that a text gives to a field; called: the setting in messages, e.g. "trimnet.hidden".

    "none" stands for none where the field may have none, and not that text as one of its values.
    Raises UsageError for an unknown field, with the nearest one, and for a text that is no such value.
    """
    kinds = _kinds(type_, name)
    null = text.lower() == "none" and type(None) in kinds and "none" not in kinds
    return _converted(type_, name, None if null else text, called=called, strict=False)


def checked(type_: type, name: str, value: Any, *, called: str) -> Scalar:
    """The value, if it is of the field's type; a whole number will do where a number is asked for. Errors as above.

    "none" stands for none where the field may have none, and neither any text nor that one.
    """
    kinds = _kinds(type_, name)
    null = value == "none" and type(None) in kinds and not {str, "none"}.intersection(kinds)
    return _converted(type_, name, None if null else value, called=called, strict=True)


def check_least(settings: Any, least: float, *names: str) -> None:
    """Raises UsageError, naming the field, for one that is smaller; one that is None is left out."""
    for name in names:
        if (value := getattr(settings, name)) is not None and not value >= least:
            raise UsageError(f"{name} is {value}, expected at least {least:g}")


def check_positive(settings: Any, *names: str) -> None:
    """The same for fields that must be above 0, and finite."""
    for name in names:
        if not 0 < (value := getattr(settings, name)) < math.inf:
            raise UsageError(f"{name} is {value}, expected a positive number")


def check_probabilities(settings: Any, *names: str) -> None:
    """The same for probabilities by which something is dropped: not all of it."""
    for name in names:
        if not 0 <= (value := getattr(settings, name)) < 1:
            raise UsageError(f"{name} is {value}, expected a probability in [0, 1)")


def check_shares(settings: Any, *names: str) -> None:
    """The same for shares, of which none is nothing."""
    for name in names:
        if not 0 < (value := getattr(settings, name)) <= 1:
            raise UsageError(f"{name} is {value}, expected a share in (0, 1]")


def told(type_: type, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The values that a spec names, as it writes them: all but those of later fields that have their defaults.

    So the keys of records hold that were made before there was such a field, or such a spelling.
    """
    later = _later(type_)
    named = {name: value for name, value in values.items() if name not in later or value != later[name]}
    return as_written(type_, named)


def as_written(type_: type, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The values of fields as specs write them."""
    return {name: _spellings(type_, name).get(value, value) for name, value in values.items()}


@cache
def _hints(type_: type) -> Mapping[str, Any]:
    """Field -> its type: Python compiles the text of every field again each time that it is asked for one."""
    return get_type_hints(type_)


def _kinds(type_: type, name: str) -> list[Any]:
    """The types that a field may have, and of a Literal its values; nothing of an unknown field."""
    return _members(_hints(type_).get(name))


def _members(hint: Any) -> list[Any]:
    """What a union and a Literal consist of.

    >>> _members(Literal["none", "all"] | int)
    ['none', 'all', <class 'int'>]
    """
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if get_origin(hint) in (Union, types.UnionType):
        return [kind for member in get_args(hint) for kind in _members(member)]
    return [hint]


def untold(type_: type, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """All values of which `told` named some, in today's spelling; later fields that are not named have their defaults.

    >>> from dataclasses import field, make_dataclass
    >>> head = ("head", str, field(default="own", metadata=LATER))
    >>> untold(make_dataclass("Config", [("hidden", int), head]), {"hidden": 3})
    {'head': 'own', 'hidden': 3}
    """
    return {**_later(type_), **{name: respelt(type_, name, value) for name, value in values.items()}}


def respelt(type_: type, name: str, value: Scalar) -> Scalar:
    """The value of a field in today's spelling: what a spec writes for it, or else itself."""
    return {written: today for today, written in _spellings(type_, name).items()}.get(value, value)


def shown(name: str, value: Scalar) -> Scalar:
    """The same by the name of a setting alone, "FIELD" or "SCOPE.FIELD": what people are shown.

    >>> shown("continued.loss", "plain"), shown("loss", "class-weighted")
    ('bce', 'class-weighted')
    """
    spellings = WRITTEN.get(name.rpartition(".")[2], {})
    return {written: today for today, written in spellings.items()}.get(str(value), value)


def _spellings(type_: type, name: str) -> Mapping[Scalar, Scalar]:
    """Value -> how specs write it, of a field that is `RESPELT`."""
    return WRITTEN[name] if any(field.name == name and field.metadata.get("respelt") for field in fields(type_)) else {}


def _later(type_: type) -> dict[str, Any]:
    """Later fields with their defaults."""
    return {field.name: field.default for field in fields(type_) if field.metadata.get("later")}


def _converted(type_: type, name: str, value: Any, *, called: str, strict: bool) -> Scalar:
    hints = _hints(type_)
    names = [field.name for field in fields(type_)]
    if name not in names:
        raise unknown_name("setting", called, [f"{called.removesuffix(name)}{known}" for known in names])
    try:
        converted: Any = msgspec.convert(respelt(type_, name, value), hints[name], strict=strict)
    except (msgspec.ValidationError, TypeError) as error:
        shown = "none" if value is None else value
        raise UsageError(f"{called}={shown!s:.100}: expected {_expected(hints[name])}") from error
    if isinstance(converted, float) and not math.isfinite(converted):
        raise UsageError(f"{called}={value!s:.100}: expected a finite number")
    return _as_declared(converted)


def _as_declared(value: Any) -> Scalar:
    if not isinstance(value, Scalar):
        raise UsageError(f"a setting is a {type(value).__name__}; expected text, a number, true, false or none")
    return value


def _type_words(hint: Any) -> str:
    """The type of a field, as it is written.

    >>> _type_words(int | None), _type_words(Literal["a", "b"])
    ('int | none', "'a' | 'b'")
    """
    if hint is type(None):
        return "none"
    if get_origin(hint) is Literal:
        return " | ".join(map(repr, get_args(hint)))
    if get_origin(hint) in (Union, types.UnionType):
        return " | ".join(map(_type_words, get_args(hint)))
    return getattr(hint, "__name__", str(hint))


def _expected(hint: Any) -> str:
    """What a value of this type is, in words."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(map(_expected, get_args(hint)))
    return KINDS.get(hint, _type_words(hint))


def _meanings(type_: type) -> dict[str, str]:
    """Field -> what the docstrings of the class and those it inherits from say."""
    meanings: dict[str, str] = {}
    for base in reversed(type_.__mro__):
        meanings |= dict(_of_docstring(base.__dict__.get("__doc__") or "", {field.name for field in _fields(base)}))
    return meanings


def _fields(type_: type) -> tuple[Any, ...]:
    return fields(type_) if hasattr(type_, "__dataclass_fields__") else ()


def _of_docstring(text: str, names: set[str]) -> Iterator[tuple[str, str]]:
    """Name and meaning of each field that has a line "name   meaning"; a line that is indented further continues it."""
    name, indent, words = "", 0, list[str]()
    for line in [*text.splitlines(), "end"]:
        match = re.match(r"( *)(\w+)(?:\s{2,}|\s*$| )(.*)", line)
        starts = match is not None and match[2] in names and (not name or len(match[1]) <= indent)
        deeper = len(line) - len(line.lstrip()) > indent and line.strip()
        if name and (starts or not deeper):
            yield name, " ".join(words)
            name, words = "", []
        if starts and match is not None:
            name, indent, words = match[2], len(match[1]), [match[3].strip()]
        elif name:
            words.append(line.strip())
