"""A perforated network as data: the dendrites of each site, by their activations, and all weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from pbgraph.dendrites.copies import copied
from pbgraph.dendrites.dendrite import ACTIVATIONS
from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.settings import STRUCTURAL, GrowthSettings
from pbgraph.dendrites.sites import Site
from pbgraph.streams import seeded

MOST_CHANNELS = 2**20  # neurons of a site in a state that somebody else may have written


def network_state(model: nn.Module, *, candidates: bool) -> dict[str, Any]:
    """Structure and weights, copied; with or without the candidates in training."""
    sites = sites_of(model)
    structure = {
        name: {
            "dendrites": [dendrite.activation for dendrite in site.dendrites],
            "candidates": [candidate.activation for candidate in site.candidates] if candidates else [],
            "channels": site.channels,
            "errors": site.role.errors,
        }
        for name, site in sites.items()
    }
    left_out = () if candidates else tuple(f"{name}.candidates." for name in sites)
    weights = {name: value for name, value in model.state_dict().items() if not name.startswith(left_out)}
    return {"structure": structure, "weights": copied(weights)}


def restore_network(model: nn.Module, state: dict[str, Any]) -> None:
    """Make the model what it was when `network_state` looked at it: structure and weights.

    Raises SiteError if the state is of a network with other sites or other sizes.
    """
    structure = known_state(state, "structure", other="Growth.load")["structure"]
    sites = _same_sites(model, structure)
    for name, counts in structure.items():
        _check_structure(name, counts, state["weights"])
    for name, counts in structure.items():
        sites[name].channels = counts["channels"]
        sites[name].role = replace(sites[name].role, errors=counts.get("errors", sites[name].role.errors))
        with seeded(0, "overwritten"):
            sites[name].resize(counts["dendrites"], counts["candidates"])
    if wrong := _mismatch(model.state_dict(), state["weights"], sites):
        raise SiteError(f"the state was saved for another network, {wrong}: build the same one first")
    model.load_state_dict(state["weights"])


def _same_sites(model: nn.Module, structure: Mapping[str, Any]) -> dict[str, Site]:
    """The model's sites; raises SiteError unless the structure is of the same."""
    sites = sites_of(model)
    if set(sites) != set(structure):
        ours, theirs = ", ".join(sites) or "none", ", ".join(structure) or "none"
        raise SiteError(
            f"the state was saved for a network with sites {theirs}; this one has {ours}: build and perforate the same"
        )
    return sites


def known_state(state: Mapping[str, Any], key: str, *, other: str) -> dict[str, Any]:
    """The state if it is of the kind that has this key; raises SiteError for another, such as what `other` reads."""
    if key not in state:
        raise SiteError(f"the state has no {key!r}, but {', '.join(list(state)[:5]) or 'nothing'}: try {other}")
    return dict(state)


def refuse_other_growth(model: nn.Module, settings: GrowthSettings, state: Mapping[str, Any]) -> None:
    """Raises SiteError if a growth's state is of other sites, or of other settings of what grows there.

    A state of an earlier version tells the errors of its dendrites, and of its candidates their number and activation.
    """
    known: dict[str, Any] = {}
    structure = state["network"]["structure"]
    _same_sites(model, structure)
    for site in structure.values():
        known |= {"errors": site["errors"]} if "errors" in site else {}
        if pool := site["candidates"]:
            known |= {"pool": len(pool), "activation": pool[0]}
    for name, value in (known | state.get("settings", {})).items():
        if name in STRUCTURAL and getattr(settings, name) != value:
            raise SiteError(
                f"the state was saved with {name}={value!r} and this growth has {name}={getattr(settings, name)!r}, so "
                f"its dendrites would not be the same: make it with {name}={value!r}"
            )


def _check_structure(name: str, counts: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Raises SiteError unless there are weights for as many dendrites as a site is said to have, and for no more."""
    for kind in ("dendrites", "candidates"):
        beginning, wanted = f"{name}.{kind}.", counts[kind]
        there = {key.removeprefix(beginning).split(".")[0] for key in weights if key.startswith(beginning)}
        if len(there) != len(wanted) or not set(wanted) <= ACTIVATIONS.keys():
            raise SiteError(f"the state has weights for {len(there)} {kind} at site {name!r}, not for {wanted}")
    channels = counts["channels"]
    if channels is not None and not (isinstance(channels, int) and 0 < channels <= MOST_CHANNELS):
        raise SiteError(f"the state says that site {name!r} has {channels} neurons")


def shapes(state: Mapping[str, Any]) -> dict[str, tuple[int, ...] | str]:
    """Of every parameter and buffer in a module's state; of what else is there, none."""
    return {name: tuple(value.shape) if is_weight(name, value) else "no tensor" for name, value in state.items()}


def is_weight(name: str, value: Any) -> bool:
    """Whether what is in a module's state is a parameter or a buffer, rather than what get_extra_state() gave."""
    return isinstance(value, Tensor) and not name.endswith("_extra_state")


def _mismatch(ours: Mapping[str, Any], theirs: Mapping[str, Any], sites: Iterable[str]) -> str | None:
    """The first tensor that is not the same in both, and the site it belongs to."""
    own_shapes, other_shapes = shapes(ours), shapes(theirs)
    for name in (*ours, *theirs):
        own, other = (known.get(name, "absent") for known in (own_shapes, other_shapes))
        if own != other:
            site = next((f"at site {site!r}" for site in sites if name.startswith(f"{site}.")), "outside its sites")
            return f"{site}: {name} is {other} in the state and {own} here"
    return None
