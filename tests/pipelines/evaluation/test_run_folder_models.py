"""`curate matte --model`, `cutout` and `idphoto` with what `curate train` leaves, of one class and of three."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.dataset.dataset import read_dataset
from curation.images.pixels import decode_image
from pipelines.command_line.options import RunOptions
from pipelines.datasets.matte import MatteFlags, matte
from pipelines.photos.cutout import CutoutFlags, cutout
from pipelines.photos.idphoto import IdphotoFlags, idphoto
from tests.models.drawn import Sample, drawn_dataset
from tests.models.networks.built_network import write_red_run
from tests.pipelines.photos.test_idphoto import faces_of_portraits, portrait
from tests.pipelines.photos.test_photographs import photo, saved

HERE = RunOptions(workers=0, quiet=True)
SIZE = (240, 180)
COARSE = 0.03
"""Share of the pixels that may be wrong: the network decodes every fourth, and its pool makes what is red larger."""


@pytest.fixture(scope="module", params=[1, 3])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build networks of one class, and of three: background, unknown, person."""
    return write_red_run(tmp_path_factory.mktemp("run") / "m", classes=request.param, size=SIZE)


def truth() -> np.ndarray:
    """Return where the drawn photograph is person."""
    return np.asarray(np.asarray(photo())[..., 0] > 200)


def well_inside(person: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.erode(person.astype(np.uint8), np.ones((25, 25), np.uint8), borderValue=1) > 0)


def test_the_trimap_of_a_network_becomes_the_alpha_of_an_image(model: Path, tmp_path: Path) -> None:
    image = saved(tmp_path / "me.png", photo())
    result = matte(MatteFlags(source=image, model=model, out=tmp_path / "alpha.png"), run=HERE)
    assert result.exit_code == 0 and "180 x 240" in result.summary
    alpha = cv2.imread(str(tmp_path / "alpha.png"), cv2.IMREAD_UNCHANGED)
    person = truth()
    assert (alpha[well_inside(person)] == 255).all() and (alpha[well_inside(~person)] == 0).all()
    assert ((alpha > 127) != person).mean() < COARSE


def test_a_dataset_gets_the_trimaps_of_a_network(model: Path, tmp_path: Path) -> None:
    red = np.where(truth(), np.uint8(255), np.uint8(0))
    drawn_dataset(tmp_path / "d", [Sample(id="a", prediction=red, mask=None)])
    result = matte(MatteFlags(source=tmp_path / "d", model=model, out=tmp_path / "m"), run=HERE)
    assert result.exit_code == 0, result.summary
    (row,) = read_dataset(tmp_path / "m").table.to_pylist()
    trimap = cv2.imread(str(tmp_path / "m" / row["trimap"]), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(trimap)) == {0, 128, 255}
    assert trimap[well_inside(red > 0)].min() == 255 and trimap[well_inside(red == 0)].max() == 0
    mask = cv2.imread(str(tmp_path / "m" / row["mask"]), cv2.IMREAD_UNCHANGED)
    assert ((mask > 0) != (red > 0)).mean() < COARSE


def test_people_are_cut_out_to_their_edge(model: Path, tmp_path: Path) -> None:
    image = saved(tmp_path / "me.png", photo())
    result = cutout(CutoutFlags(images=(image,), model=model, out=tmp_path / "c"), run=HERE)
    assert result.exit_code == 0, result.summary
    alpha = cv2.imread(str(tmp_path / "c" / "me.png"), cv2.IMREAD_UNCHANGED)[..., 3]
    assert ((alpha > 127) != truth()).mean() < COARSE


def test_an_id_photo_is_made(model: Path, tmp_path: Path) -> None:
    image = saved(tmp_path / "me.png", portrait())
    faces = faces_of_portraits(tmp_path / "faces.onnx")
    result = idphoto(IdphotoFlags(images=(image,), model=model, out=tmp_path / "i", faces=faces, edge="none"), run=HERE)
    assert result.exit_code == 0, result.summary
    picture = decode_image((tmp_path / "i" / "me.jpg").read_bytes(), file="me.jpg")
    assert picture.shape == (413, 295, 3) and (picture[3, 3] > 245).all()
