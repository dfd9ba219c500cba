"""Pictures for Label Studio look there as models see them, whatever their colour profile."""

import io

import numpy as np
import PIL.Image
import pytest

from curation.images.pixels import decode_image
from labeling.label_tools.label_studio.push.share_pictures import shared_picture
from tests.curation.images.test_pixels import exif, picture, saved
from tests.icc_profiles import ADOBE_FILE, P3_FILE


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_plain_picture_with_a_profile_is_shared_as_it_is(kind: str) -> None:
    file = saved(picture(), kind, icc_profile=P3_FILE)
    assert shared_picture(file, file="a")[1] == file  # browsers follow the profile


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_is_written_anew_has_its_colours_in_srgb(kind: str) -> None:
    file = saved(picture(), kind, icc_profile=ADOBE_FILE, exif=exif(6))
    _, shared = shared_picture(file, file="a")
    with PIL.Image.open(io.BytesIO(shared)) as opened:
        assert "icc_profile" not in opened.info
        difference = np.abs(np.asarray(opened.convert("RGB")).astype(int) - decode_image(file, file="a"))
    assert difference.mean() < (0.1 if kind == "PNG" else 3)
