"""Files as an accident or an enemy leaves them: seeded changes of JSON, of bytes, and of nested states."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import torch
from torch import Tensor

VALUES: list[Any] = [
    None, True, -1, 0, 1, 7, 10**6, 2**31 - 1, 2**63, 10**30, -0.5, 1.5, 1e100, 1e308, "", ".", "..", "x", "a/b/c",
    "../../x", "\x1b[31mred", "\u202e", "<script>alert(1)</script>", "=1+1", "a|b", "ä" * 300, "NaN", [], {}, [[]],
    {"a": 1}, ["x"], [1, 2, 3], {"roc_auc": 2.0},
]  # fmt: skip
DEEP = "[" * 100_000


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values within a nesting of dicts and lists."""
    found = [here] if here else []
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        found += places(inner, (*here, name))
    return found


def changed(value: Any, chance: random.Random) -> Any:
    """A copy in which one to three values are others, gone, or there twice."""
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        ways = places(value)
        if not ways:
            return value
        *way, last = chance.choice(ways)
        owner = value
        for name in way:
            owner = owner[name]
        match chance.random():
            case x if x < 0.15:
                del owner[last]
            case x if x < 0.25 and isinstance(owner, list):
                owner += owner[last:]
            case x if x < 0.3:
                owner[last] = json.loads("[" * 300 + "]" * 300)
            case _:
                owner[last] = (
                    of_tensor(owner[last], chance) if isinstance(owner[last], Tensor) else chance.choice(VALUES)
                )
    return value


def of_tensor(tensor: Tensor, chance: random.Random) -> Any:
    """Another tensor: its numbers, its shape or its type."""
    flat = tensor.reshape(-1).clone()
    match chance.randrange(7):
        case 0:
            return flat
        case 1:
            return flat[: len(flat) // 2]
        case 2:
            return tensor.to(chance.choice([torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.float64]))
        case 3:
            return torch.zeros(0)
        case 4:
            return chance.choice(VALUES)
    for _ in range(min(len(flat), 3)):
        number = chance.choice([-1, 0, 1, 2, 100, 2**31 - 1, -(2**31), chance.randrange(max(len(flat), 1))])
        flat[chance.randrange(len(flat))] = number if flat.dtype != torch.uint8 else abs(number) % 256
    return flat.reshape(tensor.shape)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Bytes that were cut, flipped, or replaced by others."""
    if not content:
        return b"\xff"
    place = chance.randrange(len(content))
    match chance.randrange(5):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]
        case 2:
            return content[:place] + b"\xff\xfe" + content[place:]
        case 3:
            return DEEP.encode()
    return content[:place] + content[chance.randrange(len(content)) :]
