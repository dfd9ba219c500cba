"""Which backgrounds a plan takes for which photographs, and what it says of those that it cannot take."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.dataset.dataset import Dataset
from curation.errors import InputRefused
from curation.fusion import fuse_sample
from curation.fusion.fuse_sample import FusionTask
from curation.fusion.plan_fusion import FusionSettings, plan_fusion
from curation.fusion.read_photograph import Photograph
from curation.fusion.standing import Shot
from curation.images.pixels import Image, Mask, decode_image
from tests.curation.fusion.fusion_data import SIZE, grounds, persons, write_png
from tests.curation.fusion.test_plan_fusion import PLAIN, build, fused, rows


def said(**sizes: tuple[int, int]) -> dict[str, Any]:
    """Return what a manifest says of the sizes (height, width) of backgrounds."""
    return {name: {"height": size[0], "width": size[1]} for name, size in sizes.items()}


def backs(folder: Path, **sizes: tuple[int, int]) -> Dataset:
    return grounds(folder, list(sizes), rows=said(**sizes))


def drawn(plan: Any) -> set[str]:
    return {item.payload.background.row["id"] for item in plan.items}


def test_what_does_not_cover_the_frame_is_not_drawn_and_counted(tmp_path: Path) -> None:
    """Frames are 48 high and 40 wide: 2.5 times 18 rows lack more than a twentieth, 2.5 times 19 do not."""
    back = backs(tmp_path / "g", low=(18, 90), just=(19, 90), narrow=(90, 15), large=(200, 200))
    told = FusionSettings(rules=PLAIN, per_foreground=20)
    plan = plan_fusion([persons(tmp_path / "p", ["a", "b"])], backgrounds=[back], settings=told)
    assert drawn(plan) == {"just", "large"}
    assert plan.notes["backgrounds_unfit"] == {"all": 2, "some": 0}
    assert len(plan.items) == 40


def test_samples_without_any_are_filtered_and_a_plan_without_any_is_refused(tmp_path: Path) -> None:
    large = {"b": {"height": 480, "width": 400}}
    front = persons(tmp_path / "p", ["a", "b"], rows=large)
    plan = plan_fusion([front], backgrounds=[backs(tmp_path / "g", x=(60, 70))], settings=FusionSettings(rules=PLAIN))
    assert [item.id for item in plan.items] == ["a-fused-1"]
    assert plan.filtered == {"no_fitting_background": 1} and plan.considered == 2
    assert plan.notes["backgrounds_unfit"] == {"all": 0, "some": 1}
    tiny = backs(tmp_path / "h", x=(10, 10))
    with pytest.raises(InputRefused, match="no background fits any of 2 samples") as told:
        plan_fusion([front], backgrounds=[tiny], settings=FusionSettings(rules=PLAIN))
    assert "--max-side" in str(told.value.remedy)
    # and the remedy is true: with smaller frames there is one
    less = FusionSettings(rules=PLAIN, max_side=32)
    assert plan_fusion([front], backgrounds=[backs(tmp_path / "i", x=(14, 14))], settings=less).items


def test_in_the_frame_of_the_background_it_is_kept_as_it_is(tmp_path: Path) -> None:
    front, back = persons(tmp_path / "p", ["a"]), grounds(tmp_path / "g", ["x"])
    result = fused(front, back, tmp_path / "f", frame="background", rules=PLAIN)
    (row,) = rows(result)
    assert (row["height"], row["width"]) == (60, 70)
    image = decode_image((tmp_path / "f" / row["image"]).read_bytes(), file="")
    ground = decode_image((tmp_path / "g/images/x.png").read_bytes(), file="")
    mask = cv2.imread(str(tmp_path / "f" / row["mask"]), cv2.IMREAD_GRAYSCALE)
    away = cv2.dilate(mask, np.ones((17, 17), np.uint8)) == 0
    assert np.abs(image[away].astype(int) - ground[away]).mean() < 12  # it went through a JPEG
    # the person keeps her shape: enlarged by 60 / 48 in both directions
    before = cv2.imread(str(tmp_path / "p/masks/a.png"), cv2.IMREAD_GRAYSCALE)
    assert np.count_nonzero(mask) == pytest.approx(np.count_nonzero(before) * (60 / SIZE[0]) ** 2, rel=0.05)


def test_a_person_who_does_not_fit_into_the_background_is_filtered_with_the_reason(tmp_path: Path) -> None:
    """Cut off left and right, she cannot reach both sides of a wider frame."""
    front = persons(tmp_path / "p", ["a"], rows={"a": {"alpha": None}})
    band = np.zeros(SIZE, np.uint8)
    band[20:] = 255
    write_png(tmp_path / "p/masks/a.png", band)
    told = FusionSettings(rules=PLAIN, frame="background")
    card = build(plan_fusion([front], backgrounds=[grounds(tmp_path / "g", ["x"])], settings=told), tmp_path / "f")
    assert (card.counts.filtered, card.counts.quarantined) == ({"cut_on_two_sides": 1}, {})


def test_a_manifest_that_says_a_wrong_size_is_found_out(tmp_path: Path) -> None:
    small = cv2.imencode(".png", np.zeros((10, 10, 3), np.uint8))[1].tobytes()
    back = grounds(tmp_path / "g", ["x"], rows={"x": {"sha256": sha256(small).hexdigest()}})
    (tmp_path / "g/images/x.png").write_bytes(small)
    plan = plan_fusion([persons(tmp_path / "p", ["a"])], backgrounds=[back], settings=FusionSettings(rules=PLAIN))
    assert build(plan, tmp_path / "f").counts.quarantined == {"UNSUITABLE": 1}


@pytest.mark.parametrize(
    ("shot", "behind"), [("head", "plate"), ("half", "desk"), (None, "street"), ("whole", "street"), ("whole", None)]
)
def test_a_person_needs_as_many_metres_as_are_seen_of_her(shot: Shot | None, behind: str | None) -> None:
    """1.7 m of a whole person on 95 % of the frame are 1.79 m; a street of which nothing is known shows enough."""
    metres = {"plate": 0.44, "desk": 1.08, "street": 2.04}
    photographs = {name: Photograph(folder="", row={"id": name, "frame_metres": one}) for name, one in metres.items()}
    if behind is None:
        del photographs["street"]
    task = FusionTask(
        foreground=photographs["plate"],
        backgrounds=tuple(photographs.values()),
        second=None,
        split="train",
        number=1,
    )
    found = task.behind(shot)
    assert (None if found is None else found.background.row["id"]) == behind
    unknown = FusionTask(
        foreground=photographs["plate"],
        backgrounds=(Photograph(folder="", row={"id": "any"}),),
        second=None,
        split="train",
        number=1,
    )
    assert unknown.behind(shot) == unknown


def test_close_ups_lie_behind_nobody_and_samples_that_need_more_metres_are_filtered(tmp_path: Path) -> None:
    metres = {"spoon": 0.1, "plate": 0.5, "desk": 1.1}
    back = grounds(tmp_path / "g", list(metres), rows={name: {"frame_metres": one} for name, one in metres.items()})
    front = persons(tmp_path / "p", ["a", "b"])
    plan = plan_fusion([front], backgrounds=[back], settings=FusionSettings(rules=PLAIN, per_foreground=3))
    assert {one.row["id"] for item in plan.items for one in item.payload.backgrounds} == {"plate", "desk"}
    assert plan.notes["backgrounds_close"] == {"nobody": 1, "whole": 3}
    made = rows(fused(front, back, tmp_path / "f", per_foreground=3))
    shots = {one["recipe"].partition('"shot":"')[2][:4] for one in made}
    assert len(made) == 6 and shots <= {"head", "half"}
    with pytest.raises(InputRefused, match="show less than") as told:
        spoon = grounds(tmp_path / "h", ["spoon"], rows={"spoon": {"frame_metres": 0.1}})
        plan_fusion([front], backgrounds=[spoon], settings=FusionSettings(rules=PLAIN))
    assert "coco-background" in str(told.value.remedy)


def test_a_place_hangs_on_no_other_foreground_and_no_background_comes_again_before_all_others(tmp_path: Path) -> None:
    backs = grounds(tmp_path / "g", ["x", "y", "z"])
    alone = fused(persons(tmp_path / "one" / "p", ["b"]), backs, tmp_path / "f1")
    among = fused(persons(tmp_path / "p", ["a", "b"]), backs, tmp_path / "f2", per_foreground=3)
    recipes = {row["id"]: json.loads(row["recipe"]) for row in (*rows(among), *rows(alone))}
    again = {row["id"]: json.loads(row["recipe"]) for row in rows(among)}
    for name in ("light", "blur_px", "quality"):
        assert recipes["b-fused-1"][name] == again["b-fused-1"][name]
    behind = Counter(row["background_id"] for row in rows(among))
    assert behind == {"x": 2, "y": 2, "z": 2}
    for name in "ab":
        assert len({row["background_id"] for row in rows(among) if row["id"].startswith(name)}) == 3
    assert len({row["sha256"] for row in rows(among)}) == 6


@pytest.mark.parametrize(("taken", "made"), [(0.05, 1), (0.2, 0)])
def test_a_person_whose_mask_is_largely_background_is_filtered(
    taken: float, made: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def less(image: Image, *, mask: Mask) -> Mask:
        return np.where(np.cumsum(mask > 0).reshape(mask.shape) > taken * np.count_nonzero(mask), mask, np.uint8(0))

    monkeypatch.setattr(fuse_sample, "without_background", less)
    fuse_sample._person.cache_clear()
    front = persons(tmp_path / "p", ["a"], rows={"a": {"alpha": None}})
    result = fused(front, grounds(tmp_path / "g", ["x"]), tmp_path / "f")
    fuse_sample._person.cache_clear()
    assert len(rows(result)) == made
    assert result.card.counts.filtered == ({} if made else {"coarse_outline": 1})
