"""A model that takes the place of a face is told it: of the image, its mirror image, the image shrunk, and windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from curation.errors import InputRefused
from curation.images.faces import Face
from curation.images.pixels import Image
from models.card import ModelCard
from models.export.runtimes.graph_cost import graph_cost
from models.faces.places import place_of
from models.networks.catalogue import build_network
from models.prediction import prepare, ready_model
from models.prediction.engines import Places, Torch, open_onnxruntime, open_openvino
from models.prediction.load_model import load_model
from models.prediction.onnx_files.graph_card import refuse_other_graph
from models.prediction.onnx_files.to_onnx import onnx_of
from models.prediction.predictor import EnginePredictor
from models.prediction.scales import SCALE
from models.prediction.weights import save_model
from models.prediction.windows import windows_of
from models.preprocessing import normalised, resized
from models.structure import Structure
from tests.models.small_card import CARD

FACED = msgspec.structs.replace(CARD, network="portrait_fcn", structure=Structure(prior="face"))
SIZE = (80, 70)


def face_at(matrix: Any = ((1, 0, 0), (0, 1, 0))) -> Face:
    """Return a face that leans a little, where a similarity takes it."""
    face = Face(
        box=(20, 18, 44, 50), confidence=1, eyes=((26, 25), (38, 28)), mouth=(30, 40), chin=(28, 48), is_chin_seen=True
    )
    return face.moved(np.array(matrix, float))


def with_face(image: Image) -> list[Face]:
    return [face_at()]


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    network: Any = build_network("portrait_fcn", structure=Structure(prior="face"))
    network.set_prior(torch.rand(40, 40))
    network.set_frame_prior(torch.rand(40, 40))
    with torch.no_grad():  # so that the batch norms know what is usual
        for _ in range(3):
            network(torch.randn(4, 3, *FACED.input_size), torch.randn(4, 2, 3))
    return network.eval()  # type: ignore[no-any-return]


@pytest.fixture
def image() -> Image:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


class Recording:
    """An engine that keeps the places that it is told, and sees half a person everywhere."""

    batch = 1

    def __init__(self) -> None:
        self.places: list[Places | None] = []

    def run(self, inputs: Any, places: Places | None = None) -> Any:
        self.places.append(places)
        return np.zeros((len(inputs), 1, *inputs.shape[2:]), np.float32)


def told(image: Image, *, card: ModelCard = FACED, faces: Any = with_face, **views: bool) -> list[Places | None]:
    engine = Recording()
    EnginePredictor(engine, card=card, name="recording", faces_of=faces, **views).raw([image])
    return engine.places


def logit(probability: Any) -> Any:
    return np.log(probability / (1 - probability))


def test_the_network_is_told_the_place_of_the_largest_face(network: torch.nn.Module, image: Image) -> None:
    prepared = normalised(resized(image, size=FACED.input_size), card=FACED)
    place = torch.from_numpy(place_of(face_at(), size=SIZE)[None].astype(np.float32))
    with torch.no_grad():
        wanted = torch.sigmoid(network(torch.from_numpy(prepared)[None], place))[0, 0].numpy()
    other = Face(box=(0, 0, 2, 2), confidence=1, eyes=((1, 1), (2, 1)), mouth=(1, 2), chin=(1, 3), is_chin_seen=True)
    predictor = EnginePredictor(
        Torch(network), card=FACED, name="torch", faces_of=lambda image: [*with_face(image), other]
    )
    [answer] = predictor.raw([image])
    assert answer is not None
    np.testing.assert_allclose(answer.probability, wanted, atol=1e-6)


def test_onnx_in_both_runtimes_gives_what_torch_gives_with_a_face_and_without(
    network: torch.nn.Module, image: Image
) -> None:
    data = onnx_of(network, card=FACED)
    prepared = normalised(resized(image, size=FACED.input_size), card=FACED)[None]
    runtimes = [open_onnxruntime(data, card=FACED, threads=1), open_openvino(data, card=FACED, threads=1)]
    truth = Torch(network)
    place = place_of(face_at(), size=SIZE)[None].astype(np.float32)
    far = np.array([[[9.0, 1.0, 7.0], [-1.0, 9.0, -8.0]]], np.float32)
    answers = []
    for places in (place, far, np.zeros((1, 2, 3), np.float32), None):
        wanted = truth.run(prepared, places)
        answers.append(wanted)
        for runtime in runtimes:
            np.testing.assert_allclose(runtime.run(prepared, places), wanted, atol=2e-4 * np.abs(wanted).max())
    assert graph_cost(data, card=FACED).multiply_adds > 1_000_000, "as `benchmark` and `export` count them"
    assert np.abs(answers[0] - answers[2]).max() > 1e-2 * np.abs(answers[0]).max(), "the place matters"
    np.testing.assert_array_equal(answers[2], answers[3])


def test_in_the_mirror_the_place_is_that_of_the_mirrored_face(image: Image) -> None:
    straight, mirror = told(image, with_flips=True)
    face = face_at()
    (lx, ly), (rx, ry) = face.eyes
    width = SIZE[1]
    mirrored = Face(
        box=face.box, confidence=1, eyes=((width - rx, ry), (width - lx, ly)), is_chin_seen=True,
        mouth=(width - face.mouth[0], face.mouth[1]), chin=(width - face.chin[0], face.chin[1]),
    )  # fmt: skip
    assert straight is not None and mirror is not None
    np.testing.assert_allclose(straight[0], place_of(face, size=SIZE), atol=1e-5)
    np.testing.assert_allclose(mirror[0], place_of(mirrored, size=SIZE), atol=1e-5)


def test_shrunk_into_its_frame_the_place_shrinks_with_the_face(image: Image) -> None:
    card = msgspec.structs.replace(FACED, input_size=SIZE)
    _, shrunk = told(image, card=card, with_scales=True)
    height, width = (round(SCALE * side) for side in SIZE)
    top, left = (SIZE[0] - height) // 2, (SIZE[1] - width) // 2
    inside = face_at([[width / SIZE[1], 0, left], [0, height / SIZE[0], top]])
    assert shrunk is not None
    # both sides shrink by the same here, so that the face is still a similarity away
    assert height / SIZE[0] == width / SIZE[1]
    np.testing.assert_allclose(shrunk[0], place_of(inside, size=SIZE), atol=1e-5)


def test_in_a_window_the_place_is_that_of_the_face_in_the_part_cut_out(image: Image) -> None:
    places = told(image, with_windows=True)
    windows = windows_of(SIZE)
    assert len(places) == len(windows)
    for place, (top, left, height, width) in zip(places, windows, strict=True):
        assert place is not None
        wanted = place_of(face_at([[1, 0, -left], [0, 1, -top]]), size=(height, width))
        np.testing.assert_allclose(place[0], wanted, atol=1e-4)


def test_without_a_face_zeros_are_told_and_models_of_other_kinds_are_told_nothing(image: Image) -> None:
    for places in told(image, faces=lambda _: [], with_flips=True, with_scales=True):
        assert places is not None and not places.any()
    assert told(image, card=CARD, faces=None, with_flips=True) == [None, None]


def test_a_run_folder_is_opened_and_predicts_by_the_face(
    network: torch.nn.Module, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "packaged_faces", lambda tell: None)
    monkeypatch.setattr(ready_model, "faces_of", lambda card: with_face if card.structure.takes_place else None)
    save_model(network, folder=tmp_path, card=FACED)
    model = load_model(tmp_path, threads=1)
    assert model.engine == "openvino"
    wanted = EnginePredictor(Torch(network), card=FACED, name="torch", faces_of=with_face).predict([image])[0]
    np.testing.assert_allclose(model.predict(image), wanted, atol=1e-4)


def test_a_graph_that_takes_no_place_or_one_too_much_is_refused(network: torch.nn.Module) -> None:
    plain_card = msgspec.structs.replace(FACED, structure=Structure(prior="frame"))
    plain = onnx_of(build_network("portrait_fcn"), card=plain_card)
    with pytest.raises(InputRefused, match="a second input of places"):
        refuse_other_graph(plain, card=FACED, file=Path("plain.onnx"))
    with pytest.raises(InputRefused, match="2 inputs"):
        refuse_other_graph(onnx_of(network, card=FACED), card=plain_card, file=Path("faced.onnx"))
