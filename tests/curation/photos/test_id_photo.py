from __future__ import annotations

import io

import cv2
import numpy as np
import PIL.Image
import pytest

from curation.errors import ConfigurationProblem
from curation.fusion.head_shape import find_head, without_holes
from curation.images.pixels import Alpha, Image
from curation.photos.id_photo import IdRules, id_photo
from curation.photos.print_sheet import printable_jpeg, sheet_of
from curation.photos.sizes import id_size, paper_size
from curation.quarantine import BadRecord, Code

RULES = IdRules(size=(300, 214), head=0.6, above=0.1, colour=(217, 0, 18))


def drawn(*, top: int = 100, bottom: int = 800, neck: bool = True) -> tuple[Image, Alpha]:
    """Return a person whose head is 160 wide and 220 high, on a frame of 800 x 600, with shoulders of 400."""
    alpha = np.zeros((800, 600), np.uint8)
    cv2.ellipse(alpha, (300, top + 110), (80, 110), 0, 0, 360, 255, -1)
    if neck:
        cv2.rectangle(alpha, (260, top + 150), (340, top + 290), 255, -1)
    cv2.ellipse(alpha, (300, top + 600), (200, 330), 0, 0, 360, 255, -1)
    alpha[bottom:] = 0
    image = np.full((800, 600, 3), 90, np.uint8)
    image[alpha > 0] = (200, 160, 120)
    return image, alpha


def test_the_head_of_a_drawn_person_is_found() -> None:
    head = find_head(drawn()[1])
    assert head is not None and head.is_sure
    assert head.crown == pytest.approx(100, abs=3) and head.middle == pytest.approx(300, abs=3)
    assert head.height == pytest.approx(220, rel=0.2)


def test_a_body_without_a_neck_is_unsure_and_nobody_is_nobody() -> None:
    column = np.zeros((800, 600), np.uint8)
    column[100:, 220:380] = 255
    head = find_head(column)
    assert head is not None and not head.is_sure and head.height == pytest.approx(1.35 * 160, abs=3)
    assert find_head(np.zeros((9, 9), np.uint8)) is None
    legs = np.zeros((800, 600), np.uint8)  # a torso, a waist, hips: no head of that size
    legs[100:400, 200:400] = legs[400:460, 240:360] = legs[460:800, 200:400] = 255
    assert not find_head(legs).is_sure  # type: ignore[union-attr]


def test_an_id_photo_has_its_exact_size_colour_and_head() -> None:
    image, alpha = drawn()
    head = find_head(alpha)
    made = id_photo(image, alpha=alpha, rules=RULES)
    assert made.picture.shape == (300, 214, 3) and made.warnings == ()
    assert made.picture[0, 0].tolist() == [217, 0, 18]
    is_person = np.abs(made.picture.astype(int) - (200, 160, 120)).sum(axis=2) < 60
    crown = int(np.flatnonzero(is_person.any(axis=1))[0])
    assert crown == pytest.approx(0.1 * 300, abs=3)
    assert head is not None
    columns = np.flatnonzero(is_person[crown : crown + 60].any(axis=0))
    assert columns.mean() == pytest.approx(214 / 2, abs=3)


def test_what_makes_no_id_photo_is_refused_with_the_reason() -> None:
    image, alpha = drawn(top=-60)
    with pytest.raises(BadRecord, match="upper edge") as refused:
        id_photo(image, alpha=alpha, rules=RULES)
    assert refused.value.code is Code.UNSUITABLE
    image, alpha = drawn()
    with pytest.raises(BadRecord, match="too close below the chin"):
        id_photo(image[:320], alpha=alpha[:320], rules=RULES)
    small = cv2.resize(image, (75, 100)), cv2.resize(alpha, (75, 100))
    with pytest.raises(BadRecord, match="too small"):
        id_photo(np.asarray(small[0], np.uint8), alpha=np.asarray(small[1], np.uint8), rules=RULES)
    with pytest.raises(BadRecord, match="no person"):
        id_photo(image, alpha=np.zeros_like(alpha), rules=RULES)


def test_a_photograph_that_ends_at_the_chest_gives_a_larger_head_and_says_so() -> None:
    image, alpha = drawn()
    made = id_photo(image[:400], alpha=alpha[:400], rules=RULES)
    assert RULES.head < made.head <= RULES.head + 0.12
    assert any("ends at the chest" in warning for warning in made.warnings)


def test_holes_in_the_head_are_filled_and_those_of_the_arms_stay() -> None:
    _, alpha = drawn()
    holed = np.array(alpha)
    holed[180:200, 290:310] = 0
    holed[600:640, 290:310] = 0
    head = find_head(holed)
    assert head is not None
    filled = without_holes(holed, head=head)
    assert (filled[180:200, 290:310] == 255).all() and (filled[600:640, 290:310] == 0).all()


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
