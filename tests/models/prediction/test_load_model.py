"""A model that is loaded predicts as worked out by hand, and tells what it was given that is no image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from curation.errors import SecurityRefused
from models import load_model
from models.prediction.load_model import LoadedModel
from tests.models.prediction.drawn_models import CARD, SIZE, red_model, write_onnx


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(str(write_onnx(tmp_path_factory.mktemp("model"), red_model(), name="red")), threads=1)


def test_one_image_gives_one_probability_and_a_list_a_list(model: LoadedModel) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    wanted = expit((image[..., 0] - 100.0) / 50)
    found = model.predict(image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    large = np.full((64, 10, 3), 100, np.uint8)
    first, second = model.predict([image, large])
    np.testing.assert_allclose(first, wanted, atol=1e-6)
    assert second.shape == (64, 10) and second == pytest.approx(0.5)
    assert model.predict([]) == []


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (np.zeros((8, 8), np.uint8), ValueError),
        (np.zeros((8, 8, 4), np.uint8), ValueError),
        (np.zeros((8, 8, 3), np.float32), ValueError),
        (np.zeros((0, 8, 3), np.uint8), ValueError),
        (np.zeros((), np.uint8), ValueError),
        (["photo.jpg"], TypeError),
    ],
    ids=["gray", "RGBA", "floats", "empty", "a number", "a path"],
)
def test_what_is_no_image_is_refused(model: LoadedModel, given: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="uint8 RGB"):
        model.predict(given)  # type: ignore[call-overload]


def test_it_shows_its_card_and_itself_in_a_line(model: LoadedModel) -> None:
    assert (model.card.input_size, model.card.output) == (CARD.input_size, CARD.output)
    assert repr(model).startswith("<Model 'red': sees 32 x 24 (height x width), ")


def test_what_can_carry_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(SecurityRefused) as refused:
        load_model(path)
    assert refused.value.exit_code == 8
