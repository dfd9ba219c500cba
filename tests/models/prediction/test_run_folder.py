from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.errors import ConfigurationProblem, CurateError, InputRefused
from models.card import ModelCard, read_card
from models.networks.catalogue import build_network
from models.prediction import engines
from models.prediction.find_model import find_model
from models.prediction.prepare import checked_model
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel
from models.prediction.weights import load_network, save_model
from models.preprocessing import normalised

CARD = ModelCard(
    input_size=(64, 48),
    channels="BGR",
    layout="NCHW",
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    output="logits",
    person_index=2,
    network="unet_shufflenet",
    classes=3,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = build_network("unet_shufflenet", classes=3)
    with torch.no_grad():  # so that the batch norms know what is usual
        for _ in range(3):
            network(torch.randn(4, 3, 64, 48))
    save_model(network, folder=tmp_path, card=CARD)
    return tmp_path


def checked(run: Path, *, device: str = "cpu") -> ReadyModel:
    found = find_model(run)
    outcome = checked_model(found, read_card(found.card), EngineOptions(workers=1, device=device))
    if isinstance(outcome, CurateError):
        raise outcome
    return outcome


def predicted(ready: ReadyModel, image: np.ndarray) -> np.ndarray:
    return ready.predictor(threads=1).predict([image])[0]


def test_every_engine_gives_the_softmax_of_torch(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    network, card = load_network(run)
    with torch.no_grad():
        logits = network(torch.from_numpy(normalised(image, card=card))[None])
    wanted = torch.softmax(logits, dim=1)[0, 2].numpy()
    found = {}
    for engine, missing in {"openvino": "", "onnxruntime": "has_openvino", "torch": "has_onnxruntime"}.items():
        if missing:
            monkeypatch.setattr(engines, missing, lambda **_: False)
        ready = checked(run)
        assert ready.engine == engine and ready.sha256 == card.sha256
        found[engine] = predicted(ready, image)
    for probability in found.values():
        np.testing.assert_allclose(probability, wanted, atol=1e-5)


def test_the_second_time_torch_is_not_needed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(1).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    first = predicted(checked(run), image)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "models.prediction.weights", None)
        np.testing.assert_array_equal(predicted(checked(run), image), first)


def test_weights_that_changed_are_refused_although_an_export_is_kept(run: Path) -> None:
    checked(run)
    file = run / "model.safetensors"
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    with pytest.raises(InputRefused, match="SHA-256"):
        checked(run)


def test_a_kept_export_that_is_damaged_or_of_other_weights_is_made_anew(run: Path) -> None:
    checked(run)
    (kept,) = (run / ".cache").iterdir()
    whole = kept.read_bytes()
    for spoilt in (b"", whole[:5000], whole.replace(whole[20_000:20_400], bytes(400))):
        kept.write_bytes(spoilt)
        assert checked(run).engine == "openvino"
        assert kept.read_bytes() == whole


def test_a_card_that_changed_is_refused_although_an_export_is_kept(run: Path) -> None:
    checked(run)
    card = run / "model.yaml"
    card.write_text(card.read_text().replace("channels: BGR", "channels: RGB"))
    with pytest.raises(InputRefused, match="does not answer as it did"):
        checked(run)


def test_a_gpu_that_is_not_there_is_told(run: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ConfigurationProblem, match="torch finds no GPU"):
        checked(run, device="cuda")
