"""The authors' TrimNet, value by value: logits and every gradient of one batch of 13 molecules in float64."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from pbgraph.graph import GraphBatch
from pbgraph.models.base import Dims
from pbgraph.models.trimnet import TRIMNET

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "trimnet_reference.npz"

RENAMED = [
    (r"^blocks\.", "convs."),
    (r"gru\.cell\.(weight|bias)_(ih|hh)$", r"gru.\1_\2_l0"),
    (r"gru\.norm\.", "ln."),
    (r"set2set\.lstm\.(weight|bias)_(ih|hh)$", r"set2set.lstm.\1_\2_l0"),
    (r"^hidden\.linear\.", "out.0."),
    (r"^hidden\.norm\.", "out.1."),
    (r"^logits\.", "out.4."),
]


def authors_name(name: str) -> str:
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    if not GOLDEN.exists():
        pytest.skip("parity with the authors' TrimNet was not checked: ../shared/golden is absent")
    with np.load(GOLDEN, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays if name != "mol_id"}


@pytest.fixture
def model(golden: dict[str, torch.Tensor]) -> torch.nn.Module:
    dims = Dims(node=golden["x"].shape[1], edge=golden["edge_attr"].shape[1], tasks=12)
    network = TRIMNET.build(dims, TRIMNET.config()).double().eval()
    state = {name: golden[f"param/{authors_name(name)}"] for name in network.state_dict()}
    assert len(state) == sum(name.startswith("param/") for name in golden)
    network.load_state_dict(state)
    return network


def test_logits_and_gradients_are_the_authors(golden: dict[str, torch.Tensor], model: torch.nn.Module) -> None:
    batch = GraphBatch.from_dense(
        golden["x"].double(),
        golden["edge_index"],
        golden["edge_attr"].double(),
        batch=golden["batch"],
        num_graphs=len(golden["logits"]),
    )
    outputs = []
    model.logits.register_forward_hook(lambda module, args, output: outputs.append(output))
    difference = model(batch)
    torch.testing.assert_close(outputs[0], golden["logits"], rtol=0, atol=1e-9)
    torch.testing.assert_close(difference, golden["logits"][:, 1::2] - golden["logits"][:, ::2], rtol=0, atol=1e-9)
    (outputs[0] * golden["probe"]).sum().backward()
    for name, parameter in model.named_parameters():
        expected = golden[f"grad/{authors_name(name)}"]
        torch.testing.assert_close(parameter.grad, expected, rtol=0, atol=1e-7, msg=lambda m, name=name: f"{name}: {m}")


def test_parameter_count_is_the_papers() -> None:
    model = TRIMNET.build(Dims(node=39, edge=10, tasks=12), TRIMNET.config())
    assert sum(p.numel() for p in model.parameters()) == 109_304
