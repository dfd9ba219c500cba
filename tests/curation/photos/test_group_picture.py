"""Group pictures of drawn people, judged by what is painted: heads, cuts, order and light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from curation.images.faces import Face
from curation.images.pixels import Alpha, Image
from curation.photos.group_layout import Arrangement, Place, arranged, arranged_closely
from curation.photos.group_light import in_one_light
from curation.photos.group_member import Member, Side, member_of
from curation.photos.group_picture import group_picture
from curation.quarantine import BadRecord

SIZE = (720, 1280)


def drawn(*, head: int = 80, heads: float = 3, hair: int = 0, below: int = 0) -> tuple[Image, Alpha, Face]:
    """Return a person of so many heads with `below` rows under her, and her face: an upright bar with wide shoulders.

    Eyes are half way down the head, 1 / 3.5 of its height apart.
    """
    width = round(4 * head)
    stop = 20 + hair + round(heads * head)
    alpha = np.zeros((stop + below, width), np.uint8)
    middle, chin = width // 2, 20 + hair + head
    alpha[20:stop, middle - round(0.35 * head) : middle + round(0.35 * head)] = 255
    alpha[chin + round(0.2 * head) : stop, middle - head : middle + head] = 255
    eyes = chin - head / 2
    points = ((middle - head / 7, eyes), (middle + head / 7, eyes))
    face = Face(
        box=(middle - head / 3, eyes - head / 8, middle + head / 3, chin),
        confidence=1,
        eyes=points,
        mouth=(middle, eyes + head / 4),
        chin=(middle, chin),
        is_chin_seen=True,
    )
    return np.full((*alpha.shape, 3), 200, np.uint8), alpha, face


def person(*, level: int = 200, cut: Side | None = None, **shape: float) -> Member:
    """Return a drawn person; `cut` takes away what lies beyond the upper arm at a side of the photograph."""
    image, alpha, face = drawn(**shape)  # type: ignore[arg-type]
    image = np.full_like(image, level)
    part = slice(None)
    if cut is not None:
        middle = alpha.shape[1] // 2
        shoulder = round(0.8 * shape.get("head", 80))
        part = slice(middle - shoulder, None) if cut == "left" else slice(0, middle + shoulder)
        if cut == "left":
            face = face.moved(np.array([[1.0, 0, shoulder - middle], [0, 1, 0]]))
    return member_of(image[:, part], alpha=alpha[:, part], most_head=500, faces=[face])


def painted(members: Sequence[Member], found: Arrangement) -> np.ndarray:
    """Return which member is seen at each pixel, (h, w): its number from 1, 0 for nobody."""
    seen = np.zeros(SIZE, np.uint8)
    for place in found.places:
        flat = replace(members[place.index], colours=np.full_like(members[place.index].colours, place.index + 1))
        of_it = group_picture([flat], places=[replace(place, index=0)], background=np.zeros((*SIZE, 3), np.uint8))
        seen = np.where(of_it[:, :, 0] > 0, of_it[:, :, 0], seen)
    return seen


def head_of(place: Place, members: Sequence[Member]) -> tuple[float, float, float]:
    """Return the height of a head in the picture, and the row and the column of its middle."""
    head = members[place.index].head
    row = place.top + place.scale * (head.crown + head.chin) / 2
    return place.scale * head.height, row, place.left + place.scale * head.middle


def test_heads_are_made_alike_by_their_faces_whatever_the_hair_and_lie_on_a_line() -> None:
    members = [person(), person(hair=60), person(head=160), person(heads=4)]
    assert [member.head.height for member in members] == [pytest.approx(one, abs=2) for one in (80, 80, 160, 80)]
    found = arranged(members, size=SIZE, rows=1)
    heads = [head_of(place, members) for place in found.places]
    assert not found.left_out and len(heads) == 4
    assert max(one[0] for one in heads) < 1.03 * min(one[0] for one in heads)
    assert max(one[1] for one in heads) - min(one[1] for one in heads) < 0.35 * heads[0][0]


def test_the_head_of_a_turned_face_is_as_large_as_that_of_a_level_one() -> None:
    image, alpha, face = drawn()
    (left, y), (right, _) = face.eyes
    turned = replace(face, eyes=((left + 6, y), (right - 6, y)))
    heads = [member_of(image, alpha=alpha, most_head=500, faces=[one]).head.height for one in (face, turned)]
    assert heads[0] == pytest.approx(heads[1], abs=2)


def test_neighbours_overlap_a_little_and_hide_no_head() -> None:
    members = [person() for _ in range(4)]
    found = arranged(members, size=SIZE, rows=1)
    seen = painted(members, found)
    for place in found.places:
        _, row, column = head_of(place, members)
        assert seen[round(row), round(column)] == place.index + 1
        body = members[place.index].alpha > 127
        inside = np.count_nonzero(body) * place.scale**2 * (SIZE[0] - place.top) / place.height
        assert np.count_nonzero(seen == place.index + 1) > 0.8 * inside
    shoulders = seen[-1] > 0
    first, last = np.flatnonzero(shoulders)[[0, -1]]
    assert shoulders[first:last].all(), "side by side without a gap"
    assert first == pytest.approx(SIZE[1] - 1 - last, abs=0.05 * SIZE[1])
    assert [place.index for place in found.places][-1] in {1, 2}, "who is in the middle stands in front"


def test_a_frame_is_cropped_around_the_people_and_they_stay_at_its_lower_edge() -> None:
    members = [person() for _ in range(4)]
    found = arranged(members, size=(2000, 1280), rows=1)
    around, (height, width) = arranged_closely(members, size=(2000, 1280), rows=1)
    top = min(place.top for place in around.places)
    assert (height - top) / height == pytest.approx(0.82, abs=0.01) and width <= 1280
    assert [place.top + 2000 - height for place in around.places] == [place.top for place in found.places]


@pytest.mark.parametrize("between", [0, 1, 3])
def test_whoever_is_cut_off_at_both_ends_does_not_stand_far_from_the_others(between: int) -> None:
    """The frame ends where their photographs do, and nobody stands further away than where nobody is cut."""
    members = [person(cut="left"), *[person() for _ in range(between)], person(cut="right")]
    found, (_, width) = arranged_closely(members, size=SIZE, rows=1)
    assert not found.left_out and len(found.places) == len(members)
    assert min(place.left for place in found.places) == 0
    assert max(place.left + place.width for place in found.places) == width
    middles = sorted(head_of(place, members)[2] for place in found.places)
    whole, _ = arranged_closely([person() for _ in members], size=SIZE, rows=1)
    apart = np.diff(sorted(head_of(place, members)[2] / place.scale for place in whole.places))
    assert (np.diff(middles) / found.places[0].scale).max() < 1.2 * apart.max()


def test_one_who_is_cut_off_stands_at_an_edge_and_the_frame_ends_behind_the_others() -> None:
    members = [person(cut="left"), person(), person()]
    found, (_, width) = arranged_closely(members, size=SIZE, rows=1)
    assert min(place.left for place in found.places) == 0
    right = max(place.left + place.width for place in found.places)
    assert width * 0.9 < right <= width


def test_bodies_are_made_alike_and_feet_stand_on_one_ground() -> None:
    members = [person(heads=6, below=40), person(head=120, heads=7, below=40)]
    found = arranged(members, size=SIZE)
    assert found.places[0].height == pytest.approx(found.places[1].height, abs=3)
    feet = [place.top + place.height for place in found.places]
    assert feet == [pytest.approx(0.96 * SIZE[0], abs=2)] * 2


def test_a_body_that_ends_in_its_photograph_is_cut_by_the_edge_of_the_picture() -> None:
    members = [person(heads=3, below=60), person(heads=3)]
    assert "without feet" in members[0].warnings[0] and members[1].warnings == ()
    found = arranged(members, size=SIZE)
    assert all(place.top + place.height > SIZE[0] for place in found.places)


def test_many_people_stand_in_rows_with_every_face_in_sight_and_those_seen_further_behind() -> None:
    members = [person(heads=2.2) if index % 2 else person(heads=4) for index in range(9)]
    found = arranged(members, size=SIZE)
    rows = [place.row for place in found.places]
    assert not found.left_out and max(rows) >= 1 and rows == sorted(rows, reverse=True)
    seen = painted(members, found)
    for place in found.places:
        height, row, column = head_of(place, members)
        face = seen[round(row - 0.3 * height) : round(row + 0.3 * height), round(column)]
        assert (face == place.index + 1).all()
    assert {place.index % 2 for place in found.places if place.row == max(rows)} == {0}
    for row in set(rows):
        order = [place.index for place in sorted(found.places, key=lambda one: one.left) if place.row == row]
        assert order == sorted(order), "each row keeps the order in which people are given"


def test_a_body_that_would_end_above_the_edge_unhidden_is_left_out() -> None:
    """In two rows by force: the only one behind shows no more than a head and a half, and half a picture lies below."""
    members = [person(heads=6, below=40), person(heads=1.5)]
    whole = arranged(members, size=SIZE, alike="head", rows=1)
    assert not whole.left_out
    found = arranged([person(heads=1.5)] * 3, size=SIZE, rows=3)
    assert found.left_out and all("body ends in the middle" in why.reason for why in found.left_out.values())


def seen_cut(members: Sequence[Member], found: Arrangement) -> int:
    """Return how many pixels of a cut side are seen inside of the picture."""
    seen = painted(members, found)
    count = 0
    for place in found.places:
        for side in members[place.index].cut_sides:
            column = place.left if side == "left" else place.left + place.width - 1
            if 1 < column < SIZE[1] - 2:
                count += int(np.count_nonzero(seen[:, column] == place.index + 1))
    return count


def test_who_is_cut_off_at_a_side_stands_at_that_edge() -> None:
    members = [person(cut="left"), person(), person(cut="right")]
    found = arranged(members, size=SIZE, rows=1)
    assert not found.left_out and seen_cut(members, found) == 0
    by_index = {place.index: place for place in found.places}
    assert by_index[0].left == 0 and by_index[2].left + by_index[2].width == SIZE[1]


def test_a_neighbour_in_front_hides_a_cut_or_who_is_cut_is_left_out() -> None:
    members = [person(), person(cut="left"), person()]
    found = arranged(members, size=SIZE, rows=1)
    assert seen_cut(members, found) == 0
    if not found.left_out:
        order = [place.index for place in found.places]
        assert order.index(1) < order.index(0), "the neighbour stands in front of the cut"
    narrow = [person(head=80, heads=1.4), person(cut="left", heads=4)]
    found = arranged(narrow, size=SIZE, rows=1)
    assert seen_cut(narrow, found) == 0
    both = arranged([person(), person(cut="right"), person(cut="left"), person()], size=SIZE, rows=1)
    assert both.left_out and "nothing hides that" in next(iter(both.left_out.values())).reason


def test_a_photograph_much_too_small_is_left_out_rather_than_all_made_small() -> None:
    found = arranged([person(head=160), person(head=160), person(head=16)], size=SIZE)
    assert list(found.left_out) == [2] and "too small" in found.left_out[2].reason
    alike = arranged([person(head=16)] * 3, size=SIZE)
    assert not alike.left_out and alike.places[0].scale == pytest.approx(2.0)


def test_the_light_on_faces_comes_nearer_to_that_of_all_and_a_dark_skin_stays_dark() -> None:
    """Worked out by hand: 100 among 144s goes half of the way, as a power, to 120; 20 only by the largest factor."""
    members = [person(level=144), person(level=144), person(level=100)]
    levels = [int(one.colours[one.alpha > 127].max()) for one in in_one_light(members, background=None)]
    assert levels == [144, 144, 120]
    dark = in_one_light([person(level=144), person(level=144), person(level=20)], background=None)[2]
    assert int(dark.colours[dark.alpha > 127].max()) == 25
    lit = in_one_light(members, background=np.full((40, 40, 3), 255, np.uint8))
    assert all(one.colours.max() > before for one, before in zip(lit, levels))


def test_nobody_is_no_member_and_heads_that_are_cut_or_not_there_are_refused() -> None:
    with pytest.raises(BadRecord, match="no person"):
        member_of(np.zeros((9, 9, 3), np.uint8), alpha=np.zeros((9, 9), np.uint8), most_head=9)
    alpha = np.full((50, 50), 255, np.uint8)
    with pytest.raises(BadRecord, match="touches the upper edge"):
        member_of(np.zeros((50, 50, 3), np.uint8), alpha=alpha, most_head=50)
    alpha[:10] = 0
    assert member_of(np.zeros((50, 50, 3), np.uint8), alpha=alpha, most_head=50).cut_sides == {"left", "right"}
    alpha[:, :22], alpha[:, 26:] = 0, 0
    with pytest.raises(BadRecord, match="no head in the outline"):
        member_of(np.zeros((50, 50, 3), np.uint8), alpha=alpha, most_head=50)


def test_a_face_beside_the_person_is_not_theirs() -> None:
    image, alpha, face = drawn()
    poster = face.moved(np.array([[1.0, 0, 140], [0, 1, 0]]))
    assert "outline" in member_of(image, alpha=alpha, most_head=100, faces=[poster]).warnings[0]
