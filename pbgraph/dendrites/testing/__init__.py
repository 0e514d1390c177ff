"""Is a network safe with dendrites? What must hold for every network, as checks for whoever has one.

Before training for a day::

    import pytest
    from pbgraph.dendrites.testing import perforation_checks

    CHECKS = perforation_checks(MyNetwork(), (x, edge_index), lambda y: y.square().mean())

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    def test_conforms(check):
        check()

or, without pytest, ``for check in perforation_checks(...): check()``. A check raises CheckFailed with the reason if
something does not hold. The model that is handed over is copied and stays as it is.
"""

from pbgraph.dendrites.testing.base import Check, CheckFailed
from pbgraph.dendrites.testing.perforation import PERFORATION_CHECKS, Network, perforation_checks

__all__ = ["PERFORATION_CHECKS", "Check", "CheckFailed", "Network", "perforation_checks"]
