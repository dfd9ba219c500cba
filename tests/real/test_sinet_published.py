"""Our SINet with published weights, which another code trained, gives the numbers that the published graph gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from models.networks.sinet import SINet
from tests.places import REAL_DATA

GRAPH = REAL_DATA / "models" / "sinet.onnx"
KINDS = {nn.Conv2d: "Conv", nn.BatchNorm2d: "BatchNormalization", nn.PReLU: "PRelu", nn.Linear: "Gemm"}
NAMES = ("weight", "bias", "running_mean", "running_var")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not GRAPH.is_file(), reason=f"no {GRAPH}; set CURATE_REAL_DATA to the folder of real data"),
]


def layers_in_order(network: nn.Module) -> list[nn.Module]:
    """Return the layers that have weights, in the order in which an image meets them."""
    met: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda layer, _, __: met.append(layer))
        for module in network.modules()
        if type(module) in KINDS
    ]
    with torch.no_grad():
        network(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return met


def take_weights(network: nn.Module, graph: onnx.GraphProto) -> None:
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type in KINDS.values()]
    for layer, node in zip(layers_in_order(network), nodes, strict=True):
        assert KINDS[type(layer)] == node.op_type  # type: ignore[index]
        for name, source in zip(NAMES, node.input[1:]):
            own: Tensor = getattr(layer, name).data
            own.copy_(torch.tensor(arrays[source]).reshape(own.shape))


def test_published_weights_fit_and_give_the_same_logits() -> None:
    network = SINet(2).eval()
    model = onnx.load(GRAPH)
    take_weights(network, model.graph)
    image = np.random.default_rng(0).normal(0, 0.004, (1, 3, 320, 320)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(GRAPH, options, providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"data": image})
    with torch.no_grad():
        logits = network(torch.from_numpy(image)).numpy()
    assert expected.std() > 0.1
    assert np.abs(logits - expected).max() < 1e-4


def test_the_published_graph_has_as_many_layers_of_each_kind() -> None:
    nodes = Counter(node.op_type for node in onnx.load(GRAPH).graph.node)
    layers = Counter(KINDS[type(layer)] for layer in layers_in_order(SINet(2).eval()))  # type: ignore[index]
    assert layers == {kind: nodes[kind] for kind in KINDS.values()}
