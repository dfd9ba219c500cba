"""Labels in shards are those of a data set without: as the manifest names them, as tarfile reads them, and by key."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curation.building.build_dataset import BuildOptions, build_dataset, run_id
from curation.building.shards import drop_packed, in_shards
from curation.building.workers import RunnerOptions
from curation.byte_range import byte_range
from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.sample import Item, Outcome, Plan, Sample, Source
from curation.dataset.table import table_of
from curation.errors import EnvironmentProblem, InputRefused
from curation.storage.files import read_file, sha256_of
from tests.curation.exchange.other_readers import quietly

IDS = ("a", "a-1", "b.1", "é", "x" * 150)
LABELS = ("mask", "alpha", "ignore")
FOLDERS = {"mask": "masks", "alpha": "alphas", "ignore": "ignores"}


def content(id_: str, column: str) -> bytes:
    return f"{column} of {id_} ".encode() * (700 if column == "alpha" else 3)


def make(item: Item, folder: Path) -> Outcome:
    """Write an image, and the labels that the payload names."""
    (folder / "images" / f"{item.id}.jpg").write_bytes(b"image")
    values: dict[str, Any] = {}
    for column in item.payload:
        values[column] = f"{FOLDERS[column]}/{item.id}.png"
        (folder / values[column]).write_bytes(content(item.id, column))
        values[f"{column}_sha256"] = sha256_of(content(item.id, column))
    own = {name: values.pop(name) for name in ("mask", "alpha") if name in values}
    extra = {"ignore": None, **values}
    return Outcome(id=item.id, sample=sample(item.id, extra=extra, **own))


def sample(id_: str, **values: Any) -> Sample:
    image = {"image": f"images/{id_}.jpg", "width": 4, "height": 3, "sha256": sha256_of(b"image")}
    return Sample(id=id_, source="test", source_id=id_, group=id_, **image, **values)


def plan_of(ids: tuple[str, ...] = IDS, *, labels: tuple[str, ...] = LABELS, **changes: Any) -> Plan:
    items = [Item(id=id_, payload=labels if number != 1 else ("mask",)) for number, id_ in enumerate(ids)]
    plan = Plan(
        command="test",
        settings={},
        sources=[Source(name="test", path="nowhere", fingerprint="f")],
        considered=len(items),
        items=items,
        work=make,
        folders=("images", *FOLDERS.values()),
        shards=True,
    )
    return replace(plan, **changes)


def built(plan: Plan, out: Path, *, workers: int = 0, overwrite: bool = False) -> Dataset:
    build_dataset(plan, out=out, options=BuildOptions(runner=RunnerOptions(workers=workers), overwrite=overwrite))
    return read_dataset(out)


def labels_of(dataset: Dataset) -> dict[tuple[str, str], bytes]:
    return {
        (row["id"], column): read_file(dataset.path(row[column]), below=dataset.folder)
        for row in dataset.table.to_pylist()
        for column in LABELS
        if row[column] is not None
    }


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_label_is_the_bytes_that_it_is_without_shards(tmp_path: Path) -> None:
    plain, packed = built(plan_of(shards=False), tmp_path / "plain"), built(plan_of(), tmp_path / "packed")
    expected = {(id_, column): content(id_, column) for id_ in IDS for column in LABELS if id_ != "a-1"}
    expected["a-1", "mask"] = content("a-1", "mask")
    assert labels_of(plain) == labels_of(packed) == expected
    assert plain.table.drop_columns(LABELS).equals(packed.table.drop_columns(LABELS))
    assert packed.schema.equals(plain.schema)
    assert {name.partition("/")[0] for name in tree(packed.folder)} == {
        *("images", "labels", "dataset.json", "manifest.parquet", "quarantine.jsonl")
    }
    assert not [path for name in FOLDERS.values() if (path := packed.path(name)).exists()], "nothing is left of them"


def test_tarfile_finds_the_labels_of_a_sample_beside_each_other_where_the_manifest_says(tmp_path: Path) -> None:
    packed = built(plan_of(), tmp_path / "packed")
    found = {}
    with tarfile.open(packed.path("labels/part-00000.tar")) as archive:
        for member in archive:
            assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
            assert member.isreg()
            stream = archive.extractfile(member)
            assert stream is not None
            found[member.name] = (member.offset_data, stream.read())
    keys = {"a": "a", "a-1": "a-1", "b.1": "b%2E1", "é": "%C3%A9", "x" * 150: "x" * 150}  # by hand
    names = [f"{keys[id_]}.{column}.png" for id_ in sorted(IDS) for column in ("alpha", "ignore", "mask")]
    assert list(found) == [name for name in names if name not in {"a-1.alpha.png", "a-1.ignore.png"}]
    for row in packed.table.to_pylist():
        for column in LABELS:
            if row[column] is not None:
                place = byte_range(row[column])
                assert place is not None
                expected = content(row["id"], column)
                assert found[f"{keys[row['id']]}.{column}.png"] == (place.start, expected)
                assert place.size == len(expected)


def test_the_bytes_are_the_same_for_any_number_of_workers_and_any_order(tmp_path: Path) -> None:
    plan = plan_of()
    trees = []
    for number, (items, workers) in enumerate([(plan.items, 0), (plan.items[::-1], 0), (plan.items, 2)]):
        folder = tmp_path / str(number) / "D"
        built(replace(plan, items=items), folder, workers=workers)
        trees.append(tree(folder))
    assert trees[0] == trees[1] == trees[2]


def test_a_shard_ends_before_the_sample_that_would_make_it_too_large(tmp_path: Path) -> None:
    """Each mask takes 512 bytes of header and 512 of content; the end of a tar file takes 1,024."""
    folder = tmp_path / "D"
    (folder / "masks").mkdir(parents=True)
    (folder / "labels").mkdir()
    names = "abcdefg"
    for name in names:
        (folder / f"masks/{name}.png").write_bytes(name.encode())
    table = table_of([sample(name, mask=f"masks/{name}.png") for name in names])
    blocks = [table.slice(0, 2), table.slice(2)]  # blocks of rows have nothing to do with it
    (one, other) = in_shards(blocks, out=folder, shard_bytes=4 * 1024)
    named = [*one["mask"].to_pylist(), *other["mask"].to_pylist()]
    starts = (512, 1536, 2560)
    assert named == [f"labels/part-{n // 3:05}.tar/{starts[n % 3]}+1.png" for n in range(len(names))]
    assert [path.stat().st_size for path in sorted((folder / "labels").iterdir())] == [4096, 4096, 2048]
    assert b"".join(read_file(folder / name) for name in named) == names.encode()


def test_a_sample_that_is_too_large_has_a_shard_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_shards, "__kwdefaults__", {"shard_bytes": 1})
    packed = built(plan_of(), tmp_path / "packed")
    assert len(list(packed.path("labels").iterdir())) == len(IDS)
    assert labels_of(packed) == labels_of(built(plan_of(shards=False), tmp_path / "plain"))


@quietly
def by_key(folder: Path) -> Any:
    import webdataset as wds

    url = str(folder / "labels/part-00000.tar")
    return {one["__key__"]: one for one in wds.WebDataset(url, shardshuffle=False, empty_check=False)}


@pytest.mark.nightly  # it imports torch
def test_webdataset_reads_the_shards(tmp_path: Path) -> None:
    found = by_key(built(plan_of(), tmp_path / "packed").folder)
    assert len(found) == len(IDS)
    assert found["b%2E1"]["alpha.png"] == content("b.1", "alpha")
    assert "alpha.png" not in found["a-1"]


def test_with_shards_is_another_run_and_neither_goes_on_with_the_other(tmp_path: Path) -> None:
    assert run_id(plan_of()) != run_id(plan_of(shards=False))
    built(plan_of(shards=False), tmp_path / "D")
    with pytest.raises(InputRefused, match="other settings"):
        built(plan_of(), tmp_path / "D")
    packed = built(plan_of(), tmp_path / "D", overwrite=True)
    assert packed.card.settings == {"shards": True}
    before = tree(packed.folder)
    assert tree(built(plan_of(), tmp_path / "D").folder) == before


@pytest.mark.parametrize("fault", ["gone", "changed"])
def test_a_label_that_is_gone_or_changed_before_it_is_packed_is_named(tmp_path: Path, fault: str) -> None:
    def spoil(out: Path) -> None:
        (out / "masks/b.1.png").unlink()
        if fault == "changed":
            (out / "masks/b.1.png").write_bytes(b"another")

    with pytest.raises(EnvironmentProblem, match="gone or was changed") as error:
        built(plan_of(finish=spoil), tmp_path / "D")
    assert error.value.where.endswith("masks/b.1.png")
    assert "delete" in error.value.remedy
    assert not list(tmp_path.rglob("*.tar")), "no half-written shard is left"
    shutil.rmtree(tmp_path / "D")
    built(plan_of(), tmp_path / "D")


def test_files_of_samples_in_the_folder_of_shards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="leave out --shards"):
        built(plan_of(folders=("images", "labels")), tmp_path / "D")


def test_samples_without_labels_make_no_shard(tmp_path: Path) -> None:
    packed = built(plan_of(labels=(), ids=("a",)), tmp_path / "D")
    assert list(packed.path("labels").iterdir()) == []


def test_what_is_packed_is_deleted_also_after_a_kill_before_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("curation.building.output_folder._tidy", lambda _: None)
        packed = built(plan_of(), tmp_path / "D")
    assert packed.path("masks/a.png").exists(), "killed once the manifest was there"
    packed.path("masks/a.v1.png").write_bytes(b"pulled meanwhile")
    again = built(plan_of(), tmp_path / "D")
    assert [path.name for path in again.path("masks").iterdir()] == ["a.v1.png"]
    assert not again.path("alphas").exists()
    assert not (again.folder / ".curate/journal.jsonl").exists()
    assert len(labels_of(again)) == len(labels_of(packed))


def test_nothing_outside_of_a_data_set_is_deleted(tmp_path: Path) -> None:
    """A journal may be a stranger's."""
    outside = tmp_path / "outside"
    (tmp_path / "D").mkdir()
    outside.mkdir()
    (outside / "a.png").write_bytes(b"another's")
    (tmp_path / "D/masks").symlink_to(outside)
    paths = ("../outside/a.png", "masks/a.png", str(outside / "a.png"), "none/a.png", "labels/part-00000.tar/1+1.png")
    drop_packed([Outcome(id="a", sample=sample("a", mask=path)) for path in paths], out=tmp_path / "D")
    assert (outside / "a.png").exists()
