"""Merging: what is kept, what is refused, and a dataset that grows in place."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset, read_dataset, read_quarantine, write_dataset
from curation.dataset.sample import Source
from curation.errors import InputRefused
from curation.operations.merge import plan_merge, refuse_own_output
from curation.operations.rewrite import rewriting
from curation.quarantine import BadRecord, Code

HERE = RunnerOptions(workers=0)


def dataset(folder: Path, *ids: str, extra: Mapping[str, pa.Array] | None = None, **columns: Any) -> Dataset:
    """Write a dataset whose image of id `x` holds the bytes `image x`, beside one filtered and one broken input."""
    rows = []
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for id_ in ids:
        data = f"image {id_}".encode()
        (folder / f"images/{id_}.jpg").write_bytes(data)
        (folder / f"masks/{id_}.v1.png").write_bytes(f"mask {id_}".encode())
        row = {"id": id_, "image": f"images/{id_}.jpg", "mask": f"masks/{id_}.v1.png", "label_version": 1}
        row |= {"width": 4, "height": 3, "source": folder.name, "source_id": id_, "group": id_, "license": "1"}
        rows.append(row | {"sha256": sha256(data).hexdigest(), "person_area": 0.5} | columns)
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    for name, values in (extra or {}).items():
        table = table.append_column(name, values)
    card = Card(
        name=folder.name,
        command="pairs",
        settings={},
        tool_version="1",
        run=f"run-{folder.name}",
        sources=[Source(name="photos", path="/photos", fingerprint="f", licenses={"1": "CC BY"})],
        licenses={"1": len(ids)},
        counts=Counts(considered=len(ids) + 2, selected=len(ids), filtered={"small": 1}, quarantined={"NO_MASK": 1}),
    )
    problem = BadRecord(Code.NO_MASK, "no mask", file=f"{folder.name}.jpg")
    write_dataset(folder, card=card, table=table, quarantine=[problem.record(stage="pairs")])
    return read_dataset(folder)


def merged(out: Path, *datasets: Dataset, **settings: Any) -> Dataset:
    build_dataset(plan_merge(datasets, **settings), out=out, options=BuildOptions(runner=HERE))
    return read_dataset(out)


def test_a_merge_holds_every_row_and_links_every_file(tmp_path: Path) -> None:
    one, two = dataset(tmp_path / "one", "a", "b"), dataset(tmp_path / "two", "c")
    result = merged(tmp_path / "out", one, two)
    assert result.table["id"].to_pylist() == ["a", "b", "c"]
    for row in result.table.to_pylist():
        origin = tmp_path / row["source"]
        for column in ("image", "mask"):
            assert result.path(row[column]).samefile(origin / row[column])
        assert row["mask"] == f"masks/{row['id']}.v1.png"
        assert row["label_version"] == 1


def test_the_card_of_a_merge_names_parents_and_each_source_once(tmp_path: Path) -> None:
    card = merged(tmp_path / "out", dataset(tmp_path / "one", "a"), dataset(tmp_path / "two", "b")).card
    assert card.parents == ["one@run-one", "two@run-two"]
    assert card.sources == [Source(name="photos", path="/photos", fingerprint="f", licenses={"1": "CC BY"})]
    assert card.counts == Counts(considered=2, selected=2, filtered={}, quarantined={})
    assert card.licenses == {"1": 2}


def test_columns_that_commands_added_keep_values_and_types(tmp_path: Path) -> None:
    extra = {
        "miou": pa.array([0.25, None], pa.float32()),
        "round": pa.array([1, 2], pa.int16()),
        "tags": pa.array([["x"], []], pa.list_(pa.string())),
        "empty": pa.array([None, None], pa.string()),
    }
    one, two = dataset(tmp_path / "one", "a", "b", extra=extra), dataset(tmp_path / "two", "c")
    table = merged(tmp_path / "out", one, two).table
    assert {name: table.schema.field(name).type for name in extra} == {n: v.type for n, v in extra.items()}
    assert table["miou"].to_pylist() == [0.25, None, None]
    assert table["round"].to_pylist() == [1, 2, None]
    assert table["tags"].to_pylist() == [["x"], [], None]


def test_a_column_of_two_types_is_refused_by_name(tmp_path: Path) -> None:
    one = dataset(tmp_path / "one", "a", extra={"score": pa.array([0.5])})
    two = dataset(tmp_path / "two", "b", extra={"score": pa.array(["high"])})
    with pytest.raises(InputRefused, match="'score' holds string here and double"):
        plan_merge([one, two])


def test_a_column_that_a_merge_cannot_keep_is_refused_by_name(tmp_path: Path) -> None:
    one = dataset(tmp_path / "one", "a", extra={"blob": pa.array([b"\xff"])})
    with pytest.raises(InputRefused, match="'blob' holds binary"):
        plan_merge([one])


def test_a_dataset_that_is_named_twice_is_refused_as_that(tmp_path: Path) -> None:
    one, two = dataset(tmp_path / "one", "a"), dataset(tmp_path / "two", "b")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    for again in (one, read_dataset(tmp_path / "two" / ".." / "one"), read_dataset(tmp_path / "link")):
        with pytest.raises(InputRefused, match="named twice"):
            plan_merge([one, two, again], prefix=True)


def test_ids_that_collide_are_refused_and_a_prefix_mends_it(tmp_path: Path) -> None:
    one, two = dataset(tmp_path / "one", "a", "b"), dataset(tmp_path / "two", "a", group="other", sha256=None)
    with pytest.raises(InputRefused, match=r"taken twice: a, masks/a.v1.png\n.*--prefix of merge"):
        plan_merge([one, two])
    two = dataset(tmp_path / "2nd", "a")
    result = merged(tmp_path / "out", one, two, prefix=True)
    assert result.table["id"].to_pylist() == ["2nd-a", "one-a", "one-b"]
    assert result.table["mask"].to_pylist()[0] == "masks/2nd-a.v1.png"
    assert result.path("images/2nd-a.jpg").read_bytes() == b"image a"
    assert result.table["group"].to_pylist() == ["a", "a", "b"]


@pytest.mark.parametrize(("first", "second"), [("Ann", "ann"), ("caf\u00e9", "cafe\u0301")])
def test_ids_that_some_file_systems_take_for_one_are_refused(tmp_path: Path, first: str, second: str) -> None:
    with pytest.raises(InputRefused, match="taken twice"):
        plan_merge([dataset(tmp_path / "one", first), dataset(tmp_path / "two", second)])


def test_one_dataset_and_a_query_are_a_selection_that_counts_what_it_drops(tmp_path: Path) -> None:
    result = merged(tmp_path / "out", dataset(tmp_path / "one", "a", "b", "c"), query="id != 'b'", limit=1)
    assert result.table["id"].to_pylist() == ["a"]
    assert result.card.counts == Counts(considered=3, selected=1, filtered={"limit": 1, "query": 1}, quarantined={})


def test_a_query_may_name_a_column_that_only_one_dataset_has(tmp_path: Path) -> None:
    one = dataset(tmp_path / "one", "a", extra={"miou": pa.array([0.3])})
    assert merged(tmp_path / "out", one, dataset(tmp_path / "two", "b"), query="miou < 0.8").table[
        "id"
    ].to_pylist() == ["a"]


def test_a_query_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no_such_column"):
        plan_merge([dataset(tmp_path / "one", "a")], query="no_such_column > 1")


def test_an_image_that_changed_since_its_import_is_set_aside(tmp_path: Path) -> None:
    one = dataset(tmp_path / "one", "a", "b")
    one.path("images/a.jpg").write_bytes(b"image A")
    result = merged(tmp_path / "out", one)
    assert result.table["id"].to_pylist() == ["b"]
    assert result.card.counts.quarantined == {"CHECKSUM": 1}
    assert [(line.code, line.record_id) for line in read_quarantine(result.folder)] == [("CHECKSUM", "a")]


def test_a_label_that_changed_since_its_import_is_set_aside_where_the_manifest_knows_its_sha256(tmp_path: Path) -> None:
    digests = pa.array([sha256(b"mask a").hexdigest(), sha256(b"another").hexdigest(), None])
    one = dataset(tmp_path / "one", "a", "b", "c", extra={"mask_sha256": digests})
    result = merged(tmp_path / "out", one)
    assert result.table["id"].to_pylist() == ["a", "c"]
    assert result.table["mask_sha256"].to_pylist() == [sha256(b"mask a").hexdigest(), None]
    assert [(line.code, line.field) for line in read_quarantine(result.folder)] == [("CHECKSUM", "mask_sha256")]


@pytest.mark.parametrize("column", ["image", "width", "source", "group", "label_version"])
def test_a_row_that_lacks_what_every_sample_has_is_set_aside(tmp_path: Path, column: str) -> None:
    one, two = dataset(tmp_path / "one", "a", **{column: None}), dataset(tmp_path / "two", "b")
    result = merged(tmp_path / "out", one, two)
    assert result.table["id"].to_pylist() == ["b"]
    assert [(line.code, line.record_id) for line in read_quarantine(result.folder)] == [("JSON_VALUE", "a")]


def test_a_mask_that_is_gone_is_set_aside(tmp_path: Path) -> None:
    one = dataset(tmp_path / "one", "a", "b")
    one.path("masks/a.v1.png").unlink()
    assert merged(tmp_path / "out", one).card.counts.quarantined == {"MISSING_FILE": 1}


@pytest.mark.parametrize(("place", "code"), [("../one/images/a.jpg", "PATH_ESCAPE"), (".curate/lock", "NAME")])
def test_a_row_that_points_outside_its_folders_is_set_aside(tmp_path: Path, place: str, code: str) -> None:
    one = dataset(tmp_path / "one", "a", mask=place)
    (one.folder / ".curate").mkdir()
    (one.folder / ".curate/lock").write_text("x")
    assert merged(tmp_path / "out", one).card.counts.quarantined == {code: 1}


def test_splits_that_leak_are_refused_and_can_be_dropped(tmp_path: Path) -> None:
    one, two = dataset(tmp_path / "one", "a", split="train"), dataset(tmp_path / "two", "b", split="test", group="a")
    with pytest.raises(InputRefused, match="'a' in test and train"):
        plan_merge([one, two])
    result = merged(tmp_path / "out", one, two, drop_splits=True)
    assert result.table["split"].to_pylist() == [None, None]


def test_a_changed_parent_makes_another_run(tmp_path: Path) -> None:
    one, two = dataset(tmp_path / "one", "a"), dataset(tmp_path / "two", "b")
    merged(tmp_path / "out", one)
    with rewriting(one.folder) as found:
        counts = msgspec.structs.replace(found.card.counts, considered=found.card.counts.considered + 1, selected=2)
        card = msgspec.structs.replace(found.card, counts=counts)
        write_dataset(one.folder, card=card, table=pa.concat_tables([found.table, two.table]), quarantine=[])
    with pytest.raises(InputRefused, match="other settings or sources"):
        merged(tmp_path / "out", read_dataset(one.folder))


def test_the_output_may_not_be_an_input(tmp_path: Path) -> None:
    one = dataset(tmp_path / "one", "a")
    with pytest.raises(InputRefused, match="also an input"):
        refuse_own_output([one], out=tmp_path / "other" / ".." / "one")


def with_classes(found: Dataset, **classes: int) -> Dataset:
    """Return a dataset whose card says what the values of its class maps mean."""
    card = msgspec.structs.replace(found.card, notes={"classes": {"background": 0, **classes}})
    write_dataset(found.folder, card=card, table=found.table, quarantine=[])
    return read_dataset(found.folder)


def test_a_merged_dataset_knows_what_the_values_of_its_class_maps_mean(tmp_path: Path) -> None:
    faces = with_classes(dataset(tmp_path / "faces", "a"), l_eye=1, r_eye=2)
    more, masks = with_classes(dataset(tmp_path / "more", "b"), l_eye=1), dataset(tmp_path / "masks", "c")
    names = {"background": 0, "l_eye": 1, "r_eye": 2}
    assert plan_merge([masks, faces, more]).notes == {"classes": names}
    assert plan_merge([faces], query="id == 'a'").notes == {"classes": names}
    assert plan_merge([masks]).notes == {}
    others = with_classes(dataset(tmp_path / "others", "d"), hair=1)
    with pytest.raises(InputRefused, match=r"value 1 of its class maps is 'hair', and 'l_eye' in .*faces"):
        plan_merge([faces, others])
