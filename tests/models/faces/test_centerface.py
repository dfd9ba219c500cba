"""An ONNX model of faces by its card: maps worked by hand, a drawn photograph, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.errors import InputRefused, SecurityRefused
from models.faces.centerface import BELOW_MOUTH, peaks
from models.prediction.face_finder import face_finder
from tests.models.tiny_faces import write_tiny_faces

EYES, MOUTH, BOX = ((0.3, 0.4), (0.5, 0.4)), (0.4, 0.6), (0.2, 0.25, 0.6, 0.75)


def written(folder: Path) -> Path:
    return write_tiny_faces(folder / "faces.onnx", eyes=EYES, mouth=MOUTH, box=BOX)


def quiet(_: str) -> None:
    """Nothing takes long here."""


def test_a_peak_is_read_as_the_paper_says() -> None:
    """A face in cell (row 2, column 5), 0.25 lower and 0.5 to the right; 40 high, 20 wide; one point in its middle."""
    heatmap = np.zeros((1, 1, 8, 8), np.float32)
    heatmap[0, 0, 2, 5] = 0.8
    sizes, offsets, points = (np.zeros((1, n, 8, 8), np.float32) for n in (2, 2, 10))
    sizes[0, :, 2, 5] = np.log(10), np.log(5)
    offsets[0, :, 2, 5] = 0.25, 0.5
    points[0, :2, 2, 5] = 0.5, 0.5
    boxes, five, confidence = peaks(heatmap, sizes=sizes, offsets=offsets, points=points, least=0.5)
    assert boxes[0].tolist() == pytest.approx([24 - 10, 11 - 20, 24 + 10, 11 + 20], abs=1e-5)
    assert five[0, 0].tolist() == pytest.approx([24, 11], abs=1e-5) and five[0, 1].tolist() == pytest.approx(
        [14, -9], abs=1e-5
    )
    assert confidence.tolist() == pytest.approx([0.8])


@pytest.mark.parametrize("size", [(300, 400), (400, 300)])
def test_a_face_is_found_where_the_photograph_shows_it(size: tuple[int, int], tmp_path: Path) -> None:
    finder = face_finder(written(tmp_path), tell=quiet)
    image = np.zeros((*size, 3), np.uint8)
    assert finder.find(image) == []
    cv2.circle(image, (160, 200), 60, (255, 0, 0), -1)
    [face] = finder.find(image)
    assert face.eyes == (pytest.approx((120, 160), abs=0.5), pytest.approx((200, 160), abs=0.5))
    assert face.mouth == pytest.approx((160, 240), abs=0.5) and face.box == pytest.approx((80, 100, 240, 300), abs=0.5)
    assert not face.is_chin_seen and face.chin == pytest.approx((160, 240 + 80 * BELOW_MOUTH), abs=0.5)
    assert face.turned is None and face.openness is None
    assert finder.find(image) == [face]


def test_another_card_is_another_finder(tmp_path: Path) -> None:
    model = written(tmp_path)
    before = face_finder(model, tell=quiet).sha256
    card = model.with_suffix(".yaml")
    card.write_text(card.read_text() + "least_confidence: 0.4\n")
    assert face_finder(model, tell=quiet).sha256 != before


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("side: 64", "side: 60", "multiple of 32"),
        ("reads: centerface", "reads: retinaface", "Invalid enum value"),
        ("heatmap: heatmap", "heatmap: warmth", "the model has heatmap, offsets, points, sizes"),
        ("license: CC0", "licence: CC0", "licence"),
        ("license: CC0", f"sha256: '{'0' * 64}'", "not the weights"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_with_the_field(old: str, new: str, reason: str, tmp_path: Path) -> None:
    model = written(tmp_path)
    card = model.with_suffix(".yaml")
    card.write_text(card.read_text().replace(old, new))
    with pytest.raises(InputRefused, match=reason):
        face_finder(model, tell=quiet)


def test_what_is_no_model_of_faces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="not an ONNX file"):
        face_finder(tmp_path / "faces.pt", tell=quiet)
    model = written(tmp_path)
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises((InputRefused, SecurityRefused)):
        face_finder(model, tell=quiet)
    model.with_suffix(".yaml").unlink()
    with pytest.raises(InputRefused, match="no card beside it"):
        face_finder(model, tell=quiet)
