"""A shard that was changed, cut, taken away or replaced is found, with the file and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from curation.building.workers import RunnerOptions
from curation.byte_range import byte_range
from curation.dataset.dataset import Dataset, read_dataset, write_dataset
from curation.operations.verify import verify
from curation.quarantine import Code, QuarantineRecord
from pipelines.command_line.options import RunOptions
from pipelines.sources.aifenge import AifengeFlags, aifenge
from tests.pipelines.commands import draw_aifenge

SAMPLES = 3
LABELS = ("alpha", "mask", "trimap")
SHARD = "labels/part-00000.tar"


@pytest.fixture
def packed(tmp_path: Path) -> Dataset:
    root = draw_aifenge(tmp_path / "R", samples=SAMPLES)
    return aifenge(AifengeFlags(root=root, out=tmp_path / "D", shards=True), run=RunOptions(workers=0)).dataset


def problems_of(dataset: Dataset) -> list[QuarantineRecord]:
    return verify(read_dataset(dataset.folder), runner=RunnerOptions(workers=0)).problems


def changed(dataset: Dataset, change: Callable[[bytearray], None]) -> None:
    data = bytearray(dataset.path(SHARD).read_bytes())
    change(data)
    dataset.path(SHARD).write_bytes(data)


def flipped(at: int) -> Callable[[bytearray], None]:
    def flip(data: bytearray) -> None:
        data[at] ^= 1

    return flip


def places(dataset: Dataset) -> list[tuple[int, int]]:
    """Return start and end of each label, in the order of the shard."""
    found = [byte_range(row[name]) for row in dataset.table.to_pylist() for name in LABELS]
    return [(place.start, place.start + place.size) for place in found if place is not None]


def test_a_sound_one_is_sound(packed: Dataset) -> None:
    assert problems_of(packed) == []


@pytest.mark.parametrize("number", range(SAMPLES * len(LABELS)))
def test_a_byte_of_a_label_or_of_its_header_is_found(packed: Dataset, number: int) -> None:
    start, end = places(packed)[number]
    row, column = packed.table.to_pylist()[number // 3], LABELS[number % 3]
    changed(packed, flipped((start + end) // 2))
    (problem,) = problems_of(packed)
    assert (problem.file, problem.record_id) == (str(packed.path(row[column])), row["id"])
    assert problem.hint
    changed(packed, flipped((start + end) // 2))
    for at in (start - 512, start - 400):  # the name of the member, and its time or size
        changed(packed, flipped(at))
        (problem,) = problems_of(packed)
        assert (problem.code, problem.file) == (Code.CHECKSUM, str(packed.path(SHARD)))
        assert f"{row['id']}.{column}.png" in problem.reason
        assert "restore the tar file, or make the dataset again with --overwrite" in problem.hint
        changed(packed, flipped(at))


def test_two_labels_that_changed_places_are_found(packed: Dataset) -> None:
    """Their bytes are sound, and those of another sample."""
    table = packed.table
    mask = table["mask"].to_pylist()
    at = table.column_names.index("mask")
    swapped = table.set_column(at, table.schema.field("mask"), [[mask[1], mask[0], mask[2]]])
    write_dataset(packed.folder, card=packed.card, table=swapped, quarantine=[])
    found = problems_of(packed)
    assert {one.record_id for one in found if one.record_id} == {row["id"] for row in table.to_pylist()[:2]}
    assert [one.file for one in found if one.record_id is None] == [str(packed.path(SHARD))]


@pytest.mark.parametrize("kept", [0.5, 0.0])
def test_one_that_was_cut_names_each_label_that_is_lost(packed: Dataset, kept: float) -> None:
    size = int(packed.path(SHARD).stat().st_size * kept)
    changed(packed, lambda data: data.__delitem__(slice(size, None)))
    lost = sum(end > size for _, end in places(packed))
    found = problems_of(packed)
    assert [one.code for one in found if one.record_id is not None] == [Code.TRUNCATED] * lost
    assert [one.code for one in found if one.record_id is None] == [Code.CHECKSUM]


def test_one_that_is_gone_or_a_link_names_every_label(packed: Dataset) -> None:
    packed.path(SHARD).rename(packed.folder.parent / "other.tar")
    found = problems_of(packed)
    assert [(one.code, one.hint) for one in found] == [
        (Code.MISSING_FILE, "restore the tar file, or make the dataset again with --overwrite")
    ] * (3 * SAMPLES)
    packed.path(SHARD).symlink_to(packed.folder.parent / "other.tar")
    assert [one.code for one in problems_of(packed)] == [Code.PATH_ESCAPE] * (3 * SAMPLES)


def test_a_tar_file_that_no_row_names_is_a_stray(packed: Dataset) -> None:
    packed.path("labels/part-00001.tar").write_bytes(b"")
    assert [(one.code, one.file) for one in problems_of(packed)] == [
        (Code.STRAY_FILE, str(packed.path("labels/part-00001.tar")))
    ]
