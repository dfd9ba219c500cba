"""Folders as they come from phones and cameras: read by what their files hold, every file named once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from curation.dataset.dataset import read_quarantine
from curation.images.folders import list_folder
from curation.images.pixels import decode_image
from curation.sources.image_label_folders import plan_pairs
from tests.curation.sources.test_image_label_folders import REAL, H, W, build, person, photo, png, put, settings


def test_a_phone_folder_is_read_by_what_its_files_hold_and_every_file_is_named_once(tmp_path: Path) -> None:
    images = tmp_path / "images"
    put(images, a_HEIC=photo(), b_jpe=photo(seed=1), d_JPG=photo(seed=2), f_heif=b"\0\0\0\x18ftypheic\0\0\0\0")
    put(images, d_CR2=b"II*\0\x10\0\0\0CR", g_MOV=b"\0\0\0\x14ftypqt  ", old__manifest_parquet=b"x", old__h_jpg=b"x")
    frames = [PIL.Image.fromarray(np.full((H, W, 3), shade, np.uint8)) for shade in (90, 200)]
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    frames[0].transpose(PIL.Image.Transpose.ROTATE_90).save(
        images / "c.mpo", format="MPO", save_all=True, append_images=frames[1:], exif=exif
    )
    for name in "abcdf":
        put(tmp_path / "masks", **{f"{name}_png": png(person())})
    dataset, card = build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    assert dataset.table["image"].to_pylist() == [f"images/{name}.jpg" for name in "abcd"]
    assert (tmp_path / "D/images/c.jpg").read_bytes() == (images / "c.mpo").read_bytes()
    first = decode_image((tmp_path / "D/images/c.jpg").read_bytes(), file="c.jpg")
    assert first.shape == (H, W, 3)
    assert abs(int(first.mean()) - 90) <= 2
    with PIL.Image.open(tmp_path / "D/images/a.jpg") as opened:  # the extension is that of the content
        assert opened.format == "JPEG"
    assert card.counts.quarantined == {"FORMAT": 1}
    (record,) = read_quarantine(tmp_path / "D")
    assert Path(record.file).name == "f.heif"
    assert "convert to JPEG" in record.hint
    assert card.counts.filtered == {"other_format": 1, "video": 1}
    assert card.notes == {
        "other_format": ["d.CR2"],
        "video": ["g.MOV"],
        "folders_not_looked_into": {"old": 2},
    }
    assert card.counts.considered == 7


@pytest.mark.real
@pytest.mark.skipif(not (REAL / "phone").is_dir(), reason=f"no real phone files in {REAL}")
def test_real_phone_files_are_images_or_named(tmp_path: Path) -> None:
    listing = list_folder(REAL / "phone")
    assert len(listing.files) == len(list((REAL / "phone").iterdir()))
    for file in listing.files:
        data = (REAL / "phone" / file.name).read_bytes()
        if not file.name.endswith(".heic"):
            with PIL.Image.open(REAL / "phone" / file.name) as opened:
                shown = PIL.ImageOps.exif_transpose(opened)
                assert decode_image(data, file=file.name).shape[:2] == (shown.height, shown.width)
