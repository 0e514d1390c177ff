"""What must hold for everything that can be registered, as checks for whoever registers it.

The whole test file of a package that offers the architecture ``my-net``::

    import pytest
    from pbgraph.testing import architecture_checks

    @pytest.mark.parametrize("check", architecture_checks("my-net"), ids=str)
    def test_conforms(check):
        check()

A check raises CheckFailed with the reason if something does not hold. Estimators, featurisers, training methods, data
sets, splits and metrics have theirs in the same way: `estimator_checks`, `featuriser_checks`, `method_checks`,
`dataset_checks`, `split_checks`, `metric_checks`; `checks` finds out of which kind a name is.
"""

from pbgraph.testing.architectures import (
    ARCHITECTURE_CHECKS,
    DIMS,
    architecture_checks,
    as_batch,
    as_double,
    molecule,
    molecules,
    without_atoms,
)
from pbgraph.testing.base import Check, CheckFailed
from pbgraph.testing.datasets import DATASET_CHECKS, dataset_checks
from pbgraph.testing.estimators import ESTIMATOR_CHECKS, estimator_checks
from pbgraph.testing.featurisers import FEATURISER_CHECKS, featuriser_checks
from pbgraph.testing.find import checks
from pbgraph.testing.methods import METHOD_CHECKS, method_checks
from pbgraph.testing.metrics import METRIC_CHECKS, metric_checks
from pbgraph.testing.splits import SPLIT_CHECKS, split_checks

__all__ = [
    "ARCHITECTURE_CHECKS",
    "DATASET_CHECKS",
    "DIMS",
    "ESTIMATOR_CHECKS",
    "FEATURISER_CHECKS",
    "METHOD_CHECKS",
    "METRIC_CHECKS",
    "SPLIT_CHECKS",
    "Check",
    "CheckFailed",
    "architecture_checks",
    "as_batch",
    "as_double",
    "checks",
    "dataset_checks",
    "estimator_checks",
    "featuriser_checks",
    "method_checks",
    "metric_checks",
    "molecule",
    "molecules",
    "split_checks",
    "without_atoms",
]
