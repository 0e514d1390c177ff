"""Every preset can be planned for a task whose molecules have numbers beside their structures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbgraph.datasets.base import DATASETS
from pbgraph.models.base import MODELS
from pbgraph.plans.plan import plan
from pbgraph.plans.presets import preset, presets


@pytest.mark.parametrize("name", [name for name in presets() if not preset(name).task])
def test_rows_read_the_columns_but_for_networks_with_their_own_head_and_what_takes_bits_alone(name):
    dataset = replace(DATASETS.get("bace"), name="mine", graph_columns=("pH",))
    rows = {spec.arm: spec for spec in plan(dataset, name).specs}
    assert rows
    for spec in rows.values():
        alone = spec.changes.get("head") == "own" or getattr(MODELS.get(spec.model), "bits_alone", False)
        assert ("columns" in spec.featuriser.split("+")) != alone
