"""What a step leaves as it was: the modes of a network's modules, and its buffers. Looking is cheap, acting is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from torch import Tensor, nn

from pbgraph.dendrites.dendrite import freeze_statistics


class TrainingMode:
    """Training mode of a network of fixed structure.

    still  modules whose running statistics are not to change, if they have any
    """

    def __init__(self, model: nn.Module, still: Iterable[nn.Module] = ()) -> None:
        self._model, self._still = model, list(still)
        self._modules = list(model.modules())
        self._modes: list[bool] | None = None

    def enter(self) -> None:
        """Put the network into training mode, unless all its modules are still in the modes they were left in."""
        if [module.training for module in self._modules] == self._modes:
            return
        self._model.train()
        freeze_statistics(self._still)
        self._modes = [module.training for module in self._modules]


@dataclass(eq=False)
class _Kept:
    """A buffer: where it is, the version of its content that was copied, and the copy."""

    module: nn.Module
    name: str
    buffer: Tensor
    version: int
    value: Tensor


class KeptBuffers:
    """After the block the buffers of these modules are and hold what they did before.

    They are copied when they are first seen, and then only if somebody has changed them between two blocks.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._places = [(module, name) for module in modules for name in module._buffers]
        self._kept: list[_Kept] = []

    def __enter__(self) -> None:
        before = {(kept.module, kept.name): kept for kept in self._kept}
        self._kept = []
        for place in self._places:
            module, name = place
            if (buffer := module._buffers.get(name)) is None:
                continue
            kept = before.get(place)
            if kept is None or kept.buffer is not buffer or kept.version != buffer._version:
                kept = _Kept(module, name, buffer, buffer._version, buffer.clone())
            self._kept.append(kept)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for kept in self._kept:
            kept.module._buffers[kept.name] = kept.buffer
            if kept.buffer._version != kept.version:
                kept.buffer.copy_(kept.value)
                kept.version = kept.buffer._version
