"""Discovery: which sub-modules of a network can be sites, and why the others cannot.

A site is everything between two non-linearities: a layer and the normalisation that follows it. From the outside in,
the first of these that applies decides about a module:

- a class attribute ``dendrite_sites`` (patterns of names of its parts): its author says where its sites are;
- ``recurrent_state = True``, a torch layer with weights, a PyG message-passing layer: a site;
- a Sequential that is a layer followed by normalisations: a site; within a longer one, the layer and its
  normalisations become one;
- a module with parameters of its own and no part that has any: a layer of somebody's own, so a site;
- any other module: its parts are looked at.

Where a normalisation is applied in code rather than by a Sequential, an example of the model's inputs shows it: if
what a layer returns is what a normalisation is handed, and the two as one leave the model's output bit for bit as it
was, they become one.

Normalisations, embeddings and parameters of activations are no sites, and neither is a module whose weights cannot
be drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.outputs import neuron_axis
from pbgraph.dendrites.proxy import ModuleProxy, part_of
from pbgraph.dendrites.sites import PerforatedSite

_LAYERS = (
    nn.Linear,
    nn.Bilinear,
    nn.modules.conv._ConvNd,
    nn.RNNCellBase,
    nn.RNNBase,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,  # reads its attention's weights directly, so it is one site
    nn.TransformerDecoderLayer,
)
_TABLES = (nn.Embedding, nn.EmbeddingBag)
_ACTIVATIONS = (nn.PReLU,)


@dataclass(frozen=True)
class SiteReport:
    """What is a site of a model and what is not.

    sites       name -> what it is
    others      name -> why it is none
    uncompared  mode -> why the outputs on the example were not compared in it before and after

    >>> print(SiteReport({"lin": "Linear"}, {"act": "Tanh: no parameters, nothing a dendrite could learn"}))
    sites:
      lin: Linear
    no sites:
      act: Tanh: no parameters, nothing a dendrite could learn
    """

    sites: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    uncompared: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = (("sites", self.sites), ("no sites", self.others), ("not compared", self.uncompared))
        return "\n".join(
            f"{title}:\n" + "\n".join(f"  {name}: {text}" for name, text in lines.items())
            for title, lines in parts
            if lines
        )


class LayerNormed(ModuleProxy):
    """norm(layer(...)): one site of what were two modules or more."""

    def __init__(self, layer: nn.Module, norms: Sequence[nn.Module]) -> None:
        super().__init__("layer")
        self.neuron_axis = neuron_axis(layer)  # which the layer's own is, if it has one
        self._modules.update(norms=nn.ModuleList(norms), layer=layer)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the layer answers, normalised."""
        layer, *norms = in_turn(self)
        y = layer(*inputs, **named)
        for norm in norms:
            y = norm(y)
        return y


@dataclass
class Findings:
    """A report in the making.

    sites   name -> module;  others  name -> why it is none
    groups  name of a layer -> names of the normalisations that become part of its site
    """

    sites: dict[str, nn.Module] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)


def discover(
    model: nn.Module,
    check: Callable[[str, nn.Module], None],
    match: Callable[[nn.Module, tuple[str, ...]], list[str]],
) -> Findings:
    """Look at every part of `model`, once each.

    check  (name, module) -> raises SiteError if the module cannot be a site
    match  (module, patterns) -> names of its parts
    """
    return _Search(check, match).run(model)


