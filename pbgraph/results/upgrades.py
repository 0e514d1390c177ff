"""Records of earlier schemas, read as this one's: what was trained in days need not be trained again.

`UPGRADES` has a step from each schema that can be brought up to the next one. A record goes through all between its
own and `WHOLE_FORM`, as decoded JSON, before its fields get their types; its file stays as it is. What is older than
the chain is refused. When the fields of a record change, `UPGRADES` gets a step, with an old record in the tests, if
all that the next schema says of a run is known from what the one before said; nothing is made up. Schema 2 has all
fields and needs no step: schema 3 only says the same more compactly.

Schema 1 is not upgraded: it says neither how many molecules were scored nor by which versions of the metrics, and its
runs have settings, and so keys, that no plan asks for any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.files.reading import UnreadableError
from pbgraph.results.records import WHOLE_FORM, RunRecord

Said = dict[str, Any]  # a record's JSON, decoded


@dataclass(frozen=True)
class Upgrade:
    """From schema n to n + 1.

    change  what a record of schema n says -> what one of n + 1 says of the same run. The spec must stay as it is: with
            other fields it has another key, and that is another run, whose files have other names.
    digest  `RunRecord.digest` as it was in schema n, of what the record says: by that an edit is noticed where there is
            no seal. None: records of schema n without a seal are refused
    """

    change: Callable[[Said], Said]
    digest: Callable[[Said], str] | None = None


UPGRADES: Mapping[int, Upgrade] = {}


def oldest() -> int:
    """The oldest schema that can be read."""
    schema = WHOLE_FORM
    while schema - 1 in UPGRADES:
        schema -= 1
    return schema


def upgraded(said: Said) -> RunRecord:
    """The record, of schema `WHOLE_FORM`, of what a file of an earlier one says, `oldest()` or later.

    It is without seal and written digest. Whoever reads it has compared the seal, which is of the file. Raises
    UnreadableError if it is none, or was edited.
    """
    schema, spec = said["schema"], said.get("spec")
    _check_whole(said, UPGRADES[schema])
    said = {name: value for name, value in said.items() if name not in ("seal", "written_digest")}
    try:
        for number in range(schema, WHOLE_FORM):
            said = {**UPGRADES[number].change(said), "schema": number + 1}
        record = msgspec.convert(said, RunRecord)
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UnreadableError(f"of schema {schema}, it cannot be upgraded ({type(error).__name__}: {error})") from error
    if canonical_json(record.spec.said) != canonical_json(spec):
        raise UnreadableError(f"its spec is not one of schema {WHOLE_FORM}, so that its key is another")
    return record


def _check_whole(said: Said, step: Upgrade) -> None:
    """Raises UnreadableError for a record that has neither a seal nor a digest, or not its own digest."""
    if step.digest is not None and said.get("written_digest") is not None:
        try:
            digest = step.digest(said)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableError(f"it has no digest ({type(error).__name__}: {error})") from error
        if digest != said["written_digest"]:
            raise UnreadableError("its digest is another: it was edited")
    elif said.get("seal") is None:
        raise UnreadableError("it has nothing by which an edit would be noticed")


def seal_of(said: Mapping[str, Any]) -> str:
    """SHA-256 of all that a record's file says but its seal, in any schema."""
    return sha256(canonical_json({name: value for name, value in said.items() if name != "seal"}))
