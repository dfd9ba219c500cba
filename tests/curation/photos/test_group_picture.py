from __future__ import annotations

import numpy as np
import pytest

from curation.images.faces import Face
from curation.photos.group_picture import Member, Side, group_picture, member_of, places, without_cuts
from curation.quarantine import BadRecord


def person(*, height: int, is_cut_off: bool = False) -> Member:
    image = np.full((height + 40, 100, 3), 200, np.uint8)
    alpha = np.zeros((height + 40, 100), np.uint8)
    alpha[20 : 20 + height, 30:70] = 255
    if is_cut_off:
        image, alpha = image[: height + 20], alpha[: height + 20]
    return member_of(image, alpha=alpha, most_height=1000)


def test_bodies_are_made_alike_and_feet_stand_on_one_ground() -> None:
    found = places([person(height=200), person(height=300)], size=(400, 800), alike="auto")
    assert found[0].height == pytest.approx(found[1].height, abs=1)
    assert {place.top + place.height for place in found} == {384}
    gaps = [found[0].left, found[1].left - found[0].left - found[0].width, 800 - found[1].left - found[1].width]
    assert max(gaps) - min(gaps) <= 2


def test_who_is_cut_off_stands_at_the_lower_edge_and_heads_are_alike() -> None:
    members = [person(height=200, is_cut_off=True), person(height=300)]
    found = places(members, size=(400, 800), alike="auto")
    assert found[0].top + found[0].height == 400 and found[1].top + found[1].height == 384
    heads = [place.scale * member.head.height for place, member in zip(found, members)]
    assert heads[0] == pytest.approx(heads[1])


def test_a_group_lies_on_its_background() -> None:
    background = np.full((400, 800, 3), 7, np.uint8)
    members = [person(height=200), person(height=200)]
    picture = group_picture(members, background=background)
    for place in places(members, size=(400, 800), alike="auto"):
        assert picture[place.top + 50, place.left + place.width // 2].tolist() == [200, 200, 200]
    assert picture[0, 0].tolist() == [7, 7, 7] and (background == 7).all()


def test_many_people_still_fit_side_by_side() -> None:
    found = places([person(height=200)] * 30, size=(400, 800), alike="body")
    assert found[0].left >= 0 and found[-1].left + found[-1].width <= 800


def test_nobody_is_no_member_and_cut_people_are_told() -> None:
    with pytest.raises(BadRecord, match="no person"):
        member_of(np.zeros((9, 9, 3), np.uint8), alpha=np.zeros((9, 9), np.uint8), most_height=9)
    alpha = np.full((50, 50), 255, np.uint8)
    with pytest.raises(BadRecord, match="touches the upper edge"):
        member_of(np.zeros((50, 50, 3), np.uint8), alpha=alpha, most_height=50)
    alpha[:10] = 0
    assert member_of(np.zeros((50, 50, 3), np.uint8), alpha=alpha, most_height=50).cut_sides == {"left", "right"}


def seen(*, head: int, hair: int = 0) -> Member:
    """Return a person cut off below, whose head is so many pixels high from crown to chin, with hair above."""
    image, alpha = np.full((600, 400, 3), 120, np.uint8), np.zeros((600, 400), np.uint8)
    unit = head / 3.5  # eyes half way: 1.75 distances between the eyes under the crown
    eyes = 100 + hair + head / 2
    alpha[100:, 150:250] = 255
    alpha[round(eyes + head) :, 60:340] = 255
    points = ((200 - unit / 2, eyes), (200 + unit / 2, eyes))
    face = Face(
        box=(160, eyes - 10, 240, eyes + head / 2),
        confidence=1,
        eyes=points,
        mouth=(200, eyes + head / 4),
        chin=(200, eyes + head / 2),
        is_chin_seen=True,
    )
    return member_of(image, alpha=alpha, most_height=1000, faces=[face])


def test_heads_are_made_alike_by_their_faces_whatever_the_hair() -> None:
    members = [seen(head=80), seen(head=80, hair=60), seen(head=160)]
    assert [member.head.height for member in members] == [pytest.approx(one, abs=2) for one in (80, 80, 160)]
    found = places(members, size=(1000, 3000), alike="auto")
    heads = [place.scale * member.head.height for place, member in zip(found, members)]
    assert max(heads) - min(heads) < 0.03 * max(heads)


def test_a_face_beside_the_person_is_not_theirs() -> None:
    image, alpha = np.zeros((100, 100, 3), np.uint8), np.zeros((100, 100), np.uint8)
    alpha[20:, 60:90] = 255
    poster = Face(
        box=(5, 5, 40, 40), confidence=1, eyes=((10, 20), (30, 20)), mouth=(20, 30), chin=(20, 40), is_chin_seen=True
    )
    assert "outline" in member_of(image, alpha=alpha, most_height=100, faces=[poster]).warnings[0]


def cut(*sides: Side) -> Member:
    image, alpha = np.full((300, 200, 3), 200, np.uint8), np.zeros((300, 200), np.uint8)
    alpha[50:, 60:140] = 255
    alpha[200:, 0 if "left" in sides else 20 : 200 if "right" in sides else 180] = 255
    return member_of(image, alpha=alpha, most_height=1000)


def test_who_is_cut_off_at_a_side_stands_at_that_edge_or_is_left_out() -> None:
    kept, reasons = without_cuts([cut("left"), cut(), cut("right")])
    assert kept == [0, 1, 2] and reasons == {}
    found = places([cut("left"), cut(), cut("right")], size=(400, 1000), alike="auto")
    assert found[0].left == 0 and found[2].left + found[2].width == 1000
    gaps = [found[1].left - found[0].width, found[2].left - found[1].left - found[1].width]
    assert gaps[0] == pytest.approx(gaps[1], abs=2) and gaps[0] > 0
    kept, reasons = without_cuts([cut(), cut("left"), cut("right"), cut()])
    assert kept == [0, 3] and "left edge" in reasons[1] and "right edge" in reasons[2]
    assert without_cuts([cut("left", "right")]) == ([0], {})
    assert without_cuts([cut("right"), cut("left")])[0] == [1], "the one that is left stands at the edge"
