"""Proxies: modules that stand where a user's module stood, and answer for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from torch import Tensor, nn

from pbgraph.dendrites.errors import SiteError


class ModuleProxy(nn.Module):
    """Stands where a user's module stood, its target, and passes for it.

    It answers for the target's attributes and methods (in_features, weight, step, ...), takes over those that are
    set or deleted, and is an instance of the target's class, since networks ask: ``isinstance(layer, nn.Linear)``,
    ``layer.weight = other``, ``layer[0].weight``. Only what every nn.Module has is its own. So a proxy keeps what
    it needs itself under names that no target has, which Python mangles (``self.__axis``), and in ``_modules``; of
    the latter, those parts whose names the target does not have are attributes too, as ``get_submodule`` needs.

    target  name of that part
    """

    def __init__(self, target: str) -> None:
        super().__init__()
        self.__dict__[_NAME] = target
        self._modules[target] = None  # the first part, whenever it is set

    @property
    def __class__(self) -> type:
        """For isinstance; type() tells what it is."""
        target = target_of(self)
        return type(self) if target is None else target.__class__

    @__class__.setter
    def __class__(self, kind: type) -> None:
        own = issubclass(kind, ModuleProxy) or (target := target_of(self)) is None
        object.__dict__["__class__"].__set__(self if own else target, kind)

    @property
    def training(self) -> bool:
        """The target's, which may refuse to be trained."""
        target = target_of(self)
        return True if target is None else target.training

    @training.setter
    def training(self, mode: bool) -> None:
        if (target := target_of(self)) is not None:
            target.training = mode

    def train(self, mode: bool = True) -> Self:
        """As of any module; the target's own `train` has the say over its mode."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.children():
            module.train(mode)
        return self

    def __getattr__(self, name: str) -> Any:
        if (target := target_of(self)) is not None and not name.startswith("__"):
            try:
                return getattr(target, name)
            except AttributeError:
                if not any(name in own for own in (self._modules, self._buffers, self._parameters)):
                    raise
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        target = target_of(self)
        replaces = isinstance(value, nn.Module) and name in self._modules and not hasattr(target, name)
        if target is None or replaces or _own(self, name):
            super().__setattr__(name, value)
        else:
            setattr(target, name, value)

    def __delattr__(self, name: str) -> None:
        target = target_of(self)
        if target is None or _own(self, name):
            super().__delattr__(name)
        else:
            delattr(target, name)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Of the target."""
        nn.Module.register_buffer(target_of(self) or self, name, tensor, persistent)

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """Of the target."""
        nn.Module.register_parameter(target_of(self) or self, name, param)

    def add_module(self, name: str, module: nn.Module | None) -> None:
        """Of the target."""
        nn.Module.add_module(target_of(self) or self, name, module)

    register_module = add_module

    def get_extra_state(self) -> Any:
        """Of the target, in whose class torch looks for it."""
        return target_of(self).get_extra_state()  # type: ignore[union-attr]

    def set_extra_state(self, state: Any) -> None:
        """Of the target."""
        target_of(self).set_extra_state(state)  # type: ignore[union-attr]

    def __iter__(self) -> Iterator[Any]:
        return iter(target_of(self))  # type: ignore[call-overload,no-any-return]

    def __len__(self) -> int:
        return len(target_of(self))  # type: ignore[arg-type]

    def __getitem__(self, key: Any) -> Any:
        return target_of(self)[key]  # type: ignore[index]

    def __bool__(self) -> bool:
        return (target := target_of(self)) is None or bool(target)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _blank, (type(self),), self.__dict__

    def _get_name(self) -> str:
        return type(self).__name__


_NAME = "_ModuleProxy__target"


def target_of(proxy: nn.Module) -> nn.Module | None:
    """The module that a proxy stands for, or None before it has one."""
    own = proxy.__dict__
    return own["_modules"].get(own[_NAME]) if _NAME in own else None


def part_of(module: nn.Module, name: str) -> nn.Module:
    """The sub-module of this dotted name, whatever attributes have the same: torch's ``get_submodule`` looks at these.

    "" is the module itself. Raises KeyError if there is none.
    """
    for part in filter(None, name.split(".")):
        module = module._modules[part]  # type: ignore[assignment]
    return module


def _own(proxy: nn.Module, name: str) -> bool:
    return name in proxy.__dict__ or hasattr(ModuleProxy, name)


def _blank(kind: type[ModuleProxy]) -> ModuleProxy:
    return kind.__new__(kind)


def refuse_shadowed(module: nn.Module) -> None:
    """Raises SiteError for a module with a value under the name of a method of nn.Module, which a proxy would hide."""
    for name, value in vars(module).items():
        if callable(getattr(nn.Module, name, None)) and not callable(value):
            raise SiteError(
                f"its attribute {name} hides the method of nn.Module of that name, and would itself be hidden by a "
                "site: rename it"
            )
