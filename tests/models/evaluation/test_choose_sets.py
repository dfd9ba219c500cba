from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from curation.errors import InputRefused
from models.evaluation.choose_sets import EvaluationSet, SetChoice, choose_sets, identify, run_id
from tests.models.drawn import Sample, drawn_dataset, person, put


def folder(root: Path, name: str = "d", *, masks: int = 6, rows: int = 6) -> Path:
    splits = ["train", "val", "test"]
    samples = [
        Sample(
            id=f"s{n}",
            prediction=person(),
            mask=person() if n < masks else None,
            row={"split": splits[n % 3], "person_area": n / 10},
        )
        for n in range(rows)
    ]
    drawn_dataset(root / name, samples)
    return root / name


def chosen(root: Path, *, masks: int = 6, **choice: Any) -> EvaluationSet:
    everything: dict[str, Any] = {"splits": ("all",), "query": None, "limit": None}
    (found,) = choose_sets([folder(root, masks=masks)], choice=SetChoice(**(everything | choice)))
    assert len(found.rows) + sum(found.filtered.values()) == len(found.dataset)
    return found


def ids(found: EvaluationSet) -> list[str]:
    return [row["id"] for row in found.rows]


def test_all_samples_with_a_label_are_chosen_in_the_order_of_ids(tmp_path: Path) -> None:
    found = chosen(tmp_path)
    assert (found.name, ids(found), found.filtered) == ("d", ["s0", "s1", "s2", "s3", "s4", "s5"], {})


def test_split_query_missing_masks_and_limit_leave_out_and_are_counted(tmp_path: Path) -> None:
    assert ids(chosen(tmp_path / "1", splits=("test",))) == ["s2", "s5"]
    assert ids(chosen(tmp_path / "2", query="person_area > 0.35")) == ["s4", "s5"]
    several = chosen(tmp_path / "3", masks=5, query="person_area > 0.05", limit=2)
    assert ids(several) == ["s1", "s2"]
    assert several.filtered == {"query": 1, "no_mask": 1, "limit": 2}


def test_a_mask_that_lacks_a_person_judges_no_model_and_is_counted(tmp_path: Path) -> None:
    samples = [
        Sample(id=f"s{n}", prediction=person(), mask=person(), row={"split": "test", "broken_parts": n})
        for n in range(3)
    ]
    drawn_dataset(tmp_path / "d", samples)
    (found,) = choose_sets([tmp_path / "d"], choice=SetChoice(splits=("all",), query=None, limit=None))
    assert (ids(found), found.filtered) == (["s0"], {"broken_parts": 2})


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"query": "person_area > 2"}, "for 6 --where does not hold"),
        ({"masks": 0}, "6 have no mask"),
        ({"splits": ("val",), "query": "split == 'test'"}, "4 are not of the split val .* for 2 --where"),
    ],
)
def test_nothing_to_evaluate_is_refused_saying_why(tmp_path: Path, choice: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputRefused, match=reason):
        chosen(tmp_path, **choice)


def test_an_empty_data_set_is_refused(tmp_path: Path) -> None:
    empty = SetChoice(splits=("all",), query=None, limit=None)
    with pytest.raises(InputRefused, match="it is empty"):
        choose_sets([folder(tmp_path, rows=0)], choice=empty)


def test_each_data_set_can_have_a_split_of_its_own(tmp_path: Path) -> None:
    choice = SetChoice(splits=("test", "all"), query=None, limit=None)
    one, other = choose_sets([folder(tmp_path, name="a"), folder(tmp_path, name="b")], choice=choice)
    assert (ids(one), len(other.rows)) == (["s2", "s5"], 6)


def test_two_data_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    everything = SetChoice(splits=("all",), query=None, limit=None)
    folders = [folder(tmp_path / "one"), folder(tmp_path / "other")]
    with pytest.raises(InputRefused, match="two of the data sets are called 'd'"):
        choose_sets(folders, choice=everything)


def test_a_data_set_named_twice_is_refused(tmp_path: Path) -> None:
    everything = SetChoice(splits=("all",), query=None, limit=None)
    (tmp_path / "x").mkdir()
    with pytest.raises(InputRefused, match="named twice"):
        choose_sets([folder(tmp_path), tmp_path / "x" / ".." / "d"], choice=everything)


def model(root: Path, *, weights: bytes = b"w", card: str = "input_size: [1, 1]") -> Path:
    put(root / "m.onnx", weights)
    put(root / "m.yaml", card.encode())
    return root / "m.onnx"


def test_a_model_is_known_by_its_weights_and_its_card(tmp_path: Path) -> None:
    one = identify(model(tmp_path / "1"))
    assert one.name == "m"
    assert one.sha256 == "50e721e49c013f00c62cf59f2163542a9d8df02464efeb615d31051b0fddc326"  # of "w"
    same = identify(model(tmp_path / "2"))
    assert (one.sha256, one.card_sha256) == (same.sha256, same.card_sha256)
    assert identify(model(tmp_path / "3", weights=b"x")).sha256 != one.sha256
    assert identify(model(tmp_path / "4", card="input_size: [2, 2]")).card_sha256 != one.card_sha256


def test_a_model_without_its_card_is_refused(tmp_path: Path) -> None:
    path = model(tmp_path)
    path.with_suffix(".yaml").unlink()
    with pytest.raises(InputRefused) as caught:
        identify(path)
    assert caught.value.where.endswith("m.yaml")


def test_the_run_changes_with_model_data_choice_and_settings_and_with_nothing_else(tmp_path: Path) -> None:
    one, other = identify(model(tmp_path / "1")), identify(model(tmp_path / "2", weights=b"x"))
    found, fewer = chosen(tmp_path / "a"), chosen(tmp_path / "b", limit=3)
    moved = chosen(tmp_path / "c")
    run = run_id([one], sets=[found], settings={"seed": 0})
    assert run == run_id([one], sets=[moved], settings={"seed": 0})
    assert len(run) == 16
    others = {
        run_id([other], sets=[found], settings={"seed": 0}),
        run_id([one, other], sets=[found], settings={"seed": 0}),
        run_id([one], sets=[fewer], settings={"seed": 0}),
        run_id([one], sets=[found], settings={"seed": 1}),
    }
    assert len(others) == 4 and run not in others


def test_the_run_is_the_hash_of_all_that_it_depends_on_as_json(tmp_path: Path) -> None:
    one, found = identify(model(tmp_path / "1")), [chosen(tmp_path / "a"), chosen(tmp_path / "b", limit=3)]
    data = [[each.name, each.dataset.card.manifest_sha256, ids(each)] for each in found]
    what = [[[one.sha256, one.card_sha256]], data, {"a": None, "seed": 0}]
    expected = sha256(json.dumps(what, separators=(",", ":")).encode()).hexdigest()[:16]
    assert run_id([one], sets=found, settings={"seed": 0, "a": None}) == expected