class _Search:
    def __init__(
        self,
        check: Callable[[str, nn.Module], None],
        match: Callable[[nn.Module, tuple[str, ...]], list[str]],
    ) -> None:
        self.check, self.match = check, match
        self.findings, self.seen = Findings(), set[nn.Module]()

    def run(self, model: nn.Module) -> Findings:
        self._parts("", model)
        for name, module in list(self.findings.sites.items()):
            others = ((name, whole) for name, whole in self.findings.sites.items() if whole is not module)
            outer = [name for name, whole in others if holds(whole, module)]
            if outer:  # found under another name of its own before the site that it is part of
                del self.findings.sites[name]
                self.findings.groups.pop(name, None)
                self.findings.others[name] = f"{type(module).__name__}: part of site {outer[0]}"
        return self.findings

    def _visit(self, name: str, module: nn.Module) -> None:
        if module in self.seen:
            return
        self.seen.add(module)
        if isinstance(module, PerforatedSite):
            self.seen.update(module.modules())
        elif _is_layer(module):
            self._take(name, module)
        elif reason := _never(module):
            self.findings.others[name] = f"{type(module).__name__}: {reason}"
        else:
            self._parts(name, module)

    def _parts(self, name: str, module: nn.Module) -> None:
        """The sites within a module that is none itself."""
        if declared := getattr(module, "dendrite_sites", None):
            for part in self.match(module, tuple(declared)):
                self._take(_joined(name, part), part_of(module, part))
            return
        if own := [each for each, _ in module.named_parameters(recurse=False)]:
            reason = f"{type(module).__name__}: its parameter {own[0]} lies beside parts that are sites of their own"
            self.findings.others[name or "(the model)"] = reason
        children = [(_joined(name, each), child) for each, child in module.named_children()]
        previous: str | None = None
        for child_name, child in children:
            if previous is not None and child not in self.seen and in_sequence(module) and is_norm(child):
                self.seen.add(child)
                self.findings.groups.setdefault(previous, []).append(child_name)
                continue
            self._visit(child_name, child)
            previous = child_name if child_name in self.findings.sites and not keeps_state(child) else None

    def _take(self, name: str, module: nn.Module) -> None:
        self.seen.update(module.modules())
        try:
            self.check(name, module)
        except SiteError as error:
            self.findings.others[name] = f"{type(module).__name__}: {error}"
        else:
            self.findings.sites[name] = module


def holds(whole: nn.Module, part: nn.Module) -> bool:
    """Whether a module is another, or a part of it, under whatever name."""
    return any(module is part for module in whole.modules())


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises: by its name, and by having no parameter with more than one axis."""
    return "norm" in type(module).__name__.lower() and all(p.ndim <= 1 for p in module.parameters())


def _is_layer(module: nn.Module) -> bool:
    if getattr(module, "recurrent_state", False) or isinstance(module, _LAYERS) or _passes_messages(module):
        return True
    if in_sequence(module):
        parts = list(module.children())
        return len(parts) > 1 and _is_layer(parts[0]) and all(map(is_norm, parts[1:]))
    if isinstance(module, (*_TABLES, *_ACTIVATIONS)) or is_norm(module):
        return False
    inside = [part for part in module.modules() if part is not module]
    own = any(True for _ in module.parameters(recurse=False))
    return own and not any(True for part in inside for _ in part.parameters(recurse=False))


def keeps_state(module: nn.Module) -> bool:
    """Whether it is a recurrent cell, of which a normalisation cannot become part."""
    return isinstance(module, nn.RNNCellBase) or bool(getattr(module, "recurrent_state", False))


def in_sequence(module: nn.Module) -> bool:
    """Whether its children are called one after the other, and nothing else is done."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def in_turn(module: nn.Module) -> list[nn.Module]:
    """The modules that are called one after the other when this one is: itself, or its parts."""
    if isinstance(module, LayerNormed):
        layer, norms = module._modules["layer"], module._modules["norms"]
        return [layer, *norms]  # type: ignore[list-item,misc]
    return list(module.children()) if in_sequence(module) else [module]


def _passes_messages(module: nn.Module) -> bool:
    """Whether it is a `MessagePassing` of PyG, whose import takes seconds and may be impossible."""
    return any(
        kind.__name__ == "MessagePassing" and kind.__module__.startswith("torch_geometric.")
        for kind in type(module).__mro__
    )


def _never(module: nn.Module) -> str | None:
    if not any(True for _ in module.parameters()):
        return "no parameters, nothing a dendrite could learn"
    if is_norm(module):
        return "a normalisation that does not follow a layer in a Sequential; an example of the inputs may show one"
    if isinstance(module, _TABLES):
        return "a table, in which there is nothing to be refined; name it in sites if you disagree"
    if isinstance(module, _ACTIVATIONS):
        return "a non-linearity: dendrites act before it"
    return None


def _kinds(module: nn.Module) -> Iterator[str]:
    yield from (type(part).__name__ for part in in_turn(module))


def _joined(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part


def describe(module: nn.Module) -> str:
    """What a site is, in the report."""
    return " + ".join(_kinds(module)) + ("; h_n stays the parent's" if isinstance(module, nn.RNNBase) else "")


def no_site(model: nn.Module, others: Mapping[str, str]) -> SiteError:
    """The error for a model in which nothing can be a site."""
    reasons = "; ".join(f"{name}: {reason}" for name, reason in list(others.items())[:5]) or "it has no parts"
    if _is_layer(model) and not in_sequence(model):
        reasons = f"it is a {type(model).__name__} itself, and sites are parts of a model: nn.Sequential(model) has one"
    return SiteError(f"the model has no sub-module that can be a site ({reasons}): name sites, or wrap the model")
