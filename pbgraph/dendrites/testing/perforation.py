"""What must hold for a network that is to grow dendrites, tried on one example of its inputs with short phases.

All of it is exact but for gradients, which are compared up to rounding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import Reset, copied, copy_of, tensors_in
from pbgraph.dendrites.example import Example, without_draws
from pbgraph.dendrites.export import export, load_network, save_network
from pbgraph.dendrites.growth import Growth
from pbgraph.dendrites.outputs import same_output
from pbgraph.dendrites.perforation import perforate, sites_of
from pbgraph.dendrites.sites import Site
from pbgraph.dendrites.testing.base import Check, checks_of, require

SHORT: Mapping[str, Any] = {
    "switching": "fixed",
    "max_dendrites": 2,
    "max_epochs": 1,
    "cycle_epochs": 1,
    "dendrite_max_epochs": 2,
    "priming_batches": 0,
}
STEPS = 2  # of an epoch
TOLERANCE = 1e-4  # of gradients, relative to the largest of a parameter
MODES = {"evaluation": False, "training": True}


@dataclass(frozen=True, eq=False)
class Network:
    """A network that is to be checked.

    model    as it is before it is perforated
    example  the arguments of one call, as of `perforate`
    loss     of what the model returns, or of (model, example) as for `Growth`
    options  further arguments of `perforate`
    growth   further settings of `Growth`
    """

    model: nn.Module
    example: Example
    loss: Callable[..., Tensor]
    options: Mapping[str, Any] = field(default_factory=dict)
    growth: Mapping[str, Any] = field(default_factory=dict)

    def copy(self) -> nn.Module:
        """The model as it is, to be changed."""
        return copy_of(self.model)

    def perforated(self) -> nn.Module:
        """A copy with sites."""
        return perforate(self.copy(), **self.options)

    def output(self, model: nn.Module, mode: str) -> Any:
        """What the model makes of the example in this mode, whatever its dendrites draw at random.

        No weight requires a gradient, since torch's kernels are others, and round otherwise, where one does.
        """
        sites = sites_of(model).values()
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        try:
            for parameter in trained:
                parameter.requires_grad_(False)
            with without_draws(dendrite for site in sites for dendrite in site.dendrites):
                return self.example.output(model, training=MODES[mode])
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)

    def of(self, model: nn.Module, _: Any = None) -> Tensor:
        """The loss, as `Growth.step` asks for it."""
        if sum(p.default is Parameter.empty for p in signature(self.loss).parameters.values()) > 1:
            return self.loss(model, self.example.inputs if not self.example.named else self.example.named)
        return self.loss(model(*self.example.inputs, **self.example.named))


def perforation_checks(
    model: nn.Module,
    example: Any,
    loss: Callable[..., Tensor] | None = None,
    *,
    sites: Sequence[str | type[nn.Module]] | None = None,
    reset: Reset = None,
    **growth: Any,
) -> list[Check[Network]]:
    """All checks of a network.

    model    any module; it is copied
    example  the arguments of one call: a tuple or list, a dictionary of named ones, or the only one
    loss     (what the model returns) -> scalar, or (model, example) -> scalar as for `Growth`; None: the mean square of
             all numbers that it returns
    sites, reset  as of `perforate`;  growth: settings of `Growth`, such as ``errors="through"``
    """
    options = {"sites": sites, "reset": reset}
    return checks_of(Network(model, Example.of(example), loss or mean_square, options, growth), PERFORATION_CHECKS)


def mean_square(output: Any) -> Tensor:
    """Of all real numbers in what a model returns."""
    parts = [tensor.square().mean() for tensor in tensors_in(output) if tensor.is_floating_point()]
    require(bool(parts), f"the model returns a {type(output).__name__} without real numbers: give a loss")
    return torch.stack([part.float() for part in parts]).mean()


def check_perforation(network: Network) -> None:
    """With sites it computes what it did without, and has the same gradients, in evaluation and in training mode."""
    plain = network.copy()
    model = perforate(network.copy(), example=network.example, **network.options)
    for mode in MODES:
        expected = network.output(plain, mode)
        require(same_output(network.output(plain, mode), expected), f"it does not repeat itself in {mode} mode")
        require(same_output(network.output(model, mode), expected), f"sites change what it computes in {mode} mode")
    ours, theirs = _gradients(network, model), _gradients(network, plain)
    missing = len(theirs) - len(ours)
    require(not missing, f"with sites {missing} parameters fewer have a gradient")
    require(all(map(torch.equal, ours.values(), theirs.values())), "sites change its gradients")


def check_acceptance(network: Network) -> None:
    """Every site grows, and dendrites that are accepted leave its outputs as they were, bit for bit."""
    grown, wanted = set[str](), set[str]()
    for growth, before in _epochs(network):
        if growth.phase != "neuron" or growth.dendrites == before["dendrites"]:
            continue
        grown |= {name for name, site in growth.sites.items() if site.dendrites}
        limits = growth.settings.sites_per_cycle, growth.settings.max_parameters
        wanted = set(growth.sites) if limits == (None, None) else grown
        for mode in MODES:
            same = same_output(network.output(growth.model, mode), before[mode])
            require(same, f"the acceptance of dendrite {growth.dendrites} changes what it computes in {mode} mode")
    require(bool(grown), "no dendrite was accepted")
    require(wanted <= grown, f"no dendrite was accepted at {', '.join(sorted(wanted - grown))}")


def check_frozen(network: Network) -> None:
    """In a dendrite phase it stands still: parameters, buffers and outputs stay what they were."""
    for growth, before in _epochs(network):
        if before["phase"] != "dendrite":
            continue
        for name, value in _own_state(growth.model).items():
            same = name not in before["state"] or same_output(value, before["state"][name])
            require(same, f"{name} changes in a dendrite phase")
        for mode in MODES:
            same = same_output(network.output(growth.model, mode), before[mode])
            require(same, f"what it computes in {mode} mode changes in a dendrite phase")


def check_gradients(network: Network) -> None:
    """No error flows through its dendrites: its gradients are those with constants in the dendrites' place."""
    model = _grown(network)
    sites = list(sites_of(model).values())
    gradients = _gradients(network, model)
    if any(site.role.errors == "through" for site in sites):
        return  # it was asked for that they do
    with _constant(sites):
        expected = _gradients(network, model)
    require(gradients.keys() == expected.keys(), "other parameters have gradients than with constants")
    for name, gradient in expected.items():
        off = float((gradients[name] - gradient).abs().max()) if gradient.numel() else 0.0
        largest = float(gradient.abs().max()) if gradient.numel() else 0.0
        require(off <= TOLERANCE * largest + 1e-7, f"an error of {off:.1e} flows to {name} through dendrites")


