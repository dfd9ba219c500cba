from __future__ import annotations

import numpy as np
import pytest

from curation.photos.group_picture import Member, group_picture, member_of, places
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
    told = " ".join(member_of(np.zeros((50, 50, 3), np.uint8), alpha=alpha, most_height=50).warnings)
    assert "upper" in told and "left" in told and "right" in told
