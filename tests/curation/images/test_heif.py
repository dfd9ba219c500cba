"""HEIC and AVIF: their pixels as their own libraries show them, as PNG in a data set; absent, they are told by name."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import PIL.features
import PIL.Image
import pytest

from curation.dataset.dataset import read_quarantine
from curation.images.pixels import decode_image
from curation.quarantine import BadRecord, Code
from curation.sources.image_folder import ImagesSettings, plan_images
from tests.curation.sources.test_image_label_folders import build
from tests.icc_profiles import DISPLAY_P3, in_srgb, rgb_profile, srgb_linear
from tests.places import REAL_DATA

pillow_heif = pytest.importorskip("pillow_heif")
PHONE = REAL_DATA / "data" / "phone"


def drawn() -> PIL.Image.Image:
    """Return a picture whose four corners differ: dark, red, green, blue."""
    values = np.full((48, 64, 3), 20, np.uint8)
    values[:24, 32:, 0] = values[24:, :32, 1] = values[24:, 32:, 2] = 220
    return PIL.Image.fromarray(values)


def heic(picture: PIL.Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    pillow_heif.from_pillow(picture).save(stream, quality=-1, **options)
    return stream.getvalue()


def avif(picture: PIL.Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "AVIF", quality=100, **options)
    return stream.getvalue()


def near(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and np.abs(found.astype(int) - expected).mean() < 3


def test_a_heic_is_decoded_to_its_pixels() -> None:
    assert near(decode_image(heic(drawn()), file="a.heic"), np.asarray(drawn()))


@pytest.mark.skipif(not PIL.features.check("avif"), reason="this Pillow is built without AVIF")
def test_an_avif_is_decoded_to_its_pixels_as_they_are_shown() -> None:
    assert near(decode_image(avif(drawn()), file="a.avif"), np.asarray(drawn()))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    turned = drawn().transpose(PIL.Image.Transpose.ROTATE_270)
    assert near(decode_image(avif(drawn(), exif=exif), file="a.avif"), np.asarray(turned))


def test_colours_of_a_telephone_are_brought_to_srgb() -> None:
    stored = PIL.Image.new("RGB", (32, 32), (200, 100, 60))
    profile = rgb_profile(DISPLAY_P3, curve=srgb_linear, name="Display P3")
    found = decode_image(heic(stored, icc_profile=profile), file="a.heic")[16, 16].astype(int)
    expected = in_srgb(np.array([[200, 100, 60]]), primaries=DISPLAY_P3, curve=srgb_linear)
    assert np.abs(found - expected.reshape(3)).max() <= 3
    assert found[0] > 205  # the same number is a stronger red in Display P3


def test_a_heic_enters_a_data_set_as_png_of_its_pixels(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    (root / "a.heic").write_bytes(heic(drawn()))
    (root / "b.heic").write_bytes(heic(drawn())[:-200])
    dataset, card = build(plan_images(ImagesSettings(root=root)), tmp_path / "D")
    assert dataset.table["image"].to_pylist() == ["images/a.png"]
    with PIL.Image.open(tmp_path / "D/images/a.png") as opened:
        assert np.array_equal(np.asarray(opened), decode_image((root / "a.heic").read_bytes(), file="a"))
    assert card.counts.quarantined == {"FORMAT": 1}
    (record,) = read_quarantine(tmp_path / "D")
    assert record.file.endswith("b.heic")
    assert "does not decode" in record.reason


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_what_is_not_installed_is_told_by_name_with_how_to_get_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(drawn()) if kind == "HEIF" else b"\0\0\0\x18ftypavif\0\0\0\0"
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(PIL.features, "check", lambda _: False)
    with pytest.raises(BadRecord) as told:
        decode_image(data, file="a")
    assert told.value.code is Code.FORMAT
    assert {"HEIF": "pip install 'portrait-curate[heif]'", "AVIF": "built with AVIF"}[kind] in told.value.hint
    assert "convert to JPEG" in told.value.hint


def test_one_that_is_too_large_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.images.header.MAX_PIXELS", 1000)
    with pytest.raises(BadRecord) as told:
        decode_image(heic(drawn()), file="a.heic")
    assert told.value.code is Code.TOO_LARGE


@pytest.mark.real
@pytest.mark.skipif(not (PHONE / "cheers_1440x960.heic").exists(), reason=f"no real phone files in {PHONE}")
def test_real_heic_files_are_as_libheif_shows_them() -> None:
    for name in ("arrow.heic", "cheers_1440x960.heic"):
        data = (PHONE / name).read_bytes()
        shown = np.asarray(pillow_heif.open_heif(io.BytesIO(data)).to_pillow().convert("RGB"))
        assert near(decode_image(data, file=name), shown)
