"""Nested state <-> one safetensors file: tensors as tensors, everything else as JSON in its header.

A state is any nesting of dict, list and tuple over tensors, str, int, float, bool and None: what
``state_dict`` methods give. Nothing is pickled, so a file can hold data but never code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pbgraph.files import replaced_file

_TREE = "tree"


def save_state(state: Any, path: Path) -> None:
    """Write `state` to `path`; an older file is replaced in one step, so one of the two is always whole.

    Raises TypeError, naming the place, for a leaf that is not of the kinds above; OSError if it cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_encode(state, tensors, "state"))
    try:
        with replaced_file(path) as part:
            save_file(tensors, part, metadata={_TREE: tree})
    except SafetensorError as error:  # what a full disk comes as
        raise OSError(f"{path} cannot be written: {error}") from error


def load_state(path: Path) -> Any:
    """Read what `save_state` wrote; tensors are on the CPU.

    Raises ValueError if the file is damaged or not such a file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return _decode(json.loads(file.metadata()[_TREE]), tensors)
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a saved state: {error}") from error


def _encode(value: Any, tensors: dict[str, Tensor], place: str) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        pairs = [[_encode(k, tensors, place), _encode(v, tensors, f"{place}[{k!r}]")] for k, v in value.items()]
        return {"dict": pairs}
    if isinstance(value, (list, tuple)):
        items = [_encode(item, tensors, f"{place}[{i}]") for i, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"{place} is a {type(value).__name__}; a state holds tensors, numbers, strings and containers")


def _decode(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_decode(k, tensors): _decode(v, tensors) for k, v in content}
    return tuple(_decode(item, tensors) for item in content)
