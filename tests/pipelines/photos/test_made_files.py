"""A result that is there counts as done only when it was made of the same, with the same settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import InputRefused
from curation.images.pixels import decode_image
from curation.storage.files import fingerprint_file
from pipelines.command_line.options import RunOptions
from pipelines.photos.idphoto import IdphotoFlags, idphoto
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.photos.test_idphoto import faces_of_portraits, portrait
from tests.pipelines.photos.test_photographs import cut, photo, saved


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_onnx(tmp_path / "tiny.onnx")


def test_another_photograph_of_the_same_name_is_a_conflict(model: Path, tmp_path: Path) -> None:
    first, second = saved(tmp_path / "1" / "a.png", photo()), saved(tmp_path / "2" / "a.png", photo(height=200))
    other, out = saved(tmp_path / "2" / "b.png", photo()), tmp_path / "out"
    cut(first, model=model, out=out)
    before = (out / "a.png").read_bytes()
    with pytest.raises(InputRefused, match="another photograph of the same name") as refused:
        cut(second, model=model, out=out)
    assert refused.value.exit_code == 4 and str(out / "a.png") in str(refused.value)
    both = cut(second, other, model=model, out=out)  # the rest is done
    assert both.exit_code == 3 and both.data["written"] == [str(out / "b.png")]
    assert (out / "a.png").read_bytes() == before
    cut(second, model=model, out=out, overwrite=True)
    assert decode_image((out / "a.png").read_bytes(), file="a").shape[:2] == (200, 180)


def test_other_settings_or_another_model_are_a_conflict(model: Path, tmp_path: Path) -> None:
    me, out = saved(tmp_path / "in" / "me.png", photo()), tmp_path / "out"
    cut(me, model=model, out=out, background="white")
    assert cut(me, model=model, out=out, background="#FFF").data["kept"] == [str(out / "me.jpg")]  # the same colour
    for background, refine in (("red", False), ("white", True)):
        with pytest.raises(InputRefused, match="was made with"):
            cut(me, model=model, out=out, background=background, refine=refine)
    card = model.with_suffix(".yaml")
    card.write_text(card.read_text().replace("[0, 0, 0]", "[1, 0, 0]"))
    with pytest.raises(InputRefused, match="made with another model"):
        cut(me, model=model, out=out, background="white")
    large = saved(tmp_path / "in" / "large.png", portrait(height=1200))
    faces = faces_of_portraits(tmp_path / "faces.onnx")
    flags: dict[str, Any] = {"images": (large,), "model": model, "out": tmp_path / "id", "faces": faces, "edge": "none"}
    quiet = RunOptions(workers=0)
    assert idphoto(IdphotoFlags(**flags), run=quiet).exit_code == 0
    with pytest.raises(InputRefused, match="size"):
        idphoto(IdphotoFlags(**flags, size="schengen", colour="blue"), run=quiet)
    sheet = idphoto(IdphotoFlags(**flags, sheet="4x6in"), run=quiet)
    assert [Path(file).name for file in sheet.data["written"]] == ["large-sheet.jpg", "large.jpg"]
    assert idphoto(IdphotoFlags(**flags, sheet="4x6in"), run=quiet).data["written"] == []


def test_what_was_killed_between_its_line_and_its_file_is_made_again(model: Path, tmp_path: Path) -> None:
    me, out = saved(tmp_path / "in" / "me.png", photo()), tmp_path / "out"
    cut(me, model=model, out=out)
    whole = (out / "me.png").read_bytes()
    (out / "me.png").unlink()
    record = out / ".curate-made.jsonl"
    record.write_bytes(record.read_bytes() + b'{"file": "me.p')  # the next line was torn
    assert cut(me, model=model, out=out).data["written"] == [str(out / "me.png")]
    assert (out / "me.png").read_bytes() == whole
    assert cut(me, model=model, out=out).data["written"] == []


def test_a_photograph_is_read_once_for_the_record_of_all_that_is_made_from_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, out = saved(tmp_path / "in" / "large.png", portrait(height=1200)), tmp_path / "id"
    faces = faces_of_portraits(tmp_path / "faces.onnx")
    flags = IdphotoFlags(images=(large,), model=model, out=out, sheet="4x6in", faces=faces, edge="none")
    idphoto(flags, run=RunOptions(workers=0))
    (out / "large.jpg").unlink()
    hashed: list[Path] = []

    def noting(file: Path) -> str:
        hashed.append(file)
        return fingerprint_file(file)

    monkeypatch.setattr("pipelines.photos.made_files.fingerprint_file", noting)
    assert len(idphoto(flags, run=RunOptions(workers=0)).data["written"]) == 2
    assert hashed.count(large) == 1
