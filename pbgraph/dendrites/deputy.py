"""Deputies: modules that stand where a user's module stood, and pass for it."""

from __future__ import annotations

from typing import Any, Self

from torch import Tensor, nn

from pbgraph.dendrites.errors import SiteError


class Deputy(nn.Module):
    """Stands where a user's module stood, its principal, and passes for it.

    It answers for the principal's attributes and methods (in_features, weight, step, ...), takes over those that are
    set or deleted, and is an instance of the principal's class, since networks ask: ``isinstance(layer, nn.Linear)``,
    ``layer.weight = other``. Only what every nn.Module has is its own. So a deputy keeps what it needs itself under
    names that no principal has, which Python mangles (``self.__axis``), and in ``_modules``; of the latter, those parts
    whose names the principal does not have are attributes too, as ``get_submodule`` needs.

    principal  name of that part
    """

    def __init__(self, principal: str) -> None:
        super().__init__()
        self.__dict__[_NAME] = principal
        self._modules[principal] = None  # the first part, whenever it is set

    @property
    def __class__(self) -> type:
        """For isinstance; type() tells what it is."""
        principal = principal_of(self)
        return type(self) if principal is None else principal.__class__

    @__class__.setter
    def __class__(self, kind: type) -> None:
        own = issubclass(kind, Deputy) or (principal := principal_of(self)) is None
        object.__dict__["__class__"].__set__(self if own else principal, kind)

    @property
    def training(self) -> bool:
        """The principal's, which may refuse to be trained."""
        principal = principal_of(self)
        return True if principal is None else principal.training

    @training.setter
    def training(self, mode: bool) -> None:
        if (principal := principal_of(self)) is not None:
            principal.training = mode

    def train(self, mode: bool = True) -> Self:
        """As of any module; the principal's own `train` has the say over its mode."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.children():
            module.train(mode)
        return self

    def __getattr__(self, name: str) -> Any:
        if (principal := principal_of(self)) is not None and not name.startswith("__"):
            try:
                return getattr(principal, name)
            except AttributeError:
                if not any(name in own for own in (self._modules, self._buffers, self._parameters)):
                    raise
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        principal = principal_of(self)
        replaces = isinstance(value, nn.Module) and name in self._modules and not hasattr(principal, name)
        if principal is None or replaces or _own(self, name):
            super().__setattr__(name, value)
        else:
            setattr(principal, name, value)

    def __delattr__(self, name: str) -> None:
        principal = principal_of(self)
        if principal is None or _own(self, name):
            super().__delattr__(name)
        else:
            delattr(principal, name)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Of the principal."""
        nn.Module.register_buffer(principal_of(self) or self, name, tensor, persistent)

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """Of the principal."""
        nn.Module.register_parameter(principal_of(self) or self, name, param)

    def add_module(self, name: str, module: nn.Module | None) -> None:
        """Of the principal."""
        nn.Module.add_module(principal_of(self) or self, name, module)

    register_module = add_module

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _blank, (type(self),), self.__dict__

    def _get_name(self) -> str:
        return type(self).__name__


_NAME = "_Deputy__principal"


def principal_of(deputy: nn.Module) -> nn.Module | None:
    """The module that a deputy stands for, or None before it has one."""
    own = deputy.__dict__
    return own["_modules"].get(own[_NAME]) if _NAME in own else None


def part_of(module: nn.Module, name: str) -> nn.Module:
    """The sub-module of this dotted name, whatever attributes have the same: torch's ``get_submodule`` looks at these.

    "" is the module itself. Raises KeyError if there is none.
    """
    for part in filter(None, name.split(".")):
        module = module._modules[part]  # type: ignore[assignment]
    return module


def _own(deputy: nn.Module, name: str) -> bool:
    return name in deputy.__dict__ or hasattr(Deputy, name)


def _blank(kind: type[Deputy]) -> Deputy:
    return kind.__new__(kind)


def refuse_shadowed(module: nn.Module) -> None:
    """Raises SiteError for a module with a value under the name of a method of nn.Module, which a deputy would hide."""
    for name, value in vars(module).items():
        if callable(getattr(nn.Module, name, None)) and not callable(value):
            raise SiteError(
                f"its attribute {name} hides the method of nn.Module of that name, and would itself be hidden by a "
                "site: rename it"
            )
