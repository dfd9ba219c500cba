"""`curate cutout` on drawn photographs, with a model that says what is red is a person."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest

from curation.errors import ConfigurationProblem, InputRefused
from curation.images.pixels import decode_image
from curation.matting.from_probability import alpha_of
from curation.photos.backdrop import cut_out, filled, read_backdrop
from models.card import ModelCard
from models.prediction.edges import Predicted, edged_alpha
from pipelines.command_line.options import Result, RunOptions
from pipelines.photos.cutout import CutoutFlags, cutout
from tests.icc_profiles import ADOBE_FILE, ADOBE_GAMMA, ADOBE_RGB, gamma, in_srgb
from tests.models.tiny_onnx import write_tiny_onnx

ORIENTATION, GPS = 0x0112, 0x8825


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_onnx(tmp_path / "tiny.onnx")


def photo(*, height: int = 240, width: int = 180) -> PIL.Image.Image:
    """Return a red person with head, neck and shoulders on blue-green."""
    picture = np.full((height, width, 3), (0, 90, 120), np.uint8)
    person = np.zeros((height, width), np.uint8)
    scale = height / 240
    for y, x, high, wide in ((70, 90, 36, 26), (110, 90, 30, 14), (200, 90, 72, 66)):
        middle, axes = (round(x * scale), round(y * scale)), (round(wide * scale), round(high * scale))
        cv2.ellipse(person, middle, axes, 0, 0, 360, 255, -1)
    picture[person > 0] = (255, 120, 100)
    return PIL.Image.fromarray(picture)


def saved(path: Path, picture: PIL.Image.Image, **settings: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **settings)
    return path


def cut(*images: Path, model: Path, out: Path, background: str = "transparent", **options: Any) -> Result:
    how = {name: options.pop(name) for name in ("refine", "edge") if name in options}
    flags = CutoutFlags(images=images, model=model, background=background, out=out, **how)
    return cutout(flags, run=RunOptions(workers=0, **options))


def test_a_cutout_is_transparent_and_keeps_nothing_of_what_the_camera_stored(model: Path, tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(GPS)[1] = "N"
    turned = photo().transpose(PIL.Image.Transpose.ROTATE_90)
    file = saved(tmp_path / "in" / "me.jpg", turned, exif=exif, quality=95)
    assert cut(file, model=model, out=tmp_path / "out").exit_code == 0
    with PIL.Image.open(tmp_path / "out" / "me.png") as opened:
        assert opened.mode == "RGBA" and opened.size == (180, 240)
        assert not opened.getexif() and "exif" not in opened.info
        alpha = np.asarray(opened)[..., 3]
    assert alpha[70, 90] == 255 and alpha[5, 5] == 0 and alpha[235, 90] == 255


def test_cmyk_gray_and_16_bit_photographs_are_cut_out(model: Path, tmp_path: Path) -> None:
    cmyk = saved(tmp_path / "in" / "cmyk.jpg", photo().convert("CMYK"), quality=95)
    deep = tmp_path / "in" / "deep.png"
    colours = np.asarray(photo())[..., ::-1].astype(np.uint16) * 257
    deep.write_bytes(cv2.imencode(".png", colours)[1].tobytes())
    gray = np.where(np.asarray(photo())[..., 0] > 200, 255, 60).astype(np.uint8)
    light = saved(tmp_path / "in" / "gray.png", PIL.Image.fromarray(gray))
    result = cut(cmyk, deep, light, model=model, out=tmp_path / "out", background="#00FF00", refine=True)
    assert result.exit_code == 0 and len(result.data["written"]) == 3
    for name in ("cmyk", "deep", "gray"):
        written = decode_image((tmp_path / "out" / f"{name}.jpg").read_bytes(), file=name)
        assert np.abs(written[5, 5].astype(int) - (0, 255, 0)).max() < 8


def test_colours_are_those_that_the_profile_says_and_a_broken_profile_is_told(model: Path, tmp_path: Path) -> None:
    wide = saved(tmp_path / "in" / "wide.png", photo(), icc_profile=ADOBE_FILE)
    broken = saved(tmp_path / "in" / "broken.png", photo(), icc_profile=b"junk" * 50)
    result = cut(wide, broken, model=model, out=tmp_path / "out", background="white")
    assert result.exit_code == 0
    assert result.warnings == (f"{broken}: 200 bytes that are no ICC profile; the picture is read as sRGB",)
    plain = np.array([255, 120, 100])
    shown = {"wide": in_srgb(plain, primaries=ADOBE_RGB, curve=gamma(ADOBE_GAMMA)), "broken": plain}
    for name, expected in shown.items():
        with PIL.Image.open(tmp_path / "out" / f"{name}.jpg") as opened:
            assert "icc_profile" not in opened.info
            assert np.abs(np.asarray(opened)[200, 90] - expected).max() <= 3


def test_bad_files_and_empty_photographs_are_told_and_the_rest_is_done(model: Path, tmp_path: Path) -> None:
    good = saved(tmp_path / "in" / "good.png", photo())
    nobody = saved(tmp_path / "in" / "nobody.png", PIL.Image.new("RGB", (60, 80), (0, 90, 120)))
    bad = tmp_path / "in" / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff no")
    result = cut(tmp_path / "in", tmp_path / "gone.jpg", model=model, out=tmp_path / "out")
    assert result.exit_code == 3 and result.data["written"] == [str(tmp_path / "out" / "good.png")]
    told = {Path(line["file"]).name: line["code"] for line in result.data["quarantine"]}
    assert told["nobody.png"] == "EMPTY_ALPHA" and told["gone.jpg"] == "MISSING_FILE" and "bad.jpg" in told
    assert "finds no person" in result.summary and good.exists() and nobody.exists()


def test_a_phone_folder_is_accounted_for_file_by_file(model: Path, tmp_path: Path) -> None:
    phone = tmp_path / "phone"
    jpeg = saved(phone / "a.jpg", photo()).read_bytes()
    for name in ("b.HEIC", "c.jpe", "d"):
        (phone / name).write_bytes(jpeg)
    saved(phone / "e.mpo", photo(), format="MPO", save_all=True, append_images=[photo()])
    (phone / "f.heif").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    (phone / "a.dng").write_bytes(b"II*\0\x08\0\0\0")
    (phone / "g.MOV").write_bytes(b"\0\0\0\x14ftypqt  ")
    (phone / "notes.txt").write_bytes(b"hello")
    (phone / ".DS_Store").write_bytes(b"\0")
    saved(phone / "made" / "manifest.parquet", photo(), format="PNG")
    result = cut(phone, model=model, out=tmp_path / "out")
    assert sorted(Path(name).stem for name in result.data["written"]) == ["a", "b", "c", "d", "e"]
    (line,) = result.data["quarantine"]
    assert (Path(line["file"]).name, line["code"]) == ("f.heif", "FORMAT")
    assert "convert to JPEG" in line["hint"]
    left_out = {reason: [Path(name).name for name in names] for reason, names in result.data["filtered"].items()}
    expected = {"os_metadata": [".DS_Store"], "other_format": ["a.dng"], "text": ["notes.txt"], "video": ["g.MOV"]}
    assert left_out == expected
    assert result.data["folders_not_looked_into"] == {str(phone / "made"): 1}
    assert all(name in result.summary for name in ("g.MOV", "a.dng", "made (1 files)", "f.heif"))
    assert result.exit_code == 3
    preview = cut(phone, model=model, out=tmp_path / "preview", dry_run=True, limit=2)
    assert preview.data["filtered"].keys() == {*expected, "limit"}


def test_a_folder_without_images_says_what_is_there(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    with pytest.raises(InputRefused, match="there is 1 video"):
        cut(tmp_path / "in", model=model, out=tmp_path / "out")


def test_equal_names_get_numbers_and_what_is_there_is_left(model: Path, tmp_path: Path) -> None:
    files = [saved(tmp_path / place / "a.png", photo()) for place in ("one", "two")]
    out = tmp_path / "out"
    assert len(cut(*files, model=model, out=out).data["written"]) == 2
    assert sorted(path.name for path in out.glob("[!.]*")) == ["a-2.png", "a.png"]
    again = cut(*files, model=model, out=out)
    assert again.exit_code == 0 and again.data["written"] == [] and len(again.data["kept"]) == 2
    (out / "a.png").write_bytes(b"mine")
    again = cut(*files, model=model, out=out)
    assert again.exit_code == 3 and again.data["written"] == [] and again.data["kept"] == [str(out / "a-2.png")]
    assert [line["code"] for line in again.data["quarantine"]] == ["CONFLICT"] and "was changed" in again.summary
    assert (out / "a.png").read_bytes() == b"mine"
    assert len(cut(*files, model=model, out=out, overwrite=True).data["written"]) == 2
    assert cut(*files, model=model, out=out).data["written"] == []


def card_of(height: int, width: int) -> ModelCard:
    """Return the card of a model that gives the probability of person at this size."""
    return ModelCard(
        input_size=(height, width), channels="RGB", layout="NCHW", mean=(0, 0, 0), std=(1, 1, 1), output="probability"
    )


def test_refining_never_erases_a_part_that_the_model_is_less_sure_of() -> None:
    rng = np.random.default_rng(7)
    image = np.full((240, 180, 3), (200, 170, 140), np.uint8)  # a wall in the colour of the face
    face, body = np.zeros((2, 240, 180), np.uint8)
    cv2.circle(face, (90, 60), 30, 255, -1)
    cv2.rectangle(body, (40, 100), (140, 239), 255, -1)
    image[face > 0], image[body > 0] = (205, 172, 138), (180, 20, 30)
    image = np.clip(image + rng.integers(-4, 5, image.shape), 0, 255).astype(np.uint8)
    probability = np.where(body > 0, 0.99, np.where(face > 0, 0.75, 0.02)).astype(np.float32)
    model: Any = SimpleNamespace(card=card_of(24, 18), gives_alpha=False)
    refined, notes = edged_alpha(image, Predicted(probability=probability), model=model, edge="matting", file="f")
    inner = cv2.erode(face, np.ones((31, 31), np.uint8)) > 0
    assert (refined[inner] == 255).all()
    assert refined[face > 0].mean() > 127, notes
    assert (refined[:, :5] == 0).all()


def test_where_no_matte_can_be_made_the_prediction_stays_with_a_note() -> None:
    image = np.zeros((60, 60, 3), np.uint8)
    probability = np.full((60, 60), 0.99, np.float32)  # nothing is sure to be background
    model: Any = SimpleNamespace(card=card_of(60, 60), gives_alpha=False)
    refined, notes = edged_alpha(image, Predicted(probability=probability), model=model, edge="matting", file="f")
    assert (refined == alpha_of(probability)).all() and "not refined" in notes[0]


def test_backgrounds_are_cropped_or_enlarged_evenly_and_others_refused(tmp_path: Path) -> None:
    stripes = np.zeros((40, 80, 3), np.uint8)
    stripes[:, 40:] = 255
    file = saved(tmp_path / "small.png", PIL.Image.fromarray(stripes))
    frame = filled(read_backdrop(str(file)), size=(200, 200))
    assert frame.shape == (200, 200, 3)
    assert (frame[:, :80] < 30).all() and (frame[:, 120:] > 225).all()  # the middle square, five times as large
    with pytest.raises(ConfigurationProblem, match="no colour"):
        read_backdrop("bleu")
    file.write_bytes(b"no image")
    with pytest.raises(InputRefused):
        read_backdrop(str(file))


def test_tiles_of_a_large_photograph_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.asarray(photo(height=1200, width=900))
    alpha = cv2.GaussianBlur(np.where(image[..., 0] > 200, 255, 0).astype(np.uint8), (9, 9), 0)
    whole = cut_out(image, alpha=alpha)
    monkeypatch.setattr("curation.photos.backdrop.AT_ONCE_PIXELS", 1)
    tiled = cut_out(image, alpha=alpha)
    seen = alpha > 30
    assert np.abs(whole.astype(int) - tiled)[seen].mean() < 2


def test_out_may_name_the_picture_of_one_photograph(model: Path, tmp_path: Path) -> None:
    me = saved(tmp_path / "in" / "me.png", photo())
    for name, background, mode in (("cut.png", "transparent", "RGBA"), ("white.PNG", "white", "RGB")):
        told = cut(me, model=model, out=tmp_path / name, background=background)
        assert told.data["written"] == [str(tmp_path / name)]
        with PIL.Image.open(tmp_path / name) as opened:
            assert (opened.format, opened.mode) == ("PNG", mode)
    assert cut(me, model=model, out=tmp_path / "cut.png").data["kept"] == [str(tmp_path / "cut.png")]


def test_out_that_names_a_picture_which_cannot_be_is_refused(model: Path, tmp_path: Path) -> None:
    me, you = saved(tmp_path / "in" / "me.png", photo()), saved(tmp_path / "in" / "you.png", photo())
    with pytest.raises(ConfigurationProblem, match="2 photographs"):
        cut(me, you, model=model, out=tmp_path / "cut.png")
    with pytest.raises(ConfigurationProblem, match=r"name a \.png"):  # a JPEG is not transparent
        cut(me, model=model, out=tmp_path / "cut.jpg")
    (tmp_path / "folder.png").mkdir()
    assert cut(me, you, model=model, out=tmp_path / "folder.png").data["written"] == [
        str(tmp_path / "folder.png" / f"{name}.png") for name in ("me", "you")
    ]
