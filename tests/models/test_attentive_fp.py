"""AttentiveFP against torch_geometric's model."""

from __future__ import annotations

import pytest

from parity import assert_same, double_model
from pbgraph.testing import DIMS


@pytest.mark.parametrize(("layers", "steps"), [(1, 1), (3, 2)])
def test_is_torch_geometrics_attentive_fp(layers: int, steps: int) -> None:
    from torch_geometric.nn.models import AttentiveFP

    renamed = [
        ("embedding", "lin1"),
        (r"convs\.0\.edge", "gate_conv.lin1"),
        (r"convs\.0\.output", "gate_conv.lin2"),
        (r"convs\.0\.sender", "gate_conv.att_l"),
        (r"convs\.0\.receiver", "gate_conv.att_r"),
        (r"convs\.0", "gate_conv"),
        *((rf"^convs\.{i}\.", f"atom_convs.{i - 1}.") for i in range(1, layers)),
        (r"(atom_convs\.\d)\.output", r"\1.lin"),
        (r"(atom_convs\.\d)\.sender", r"\1.att_src"),
        (r"(atom_convs\.\d)\.receiver", r"\1.att_dst"),
        (r"grus\.0\.cell", "gru"),
        *((rf"grus\.{i}\.cell", f"atom_grus.{i - 1}") for i in range(1, layers)),
        (r"readout_gru\.cell", "mol_gru"),
        (r"readout_conv\.output", "mol_conv.lin"),
        (r"readout_conv\.sender", "mol_conv.att_src"),
        (r"readout_conv\.receiver", "mol_conv.att_dst"),
        ("readout_conv", "mol_conv"),
        ("logits", "lin2"),
    ]
    assert_same(
        double_model("attentive-fp", hidden=7, layers=layers, steps=steps),
        AttentiveFP(DIMS.node, 7, DIMS.tasks, DIMS.edge, layers, steps),
        renamed=renamed,
        run=lambda model, batch: model(batch.x, batch.edge_index, batch.edge_attr, batch.batch),
    )
