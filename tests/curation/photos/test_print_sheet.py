from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from curation.errors import ConfigurationProblem
from curation.photos.print_sheet import printable_jpeg, sheet_of
from curation.photos.sizes import ID_SIZES, id_size, paper_size


def test_every_limit_leaves_room_for_the_others() -> None:
    """Where head, eyes and spaces are limited, a common head meets them all: eyes at 54 % of the way up a head."""
    for name, size in ID_SIZES.items():
        least, most = size.head
        assert 0 < least < most < size.height_mm, name
        assert size.space + most <= size.height_mm, name
        below = size.height_mm - size.space - (least + most) / 2
        eyes = below + 0.46 * (least + most) / 2
        for value, limits in ((below, size.below), (eyes, size.eyes), (size.space, size.above)):
            assert limits is None or limits[0] - 1 <= value <= limits[1] + 1, name


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("1-inch", (413, 295)),
        ("2-inch", (579, 413)),
        ("schengen", (531, 413)),
        ("us-visa", (600, 600)),
        ("2x2in", (600, 600)),
    ],
)
def test_sizes_by_name_are_those_that_offices_publish(name: str, pixels: tuple[int, int]) -> None:
    assert id_size(name, dpi=300).in_pixels(300) == pixels


def test_unknown_sizes_and_resolutions_are_refused_with_the_names() -> None:
    for text, dpi in (("narnia", 300), ("35x45", 300), ("35x45mm", 5), ("1x1mm", 72)):
        with pytest.raises(ConfigurationProblem):
            id_size(text, dpi=dpi)
    with pytest.raises(ConfigurationProblem, match="a4"):
        paper_size("bedsheet", dpi=300)


def test_a_jpeg_knows_its_dpi_and_keeps_its_limit() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (413, 295, 3), dtype=np.uint8)
    data = printable_jpeg(picture, dpi=300, max_kb=60)
    assert len(data) <= 60 * 1000
    with PIL.Image.open(io.BytesIO(data)) as opened:
        assert opened.info["dpi"] == (300, 300) and opened.size == (295, 413)
    with pytest.raises(ConfigurationProblem, match="too little"):
        printable_jpeg(picture, dpi=300, max_kb=1)


def test_a_sheet_holds_as_many_photos_as_fit_and_marks_where_to_cut() -> None:
    photo = np.full((413, 295, 3), 50, np.uint8)
    sheet, number = sheet_of(photo, paper=paper_size("4x6in", dpi=300), dpi=300)
    # 1200 x 1800 less 2 x 35 at the edges: 3 columns of 295 + 24, 4 rows of 413 + 24; turned it would be 5 x 2
    assert number == 12 and sheet.shape == (1800, 1200, 3)
    assert ((sheet == 50).all(axis=2)).sum() == 12 * 413 * 295
    assert (sheet == 160).any()
    with pytest.raises(ConfigurationProblem, match="does not fit"):
        sheet_of(np.zeros((3000, 3000, 3), np.uint8), paper=(1800, 1200), dpi=300)
