"""A data set with its labels in shards in an object store: few objects, and of a shard only the bytes that are read."""

from __future__ import annotations

from pathlib import Path

import pytest

import pipelines as curate
from curation.byte_range import byte_range
from curation.dataset.dataset import Dataset, read_dataset
from curation.quarantine import BadRecord, Code
from curation.remote.mirrored import mirrored_dataset
from curation.remote.object_store import ObjectStore
from curation.storage.files import read_file
from tests.object_store import Trouble, objects, upload
from tests.pipelines.commands import draw_aifenge, tree

SAMPLES = 6
SHARD = "labels/part-00000.tar"


@pytest.fixture
def local(tmp_path: Path) -> Dataset:
    root = draw_aifenge(tmp_path / "aifenge", samples=SAMPLES)
    return curate.aifenge(root=root, out=tmp_path / "people", shards=True, workers=0).dataset


def test_what_is_made_there_is_what_is_made_here(bucket: str, tmp_path: Path, local: Dataset, trouble: Trouble) -> None:
    curate.aifenge(root=tmp_path / "aifenge", out=f"{bucket}/people", shards=True, workers=0)
    sent = [line.split()[1].rpartition("/")[2] for line in trouble.requests if line.startswith("PUT")]
    assert len([name for name in sent if name.endswith(".tar")]) == 1
    assert not [name for name in sent if name.endswith(".png")]
    found = objects(f"{bucket}/people")
    here = {name: data for name, data in tree(local.folder).items() if not name.startswith(".curate")}
    assert found.keys() == here.keys()
    assert {name for name in found if found[name] != here[name]} <= {"dataset.json"}


def test_only_the_bytes_of_a_label_are_fetched_and_kept(
    bucket: str, tmp_path: Path, local: Dataset, trouble: Trouble
) -> None:
    address = upload(local.folder, f"{bucket}/people")
    trouble.requests.clear()
    dataset = read_dataset(mirrored_dataset(address))
    row = dataset[2].row
    place = byte_range(row["alpha"])
    assert place is not None
    for _ in range(2):
        assert (dataset[2].alpha == local[2].alpha).all()
    asked = [line for line in trouble.requests if SHARD in line]
    assert asked == [f"GET /{address.removeprefix('s3://')}/{SHARD} bytes={place.start}-{place.start + place.size - 1}"]
    assert [path.name for path in dataset.path(SHARD).iterdir()] == [row["alpha"].rpartition("/")[2]]


def test_commands_read_it_as_they_read_it_here(bucket: str, tmp_path: Path, local: Dataset) -> None:
    address = upload(local.folder, f"{bucket}/people")
    assert "all files sound" in curate.stats(address, verify=True, workers=0).summary
    made = [
        curate.merge([one], out=tmp_path / name / "M", workers=0).dataset
        for one, name in ((address, "a"), (local, "b"))
    ]
    assert made[0].table.equals(made[1].table)
    curate.split(address, val=0.5, test=0.0)
    assert {sample.row["split"] for sample in read_dataset(mirrored_dataset(address))} == {"train", "val"}


def test_a_shard_that_was_cut_changed_or_deleted_there_is_told(bucket: str, local: Dataset) -> None:
    address = upload(local.folder, f"{bucket}/people")
    last = local[SAMPLES - 1].row["trimap"]
    data = local.path(SHARD).read_bytes()
    place = byte_range(last)
    assert place is not None
    for end in (place.start + place.size - 1, place.start - 10):  # within the label, and before it
        ObjectStore(address).write(SHARD, data[:end])
        with pytest.raises(BadRecord, match="ends after") as cut:
            read_file(read_dataset(mirrored_dataset(address)).path(last))
        assert cut.value.code is Code.TRUNCATED
        assert cut.value.file == f"{address}/{last}"
    ObjectStore(address).delete(SHARD)
    problems = curate.stats(address, verify=True, workers=0).data["datasets"][0]["problems"]
    assert {(one["code"], one["file"]) for one in problems} >= {("MISSING_FILE", f"{address}/{last}")}
    assert len(problems) == 3 * SAMPLES
