"""What was made from a photograph is found, under each of its names, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.query import select_rows
from curation.errors import InputRefused
from curation.operations.lineage import photographs, trace, without
from curation.operations.merge import plan_merge
from tests.curation.fusion.fusion_data import grounds, persons
from tests.curation.fusion.test_plan_fusion import build, fused


@pytest.fixture
def datasets(tmp_path: Path) -> list[Dataset]:
    """Three persons, two fused samples of each, and a copy of one under another id, relabelled."""
    fronts, backs = persons(tmp_path / "p", ["a", "b", "c"]), grounds(tmp_path / "g", ["x", "y"])
    mixed = fused(fronts, backs, tmp_path / "f", per_foreground=2)
    build(plan_merge([fronts], prefix=True, query="source_id == 'a.src'"), tmp_path / "hard")
    return [fronts, backs, mixed, read_dataset(tmp_path / "hard")]


def shown(datasets: list[Dataset], name: str) -> set[tuple[str, str, str]]:
    return {(Path(one.dataset).name, one.id, one.shown) for one in trace(datasets, names=[name])}


def test_a_foreground_is_followed_into_copies_and_fused_samples(datasets: list[Dataset]) -> None:
    expected = {
        ("p", "a", "itself"),
        ("hard", "p-a", "itself"),
        ("f", "a-fused-1", "as foreground"),
        ("f", "a-fused-2", "as foreground"),
    }
    digest = next(row["sha256"] for row in datasets[0].table.to_pylist() if row["id"] == "a")
    for name in ("a", "a.src", digest, digest[:12], "p-a"):
        assert shown(datasets, name) == expected


def test_a_background_is_followed_into_fused_samples(datasets: list[Dataset]) -> None:
    found = {id_ for folder, id_, how in shown(datasets, "x") if how == "as background" and folder == "f"}
    truth = {row["id"] for row in datasets[2].table.to_pylist() if row["background_id"] == "x"}
    assert found == truth
    assert ("g", "x", "itself") in shown(datasets, "x")


def test_a_fused_dataset_alone_knows_its_photographs(datasets: list[Dataset]) -> None:
    assert shown([datasets[2]], "a") == {("f", "a-fused-1", "as foreground"), ("f", "a-fused-2", "as foreground")}
    assert shown([datasets[2]], "a-fused-1") == {("f", "a-fused-1", "itself")}


def test_the_query_leaves_all_others(datasets: list[Dataset]) -> None:
    query = without(trace(datasets, names=["a"]), dataset=datasets[2])
    left = select_rows(datasets[2], query)["id"].to_pylist()
    assert left == ["b-fused-1", "b-fused-2", "c-fused-1", "c-fused-2"]


def test_one_id_of_two_sources_names_two_photographs(tmp_path: Path) -> None:
    both = [persons(tmp_path / "p", ["a"]), grounds(tmp_path / "g", ["a"])]
    assert len(photographs(trace(both, names=["a"]))) == 2


def test_several_names_are_all_followed(datasets: list[Dataset]) -> None:
    found = {(Path(one.dataset).name, one.id) for one in trace(datasets, names=["a", "b"])}
    fused_ones = {("f", f"{id_}-fused-{number}") for id_ in "ab" for number in (1, 2)}
    assert found == {("p", "a"), ("p", "b"), ("hard", "p-a")} | fused_ones


def test_copies_that_were_joined_are_followed_and_others_of_a_group_are_not(tmp_path: Path) -> None:
    group = {"group": "copies-0123456789ab"}
    rows = {"a": group, "b": group, "c": {"group": "batch"}, "d": {"group": "batch"}}
    fronts, backs = persons(tmp_path / "p", ["a", "b", "c", "d"], rows=rows), grounds(tmp_path / "g", ["x"])
    mixed = fused(fronts, backs, tmp_path / "f")
    expected = {
        ("p", "a", "itself"),
        ("p", "b", "a copy"),
        ("f", "a-fused", "as foreground"),
        ("f", "b-fused", "as foreground"),
    }
    seen = {(folder, id_.removesuffix("-1"), how) for folder, id_, how in shown([fronts, mixed], "a")}
    assert seen == expected
    assert len(photographs(trace([fronts, mixed], names=["a"]))) == 1
    assert {id_ for _, id_, _ in shown([fronts], "c")} == {"c"}


def test_a_name_of_nothing_is_refused(datasets: list[Dataset]) -> None:
    for name in ("nobody", "", "a.sr"):
        with pytest.raises(InputRefused, match="nothing here is called"):
            trace(datasets, names=["a", name])
