"""`curate idphoto` on drawn portraits, with a model that says what is red is a person, and one that sees their face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from curation.errors import ConfigurationProblem
from curation.images.pixels import decode_image
from pipelines.command_line.options import RunOptions
from pipelines.photos.idphoto import IdphotoFlags, idphoto
from tests.models.tiny_faces import write_tiny_faces
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.photos.test_photographs import photo, saved


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_onnx(tmp_path / "tiny.onnx")


def portrait(*, height: int = 960) -> PIL.Image.Image:
    """Return the person of `photo` with eyes and a mouth, as sharp lines: a face that is not blurred."""
    width = height * 3 // 4
    picture = np.array(photo(height=height, width=width))
    for y, x, wide in ((69, 80, 8), (69, 100, 8), (90.6, 90, 12)):
        top, left = round((y - 1) * height / 240), round((x - wide / 2) * height / 240)
        picture[top : round((y + 1) * height / 240), left : round((x + wide / 2) * height / 240)] = (255, 60, 20)
    return PIL.Image.fromarray(picture)


def faces_of_portraits(path: Path) -> Path:
    """Write a model of faces that sees that of a `portrait`, wherever there is one."""
    eyes, mouth, box = ((80, 69), (100, 69)), (90, 90.6), (70, 62, 110, 106)
    shares = [(x / 240, y / 240) for x, y in (*eyes, mouth)]
    left, top, right, bottom = (side / 240 for side in box)
    return write_tiny_faces(path, eyes=(shares[0], shares[1]), mouth=shares[2], box=(left, top, right, bottom))


def test_an_id_photo_and_its_sheet_are_written(model: Path, tmp_path: Path) -> None:
    file = saved(tmp_path / "me.png", portrait())
    given: dict[str, Any] = {
        "model": model,
        "faces": faces_of_portraits(tmp_path / "faces.onnx"),
        "sheet": "4x6in",
        "edge": "none",
    }
    flags = IdphotoFlags(images=(file,), size="2-inch", colour="blue", out=tmp_path / "ids", check=True, **given)
    result = idphoto(flags, run=RunOptions(workers=0))
    assert result.exit_code == 0, result.summary
    assert "head, crown to chin" in result.summary and "NOT MET" not in result.summary
    measures = {one["name"]: one for one in result.data["heads"][str(file)]["measures"]}
    assert measures["tilt of the head in the photograph"]["value"] == pytest.approx(0, abs=0.5)
    assert 0.6 * 49 <= measures["head, crown to chin, with the hair"]["value"] <= 0.7 * 49
    assert decode_image((tmp_path / "ids" / "me-check.png").read_bytes(), file="check").shape[0] == 2 * 579
    with PIL.Image.open(tmp_path / "ids" / "me.jpg") as opened:
        assert opened.size == (413, 579) and opened.info["dpi"] == (300, 300)
        assert np.abs(np.asarray(opened)[3, 3].astype(int) - (67, 142, 219)).max() < 8
    with PIL.Image.open(tmp_path / "ids" / "me-sheet.jpg") as opened:
        assert sorted(opened.size) == [1200, 1800]


def test_light_by_the_face_is_told_and_kept_where_nothing_tells_it(model: Path, tmp_path: Path) -> None:
    file = saved(tmp_path / "me.png", portrait())
    faces = faces_of_portraits(tmp_path / "faces.onnx")
    for light in ("keep", "face"):
        flags = IdphotoFlags(
            images=(file,), model=model, out=tmp_path / light, light=light, faces=faces, edge="none", size="2-inch"
        )
        result = idphoto(flags, run=RunOptions(workers=0))
        assert result.exit_code == 0, result.summary
        told = result.data["heads"][str(file)].get("light")
        assert ("not seen well enough" in result.summary) == (light == "face")
        # the drawn eyes have no white, and the red face is bright in one channel alone
        assert told is None if light == "keep" else told["cast"] is None and told["exposure"] == told["gains"][0] >= 1
    pictures = [decode_image((tmp_path / one / "me.jpg").read_bytes(), file=one) for one in ("keep", "face")]
    assert (pictures[0] == pictures[1]).all() == (told["exposure"] == 1)


def test_unsuitable_photographs_wrong_sizes_and_colours_are_refused(model: Path, tmp_path: Path) -> None:
    small = saved(tmp_path / "in" / "small.png", portrait(height=240))
    saved(tmp_path / "in" / "good.png", portrait())
    faces = faces_of_portraits(tmp_path / "faces.onnx")
    flags = IdphotoFlags(
        images=(tmp_path / "in",), model=model, out=tmp_path / "i", faces=faces, check=True, edge="none"
    )
    result = idphoto(flags, run=RunOptions(workers=0))
    assert result.exit_code == 3 and [Path(one).name for one in result.data["written"]] == [
        "good-check.png",
        "good.jpg",
    ]
    told = {Path(one["file"]).name: one for one in result.data["quarantine"]}
    assert told["small.png"]["reason"].startswith("distance between the eyes in the photograph: 20 px")
    assert "more pixels" in told["small.png"]["hint"]
    assert result.summary.count("NOT MET") == 1
    for wrong in ({"size": "narnia"}, {"colour": "bleu"}, {"sheet": "bedsheet"}):
        with pytest.raises(ConfigurationProblem):
            idphoto(IdphotoFlags(images=(small,), model=model, **wrong), run=RunOptions(workers=0))


def test_out_may_name_the_photo_of_one_photograph(model: Path, tmp_path: Path) -> None:
    large = saved(tmp_path / "in" / "large.png", portrait(height=1200))
    faces = faces_of_portraits(tmp_path / "faces.onnx")
    flags = IdphotoFlags(images=(large,), model=model, out=tmp_path / "id.jpg", sheet="4x6in", faces=faces, edge="none")
    assert [Path(one).name for one in idphoto(flags, run=RunOptions(workers=0)).data["written"]] == [
        "id-sheet.jpg",
        "id.jpg",
    ]
