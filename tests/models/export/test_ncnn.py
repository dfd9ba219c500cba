"""Ncnn beside torch, on networks of ours and on one that it has no words for."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from curation.errors import EnvironmentProblem, InputRefused
from models.export.runtimes import ncnn_door
from models.export.runtimes.ncnn_door import ncnn_files, open_ncnn
from models.networks.catalogue import build_network
from models.prediction.onnx_files.to_onnx import onnx_of
from tests.models.small_card import CARD

pytest.importorskip("ncnn", reason="the extra mobile is not installed")


@pytest.mark.parametrize("with_network", [True, False])
def test_ncnn_gives_what_torch_gives(with_network: bool) -> None:
    torch.manual_seed(0)
    network = build_network("unet_shufflenet")
    with torch.no_grad():
        network(torch.randn(4, 3, 64, 48))
    data = b"" if with_network else onnx_of(network, card=CARD)
    graph, numbers = ncnn_files(network if with_network else None, data=data, card=CARD)
    engine = open_ncnn(graph, numbers, card=CARD, threads=1)
    image = np.random.default_rng(0).normal(size=(1, 3, 64, 48)).astype(np.float32)
    with torch.no_grad():
        wanted = network.eval()(torch.from_numpy(image)).numpy()
    for _ in range(2):
        found = engine.run(image)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_network_that_ncnn_cannot_say_is_refused_by_name() -> None:
    class Strange(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.linalg.svdvals(image)[..., None].mean(dim=1, keepdim=True)

    with pytest.raises(InputRefused, match=r"svd|pnnx") as refused:
        ncnn_files(Strange(), data=b"", card=CARD)
    assert "--to onnx" in refused.value.remedy


def test_files_that_are_no_model_are_told() -> None:
    with pytest.raises(RuntimeError, match="ncnn does not read the model"):
        open_ncnn(b"7767517\n1 1\nNowhere a 0 1 in0\n", b"", card=CARD, threads=1)


def test_a_pnnx_that_does_not_start_is_no_fault_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import pnnx

    monkeypatch.setattr(pnnx, "EXEC_PATH", "/nowhere/pnnx")
    with pytest.raises(EnvironmentProblem, match="pnnx does not run"):
        ncnn_files(None, data=b"", card=msgspec.structs.replace(CARD))
    assert "portrait-curate[mobile]" in ncnn_door.GET
