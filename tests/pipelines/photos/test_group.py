"""`curate group` on drawn portraits, with a model that says what is red is a person, and one that sees their faces."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import click
import PIL.Image
import pytest

from curation.errors import ConfigurationProblem, InputRefused
from curation.images.pixels import decode_image
from pipelines.command_line.options import RunOptions
from pipelines.photos.group import GroupFlags, group
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.photos.test_idphoto import faces_of_portraits
from tests.pipelines.photos.test_photographs import photo, saved


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_onnx(tmp_path / "tiny.onnx")


def test_a_group_is_written_once(model: Path, tmp_path: Path) -> None:
    files = tuple(saved(tmp_path / f"{number}.png", photo()) for number in range(2))
    out = tmp_path / "group.png"
    faces = faces_of_portraits(tmp_path / "faces.onnx")
    flags = GroupFlags(
        images=files, model=model, background="#0000FF", out=out, size="400x300", faces=faces, edge="none"
    )
    result = group(flags, run=RunOptions(workers=0))
    assert result.data["people"] == 2
    picture = decode_image(out.read_bytes(), file="g")
    assert picture.shape == (300, 400, 3) and picture[0, 0].tolist() == [0, 0, 255]
    again = group(flags, run=RunOptions(workers=0))
    assert again.data["written"] == [] and again.data["kept"] == [str(out)]
    with pytest.raises(InputRefused, match="made with background"):
        group(replace(flags, background="red"), run=RunOptions(workers=0))
    assert out.read_bytes()[:4] == b"\x89PNG"
    wrong = GroupFlags(images=files, model=model, background="transparent", out=tmp_path / "b.png")
    with pytest.raises(ConfigurationProblem, match="needs a background"):
        group(wrong, run=RunOptions(workers=0))
    nobody = saved(tmp_path / "nobody.png", PIL.Image.new("RGB", (60, 80), (0, 90, 120)))
    with pytest.raises(InputRefused, match="nobody is left"):
        group(
            GroupFlags(images=(nobody,), model=model, background="white", out=tmp_path / "c.png", faces=faces),
            run=RunOptions(workers=0),
        )
    assert io.BytesIO(out.read_bytes()).read(4) == b"\x89PNG"


def test_a_body_cut_off_in_the_middle_of_the_picture_is_left_out(model: Path, tmp_path: Path) -> None:
    whole = [saved(tmp_path / f"{name}.png", photo(height=960, width=720)) for name in "abc"]
    cut = saved(tmp_path / "cut.png", photo(height=960, width=720).crop((300, 0, 720, 960)))
    faces = faces_of_portraits(tmp_path / "faces.onnx")
    flags = GroupFlags(
        images=(*whole[:2], cut, whole[2]),
        model=model,
        background="white",
        out=tmp_path / "g.png",
        faces=faces,
        edge="none",
        rows=1,
    )
    result = group(flags, run=RunOptions(workers=0))
    assert result.exit_code == 3 and result.data["people"] == 3 and result.data["rows"] == 1
    [told] = result.data["quarantine"]
    assert told["file"] == str(cut) and "left edge" in told["reason"] and "first or last" in told["hint"]
    first = replace(flags, images=(cut, *whole), out=tmp_path / "h.png")
    assert group(first, run=RunOptions(workers=0)).data["people"] == 4
    with pytest.raises(click.UsageError, match="holds nobody"):
        replace(flags, rows=0)
