"""TFLite files: what is refused before anything is installed; and, where the environment is there, beside torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from curation.errors import InputRefused
from models.export.tflite.environment import LITERT
from models.export.tflite.tflite_files import LiteRt, tflite_card, tflite_file
from models.networks.catalogue import build_network
from tests.models.small_card import CARD


def test_channels_lie_last_in_what_it_takes_and_gives() -> None:
    card = tflite_card(CARD)
    assert (card.layout, card.planes, card.input_size) == ("NHWC", "NHWC", CARD.input_size)


def test_an_onnx_file_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="of a network that torch knows"):
        tflite_file(None, card=CARD, python=tmp_path / "python")


def test_a_process_that_ends_is_told(tmp_path: Path) -> None:
    engine = LiteRt(b"", python=Path("/bin/false"), threads=1)
    with pytest.raises(RuntimeError, match="ended without an answer"):
        engine.run(np.zeros((1, 4, 4, 3), np.float32))


@pytest.mark.nightly
@pytest.mark.skipif(
    not LITERT.is_installed(), reason="the environment that `curate export --to tflite` makes is not there"
)
def test_litert_gives_what_torch_gives() -> None:
    torch.manual_seed(0)
    network = build_network("unet_shufflenet")
    with torch.no_grad():
        network(torch.randn(4, 3, 64, 48))
    python = LITERT.program("python", tell=print)
    engine = LiteRt(tflite_file(network.eval(), card=CARD, python=python), python=python, threads=1)
    image = torch.randn(1, 3, 64, 48)
    with torch.no_grad():
        wanted = network(image).numpy()
    found = engine.run(image.numpy().transpose(0, 2, 3, 1))
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2), wanted, atol=1e-4)
