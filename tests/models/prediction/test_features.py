from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from curation.errors import InputRefused
from curation.images.pixels import encode_image
from labeling.selection.select import k_centre
from models.card import ModelCard
from models.prediction import features
from models.prediction.features import deepest_part, image_features
from models.prediction.onnx_files.safety import checked_onnx
from models.prediction.ready_model import ReadyModel
from tests.models.deep_onnx import CHANNELS, STRIDE, deep_model
from tests.models.prediction.drawn_models import CARD, SIZE, red_model

RED = np.zeros((CHANNELS, 3, 1, 1), np.float32)
RED[:, 0, 0, 0] = np.arange(CHANNELS) - 6
ANY = np.random.default_rng(0).normal(size=(CHANNELS, 3, STRIDE, STRIDE)).astype(np.float32)


def ready(model: onnx.ModelProto, *, card: ModelCard = CARD) -> ReadyModel:
    data = checked_onnx(model.SerializeToString(), file=Path("m.onnx"))
    return ReadyModel(name="m", file=Path("m.onnx"), sha256="", card=card, data=data, engine="onnxruntime")


def drawn(folder: Path, *images: np.ndarray) -> list[tuple[Path, str]]:
    names = [f"{index}.png" for index in range(len(images))]
    for name, image in zip(names, images, strict=True):
        (folder / name).write_bytes(encode_image(np.ascontiguousarray(image, np.uint8)))
    return [(folder, name) for name in names]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_features_are_the_means_of_the_deepest_activation_worked_by_hand(tmp_path: Path, layout: str) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    model = ready(deep_model(RED, layout=layout), card=msgspec.structs.replace(CARD, layout=layout))
    done: list[int] = []
    found = image_features(model, images=drawn(tmp_path, image, image[:, ::-1]), threads=1, progress=done.append)
    # each channel is a multiple of the red of every eighth pixel, where that is above 0
    red = (image[::STRIDE, ::STRIDE, 0].astype(np.float64) - 100) / 50
    wanted = [np.maximum(factor * red, 0).mean() for factor in range(-6, CHANNELS - 6)]
    assert found.shape == (2, CHANNELS) and found.dtype == np.float32
    np.testing.assert_allclose(found[0], wanted, rtol=1e-5, atol=1e-6)
    assert not np.allclose(found[0], found[1]) and done == [1, 2]


def test_of_maps_the_last_of_fewest_pixels_is_taken() -> None:
    part = deepest_part(ready(deep_model(RED)), threads=1)
    assert [value.name for value in onnx.load_from_string(part).graph.output] == ["deep"]


def test_two_kinds_of_images_are_covered_by_two_picks(tmp_path: Path) -> None:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    rng = np.random.default_rng(2)
    kinds = []
    for number in range(12):
        noise = rng.integers(0, 20, (*SIZE, 3))
        disc = ((y - 16) ** 2 + (x - 12) ** 2 < 64)[..., None] * np.int64([200, 40, 30])
        stripes = ((x // 4 % 2) == 0)[..., None] * np.int64([30, 60, 210])
        kinds.append(noise + (disc if number % 3 == 0 else stripes))
    found = image_features(ready(deep_model(ANY)), images=drawn(tmp_path, *kinds), threads=1)
    for first in range(12):
        picked = k_centre(found, count=2, first=first)
        assert {number % 3 == 0 for number in picked} == {True, False}


def test_what_is_no_image_or_not_finite_is_nought(tmp_path: Path) -> None:
    images = drawn(tmp_path, np.full((*SIZE, 3), 250), np.full((*SIZE, 3), 250))
    (tmp_path / "1.png").write_bytes(b"no image")
    images += [(tmp_path, "absent.png"), (tmp_path, "../0.png")]
    found = image_features(ready(deep_model(RED)), images=images, threads=1)
    assert found[0].any() and not found[1:].any()
    endless = image_features(ready(deep_model(RED * np.float32(3e37))), images=images[:1], threads=1)
    assert not endless.any()


def test_a_model_without_such_a_map_is_refused(tmp_path: Path) -> None:
    by_torch = ReadyModel(name="m", file=Path("m"), sha256="", card=CARD, data=b"", engine="torch")
    for model in (ready(red_model()), by_torch):
        with pytest.raises(InputRefused, match="no map of 16 channels"):
            image_features(model, images=[], threads=1)


def test_a_graph_that_onnx_runtime_does_not_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("not implemented")

    monkeypatch.setattr(features, "open_onnxruntime", refuse)
    with pytest.raises(InputRefused, match="does not give its features: not implemented"):
        image_features(ready(deep_model(RED)), images=[], threads=1)
