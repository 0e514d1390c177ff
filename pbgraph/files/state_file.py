"""Nested state <-> one safetensors file: tensors as tensors, all else as JSON in its header, and a digest of both.

A state is any nesting of dict, list and tuple over tensors, str, int, float, bool and None: what
``state_dict`` methods give. Nothing is pickled, so a file can hold data but never code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pbgraph.files.reading import MEBIBYTE, UnreadableError, check_file
from pbgraph.files.writing import replaced_file

LARGEST = 16 * 1024 * MEBIBYTE  # of a file
_TREE, _DIGEST = "tree", "sha256"


def save_state(state: Any, path: Path) -> None:
    """Write `state` to `path`; an older file is replaced in one step, so one of the two is always whole.

    Raises TypeError, naming the place, for a leaf that is not of the kinds above; OSError if it cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_encode(state, tensors, "state"))
    try:
        with replaced_file(path) as part:
            save_file(tensors, part, metadata={_TREE: tree, _DIGEST: _digest(tree, tensors)})
    except SafetensorError as error:  # what a full disk comes as
        raise OSError(f"{path} cannot be written: {error}") from error


def load_state(path: Path) -> Any:
    """Read what `save_state` wrote; tensors are on the CPU.

    Raises ValueError if the file is damaged, if a single bit of it is, or if it is no such file. One that an earlier
    version wrote has no digest and is taken as it is.
    """
    try:
        check_file(path, LARGEST)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            header = file.metadata() or {}
        tree = header[_TREE]
        if header.keys() - {_TREE} and header[_DIGEST] != _digest(tree, tensors):
            raise ValueError("its content is not what its digest was made of, so it was damaged or edited")
        return _decode(json.loads(tree), tensors)
    except KeyError as error:
        raise ValueError(f"{path} is not a saved state: it lacks {error}") from error
    except (SafetensorError, UnreadableError, TypeError, ValueError, OSError, RecursionError, RuntimeError) as error:
        raise ValueError(f"{path} is not a saved state: {error}") from error


def _digest(tree: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the JSON and of all tensors: names, types, shapes and bytes."""
    found = hashlib.sha256(tree.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        if tensor.numel():
            found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


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
    if kind == "tuple":
        return tuple(_decode(item, tensors) for item in content)
    raise ValueError(f"it holds a container of the unknown kind {kind!r}")
