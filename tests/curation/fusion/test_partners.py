"""Who stands behind whom: never across splits, never of one group, and told in the row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from curation.dataset.dataset import Dataset, read_dataset, read_quarantine
from curation.errors import ConfigurationProblem, InputRefused
from curation.fusion.fuse import FusionRules
from curation.fusion.plan_fusion import SECOND_COLUMNS, FusionSettings, plan_fusion
from curation.images.pixels import decode_mask, decode_matte
from curation.operations.leaks import groups_across_splits
from curation.operations.lineage import trace
from curation.operations.merge import plan_merge
from curation.operations.split import SplitShares, split_dataset
from curation.quarantine import Code
from tests.curation.fusion.fusion_data import SIZE, grounds, persons, write_png
from tests.curation.fusion.test_plan_fusion import build, fused, rows

PLANS = FusionRules(estimate=False)


def planned(fronts: Dataset, backs: Dataset, *, share: float, **settings: Any) -> dict[str, str | None]:
    """Return the id of the second person for each fused sample."""
    told = FusionSettings(rules=PLANS, second_person=share, **settings)
    tasks = {item.id: item.payload for item in plan_fusion([fronts], backgrounds=[backs], settings=told).items}
    return {id_: None if task.second is None else task.second.row["id"] for id_, task in tasks.items()}


@pytest.fixture
def grounds_of_each_split(tmp_path: Path) -> Dataset:
    splits = dict(enumerate(("train", "val", "test")))
    return grounds(tmp_path / "g", ["x", "y", "z"], rows={"xyz"[n]: {"split": splits[n]} for n in splits})


@pytest.mark.parametrize("seed", range(4))
def test_a_second_is_of_the_same_split_and_of_another_group(
    tmp_path: Path, grounds_of_each_split: Dataset, seed: int
) -> None:
    """Two or three persons in each group; some have the image of another group's, which joins the two."""
    ids = [f"p{number:02}" for number in range(40)]
    splits = {id_: (None, "train", "val", "test")[number // 4 % 4] for number, id_ in enumerate(ids)}
    given: dict[str, dict[str, Any]] = {
        id_: {"split": splits[id_], "group": f"g{n // 2}", "sha256": f"{n if n % 8 != 3 else n - 2:064}"}
        for n, id_ in enumerate(ids)
    }
    found = planned(
        persons(tmp_path / "p", ids, rows=given), grounds_of_each_split, share=1, per_foreground=20, seed=seed
    )
    assert len(found) == 800 and None not in found.values()
    for sample, second in found.items():
        first = sample.partition("-")[0]
        assert second is not None
        assert (splits[first] or "train") == (splits[second] or "train")
        family = {int(name[1:]) // 4 if int(name[1:]) % 8 < 4 else name[1:] for name in (first, second)}
        assert given[first]["group"] != given[second]["group"] and len(family) == 2
    assert len(set(found.values())) == 40


def test_with_a_larger_share_the_same_samples_keep_the_same_persons(tmp_path: Path) -> None:
    fronts, backs = persons(tmp_path / "p", [f"p{number}" for number in range(10)]), grounds(tmp_path / "g", ["x"])
    less, more, all_ = (planned(fronts, backs, share=share, per_foreground=40) for share in (0.2, 0.5, 1))
    assert 40 < sum(second is not None for second in less.values()) < 120
    assert {id_: second for id_, second in less.items() if second}.items() <= more.items()
    assert {id_: second for id_, second in more.items() if second}.items() <= all_.items()
    assert set(planned(fronts, backs, share=0, per_foreground=40).values()) == {None}


def test_where_all_are_of_one_group_nobody_stands_behind(tmp_path: Path) -> None:
    fronts = persons(tmp_path / "p", ["a", "b"], rows={"a": {"group": "one"}, "b": {"group": "one"}})
    assert set(planned(fronts, grounds(tmp_path / "g", ["x"]), share=1).values()) == {None}


def test_samples_without_a_second_are_the_same_to_the_byte(tmp_path: Path) -> None:
    fronts, backs = persons(tmp_path / "p", ["a", "b", "c", "d"]), grounds(tmp_path / "g", ["x", "y"])
    plain = fused(fronts, backs, tmp_path / "plain", per_foreground=4)
    mixed = fused(fronts, backs, tmp_path / "mixed", per_foreground=4, second_person=0.5)
    assert not set(SECOND_COLUMNS) & set(plain.table.column_names)
    assert "second_person" not in plain.card.settings and mixed.card.settings["second_person"] == 0.5
    before = {row["id"]: row for row in rows(plain)}
    alone = [row for row in rows(mixed) if row["second_id"] is None]
    assert 0 < len(alone) < 16
    for row in alone:
        assert {row.pop(name) for name in SECOND_COLUMNS} == {None}
        assert row == before[row["id"]]
        for name in ("image", "mask", "alpha"):
            assert (mixed.folder / row[name]).read_bytes() == (plain.folder / row[name]).read_bytes()


def test_a_sample_tells_of_its_second_person(tmp_path: Path) -> None:
    fronts = persons(tmp_path / "p", ["a", "b"], rows={"b": {"persons": 2, "license": "CC BY"}})
    backs = grounds(tmp_path / "g", ["x"])
    result = fused(fronts, backs, tmp_path / "f", second_person=1.0, per_foreground=4, trimap_kernel="3")
    by_id = {row["id"]: row for row in rows(fronts)}
    shown = [row for row in rows(result) if row["second_id"] is not None]
    assert {row["foreground_id"] for row in shown} == {"a", "b"}
    for row in shown:
        second = by_id["b" if row["foreground_id"] == "a" else "a"]
        assert all(row[f"second_{name}"] == second[name] for name in ("id", "source_id", "license", "sha256", "group"))
        assert (row["persons"], row["group"]) == (3, f"p/{row['foreground_id']}")
        licenses = [by_id[row["foreground_id"]]["license"], "g licence", second["license"]]
        assert row["license"] == " + ".join(licenses)
        assert set(msgspec.json.decode(row["recipe"])["second"]) == {"fitted", "placement"}
        mask, trimap = (
            decode_mask((result.folder / row["mask"]).read_bytes(), file=""),
            decode_matte((result.folder / row["trimap"]).read_bytes(), file=""),
        )
        alpha = decode_matte((result.folder / row["alpha"]).read_bytes(), file="")
        assert np.array_equal(mask > 0, alpha > 50)
        assert np.array_equal(trimap == 255, trimap > 128) and (alpha[trimap == 0] <= 50).all()
        assert row["person_area"] == np.count_nonzero(mask) / mask.size


def test_one_count_of_persons_that_is_unknown_makes_the_sum_unknown(tmp_path: Path) -> None:
    fronts = persons(tmp_path / "p", ["a", "b"], rows={"b": {"persons": None}})
    result = fused(fronts, grounds(tmp_path / "g", ["x"]), tmp_path / "f", second_person=1.0, per_foreground=4)
    assert {row["persons"] for row in rows(result) if row["second_id"] is not None} == {None}


def test_an_outline_guessed_from_a_mask_leaves_no_alpha_for_the_sample(tmp_path: Path) -> None:
    fronts = persons(tmp_path / "p", ["a", "b"], rows={"b": {"alpha": None}})
    result = fused(fronts, grounds(tmp_path / "g", ["x"]), tmp_path / "f", second_person=1.0, per_foreground=4)
    found = {(row["foreground_id"], row["second_id"], row["alpha_from"], row["alpha"] is None) for row in rows(result)}
    assert found <= {
        ("a", None, "alpha", False),
        ("b", None, "mask", True),
        ("a", "b", "mask", True),
        ("b", "a", "mask", True),
    }
    assert ("a", "b", "mask", True) in found


@pytest.mark.parametrize(("label", "code"), [("images", Code.CHECKSUM), ("alphas", Code.EMPTY_ALPHA)])
def test_a_broken_second_is_quarantined_with_its_file_as_a_broken_background_is(
    tmp_path: Path, label: str, code: Code
) -> None:
    fronts, backs = persons(tmp_path / "p", ["a", "b", "c"]), grounds(tmp_path / "g", ["x"])
    told = {"second_person": 0.7, "per_foreground": 4}
    seconds = planned(fronts, backs, share=0.7, per_foreground=4)
    broken = tmp_path / "p" / label / "b.png"
    write_png(broken, np.zeros(SIZE, np.uint8))
    result = fused(fronts, backs, tmp_path / "f", **told)
    lost = {id_ for id_, second in seconds.items() if second == "b" or id_.startswith("b")}
    assert 4 < len(lost) < 12
    records = read_quarantine(result.folder)
    assert {(record.code, record.file) for record in records} == {(code, str(broken.resolve()))}
    assert len(records) == len(lost)
    assert {row["id"] for row in rows(result)} == seconds.keys() - lost


def test_a_later_split_keeps_a_second_on_the_side_of_the_sample(tmp_path: Path) -> None:
    fronts = persons(tmp_path / "p", [f"p{number}" for number in range(8)])
    backs = grounds(tmp_path / "g", [f"b{number}" for number in range(8)])
    fused(fronts, backs, tmp_path / "f", second_person=0.4)
    build(plan_merge([fronts, read_dataset(tmp_path / "f")], drop_splits=True), tmp_path / "all")
    split_dataset(tmp_path / "all", shares=SplitShares(val=0.3, test=0.3), seed=1, keep=False)
    result = rows(read_dataset(tmp_path / "all"))
    side = {row["group"]: row["split"] for row in result if row["foreground_id"] is None}
    seconds = [row for row in result if row["second_group"] is not None]
    assert seconds and all(side[row["second_group"]] == side[row["group"]] == row["split"] for row in seconds)


def test_a_leak_through_a_second_is_found_by_its_group_and_by_its_hash(tmp_path: Path) -> None:
    fronts, backs = persons(tmp_path / "p", ["a", "b"]), grounds(tmp_path / "g", ["x"])
    mixed = fused(fronts, backs, tmp_path / "f", second_person=1.0, per_foreground=4)
    build(plan_merge([mixed], query="foreground_id == 'a' and second_id == 'b'"), tmp_path / "only")
    only = read_dataset(tmp_path / "only")
    by_group = persons(tmp_path / "one", ["z"], rows={"z": {"split": "test", "group": "p/b"}})
    by_hash = persons(tmp_path / "two", ["b"], rows={"b": {"split": "test"}})
    other = persons(tmp_path / "three", ["y"], rows={"y": {"split": "test"}})
    assert len(only)
    plan_merge([only, other])
    for held in (by_group, by_hash):
        with pytest.raises(InputRefused, match="more than one split"):
            plan_merge([only, held])
    assert groups_across_splits(mixed.table) == {}


def test_a_second_who_cannot_be_seen_is_left_out_and_the_row_says_so(tmp_path: Path) -> None:
    fronts, backs = persons(tmp_path / "p", ["a", "b"]), grounds(tmp_path / "g", ["x"])
    wall = np.full(SIZE, 255, np.uint8)
    wall[0] = 0
    write_png(tmp_path / "p/alphas/a.png", wall)
    mixed = fused(fronts, backs, tmp_path / "m", second_person=1.0)
    first = rows(mixed)[0]
    assert mixed.card.notes["seconds_drawn"] == 2
    assert {first[name] for name in SECOND_COLUMNS} == {None}
    assert (first["persons"], first["license"]) == (1, "p licence + g licence")
    plain = rows(fused(fronts, backs, tmp_path / "f"))[0]
    assert first.items() >= plain.items()


def test_lineage_follows_a_second_person(tmp_path: Path) -> None:
    fronts, backs = persons(tmp_path / "p", ["a", "b", "c"]), grounds(tmp_path / "g", ["x"])
    result = fused(fronts, backs, tmp_path / "f", second_person=1.0, per_foreground=3)
    truth = {row["id"] for row in rows(result) if row["second_id"] == "c"}
    digest = next(row["sha256"] for row in rows(fronts) if row["id"] == "c")
    for name in ("c", "c.src", digest[:12]):
        found = trace([fronts, result], names=[name])
        assert truth and {one.id for one in found if one.shown == "as second person"} == truth
        assert {one.id for one in found} == truth | {"c", "c-fused-1", "c-fused-2", "c-fused-3"}


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ConfigurationProblem, match=r"--second-person .* is no share"):
        FusionSettings(second_person=share)