def check_export(network: Network) -> None:
    """What is exported computes the same bit for bit."""
    model = _grown(network)
    plain = export(model)
    same = same_output(network.output(plain, "evaluation"), network.output(model, "evaluation"))
    require(same, "the exported network computes something else")


def check_saving(network: Network) -> None:
    """Saved and loaded into a new copy, it computes the same bit for bit."""
    model = _grown(network)
    with tempfile.TemporaryDirectory() as folder:
        save_network(model, Path(folder) / "network")
        again = load_network(network.perforated(), Path(folder) / "network")
    same = same_output(network.output(again, "evaluation"), network.output(model, "evaluation"))
    require(same, "what is loaded computes something else: it keeps more than parameters and buffers")


def check_resuming(network: Network) -> None:
    """Taken up from a saved state in the middle of either phase, growth ends as if it had never been interrupted."""
    growth = _growth(network, network.perforated())
    states = [(step, growth.state_dict()) for step in _run(network, growth)]
    expected = copied(growth.model.state_dict())
    for step, state in states[1 :: max(1, len(states) // 4)]:
        again = _growth(network, network.perforated())
        again.load_state_dict(state)
        for _ in _run(network, again, step):
            pass
        ended = again.model.state_dict()
        same = ended.keys() == expected.keys() and same_output(list(ended.values()), [expected[name] for name in ended])
        require(same, f"taken up after step {step}, in the middle of growth, it ends otherwise")


def _growth(network: Network, model: nn.Module) -> Growth:
    return Growth(model, lambda groups: torch.optim.Adam(groups, lr=1e-3), **{**SHORT, **network.growth})


def _run(network: Network, growth: Growth, first: int = 0) -> Iterator[int]:
    """Train to the end, each step from random streams of its own; yields the number of steps within each epoch."""
    step = first
    with torch.random.fork_rng():
        while not growth.finished:
            while step % STEPS or step == first:
                torch.manual_seed(step)
                growth.step(network.of, None)
                step += 1
                if step % STEPS:
                    yield step
            growth.epoch_end(float(growth.epoch))
            first = step


def _epochs(network: Network) -> Iterator[tuple[Growth, dict[str, Any]]]:
    """After each epoch, the growth, and what there was before its end: modes, phase, number of dendrites, state."""
    growth = _growth(network, network.perforated())
    with torch.random.fork_rng():
        step = 0
        while not growth.finished:
            before: dict[str, Any] = {"phase": growth.phase, "dendrites": growth.dendrites}
            before["state"] = _own_state(growth.model)
            for mode in MODES if growth.phase == "dendrite" else ():
                before[mode] = network.output(growth.model, mode)
            for _ in range(STEPS):
                torch.manual_seed(step := step + 1)
                growth.step(network.of, None)
            if growth.phase == "neuron":
                for mode in MODES:
                    before[mode] = network.output(growth.model, mode)
            growth.epoch_end(float(growth.epoch))
            yield growth, before


def _own_state(model: nn.Module) -> dict[str, Any]:
    """Parameters and buffers but those of candidates, copied."""
    return {name: copied(value) for name, value in model.state_dict().items() if ".candidates." not in name}


def _grown(network: Network) -> nn.Module:
    """A copy with dendrites and output weights that are not 0."""
    growth = _growth(network, network.perforated())
    for _ in _run(network, growth):
        pass
    growth.restore_best()
    require(growth.dendrites > 0, "no site grew a dendrite")
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for site in growth.sites.values():
            for w in site.w:
                w.copy_(torch.randn(w.shape, generator=draws))
    return growth.model


def _gradients(network: Network, model: nn.Module) -> dict[str, Tensor]:
    """Of the loss in training mode, by parameter but those of dendrites, all else left as it was."""
    model.zero_grad(set_to_none=True)
    keep = copied(model.state_dict())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network.of(model.train()).backward()  # type: ignore[no-untyped-call]
    model.load_state_dict(keep)
    named = model.named_parameters()
    gradients = {name: p.grad.clone() for name, p in named if p.grad is not None and ".dendrites." not in name}
    model.zero_grad(set_to_none=True)
    return gradients


@contextmanager
def _constant(sites: Sequence[Site]) -> Iterator[None]:
    """Within the block dendrites answer with constants, and nothing else holds errors back."""

    def cut(_: nn.Module, __: Any, output: tuple[Tensor, Any]) -> tuple[Tensor, Any]:
        return output[0].detach(), output[1]

    roles = [site.role for site in sites]
    hooks = [dendrite.register_forward_hook(cut) for site in sites for dendrite in site.dendrites]
    for site in sites:
        site.role = replace(site.role, errors="through")
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for site, role in zip(sites, roles, strict=True):
            site.role = role


PERFORATION_CHECKS: Mapping[str, Callable[[Network], None]] = {
    "perforation": check_perforation,
    "acceptance": check_acceptance,
    "frozen": check_frozen,
    "gradients": check_gradients,
    "export": check_export,
    "saving": check_saving,
    "resuming": check_resuming,
}
