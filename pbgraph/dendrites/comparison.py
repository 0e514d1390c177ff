"""Whether a network computes the same before and after it got sites, and with dendrites that add nothing yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.example import Example, without_draws
from pbgraph.dendrites.outputs import same_output
from pbgraph.dendrites.sites import Site
from pbgraph.streams import seeded

Replace = Callable[[nn.Module, nn.Module], None]


class Comparison:
    """What a model makes of an example before it has sites.

    left_out  modes in which it cannot be compared, and why
    """

    def __init__(self, model: nn.Module, example: Example) -> None:
        self.example, self._model = example, model
        self.left_out: dict[str, str] = {}
        self._before: dict[str, Any] = {"evaluation": example.output(model)}
        try:
            self._before["training"] = example.output(model, training=True)
        except Exception as error:  # e.g. batch normalisation of a single row
            self.left_out["training"] = f"the model fails in it ({type(error).__name__}: {error})"
        for mode in [mode for mode in self._before if self._difference(mode)]:
            del self._before[mode]
            self.left_out[mode] = "the model does not compute the same twice"

    def check(self, sites: Mapping[str, Site], replace: Replace) -> None:
        """Raises SiteError, naming the site, if the model computes something else now or with dendrites of w = 0.

        replace  (module, other) -> puts the other in its place, wherever it is
        """
        if (difference := self._first()) is not None:
            raise self._wrong_site(sites, replace, difference)
        with _dendrites(sites):
            difference = self._first()
        if difference is not None:
            raise self._wrong_dendrite(sites, difference)
        for site in sites.values():
            site.channels = None  # as before any call in training

    def _wrong_site(self, sites: Mapping[str, Site], replace: Replace, difference: str) -> SiteError:
        for site in sites.values():
            replace(site.module, site.parent)
        for name, site in sites.items():
            replace(site.parent, site.module)
            if (alone := self._first()) is not None:
                return SiteError(f"{name!r} cannot be a site: that {alone}; name the sites and leave it out")
            replace(site.module, site.parent)
        return SiteError(f"these cannot all be sites: that {difference}; name some of them")

    def _wrong_dendrite(self, sites: Mapping[str, Site], difference: str) -> SiteError:
        for name, site in sites.items():
            with _dendrites({name: site}):
                if (alone := self._first()) is not None:
                    return SiteError(
                        f"{name!r} cannot be a site: a dendrite there that adds nothing {alone}; name the sites and "
                        "leave it out"
                    )
        return SiteError(f"these cannot all be sites: dendrites there that add nothing {difference}; name some of them")

    def _first(self) -> str | None:
        """The first mode in which the model now computes something else, in words."""
        return next((difference for mode in self._before if (difference := self._difference(mode))), None)

    def _difference(self, mode: str) -> str | None:
        try:
            now = self.example.output(self._model, training=mode == "training")
        except Exception as error:  # whatever a network says of parts that it does not know
            return f"makes the model fail in {mode} mode ({type(error).__name__}: {error})"
        return None if same_output(now, self._before[mode]) else f"changes what the model computes in {mode} mode"


@contextmanager
def _dendrites(sites: Mapping[str, Site]) -> Iterator[None]:
    """Within the block the sites that were called have a dendrite more, of w = 0, which draws no numbers."""
    grown = [site for site in sites.values() if site.channels is not None]
    for site in grown:
        with seeded(0, f"comparison/{site.name}"):
            site.accept(site.new_dendrite("tanh"))
    try:
        with without_draws(site.dendrites[-1] for site in grown):
            yield
    finally:
        for site in grown:
            del site.dendrites[-1]
            site.w = nn.ParameterList(list(site.w)[:-1])
