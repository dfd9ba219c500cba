"""Verification: each kind of damage is found, named, and left as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
import PIL.Image
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from curation.building.workers import RunnerOptions
from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset, read_dataset, write_dataset
from curation.dataset.rows import InMemory
from curation.errors import InputRefused
from curation.operations.split import SplitShares, split_dataset
from curation.operations.verify import verify
from curation.quarantine import BadRecord, Code

HERE = RunnerOptions(workers=0)


def encoded(array: NDArray[np.uint8], format_: str = "PNG") -> bytes:
    stream = BytesIO()
    PIL.Image.fromarray(array).save(stream, format=format_)
    return stream.getvalue()


@pytest.fixture
def sound(tmp_path: Path) -> Dataset:
    """Three samples of 40 x 30 pixels with mask, alpha and trimap."""
    rng = np.random.default_rng(1)
    for name in ("images", "masks", "alphas", "trimaps"):
        (tmp_path / name).mkdir()
    rows = []
    for id_ in ("a", "b", "c"):
        image = encoded(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), "JPEG")
        mask = np.zeros((30, 40), np.uint8)
        mask[5:20, 10:30] = 255
        trimap = mask.copy()
        trimap[5] = 128
        files = {"image": ("images", ".jpg", image), "mask": ("masks", ".png", encoded(mask))}
        files |= {"alpha": ("alphas", ".png", encoded(mask // 2 + 3)), "trimap": ("trimaps", ".png", encoded(trimap))}
        row = {"id": id_, "width": 40, "height": 30, "group": id_, "sha256": sha256(image).hexdigest()}
        row["person_area"] = 300 / 1200
        for column, (folder, extension, data) in files.items():
            relative = f"{folder}/{id_}{extension}"
            (tmp_path / relative).write_bytes(data)
            row[column] = relative
        rows.append(row)
    counts = Counts(considered=3, selected=3, filtered={}, quarantined={})
    card = Card(
        name="d", command="pairs", settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )
    write_dataset(tmp_path, card=card, table=pa.Table.from_pylist(rows, schema=SCHEMA), quarantine=[])
    return read_dataset(tmp_path)


def test_a_sound_dataset_has_no_problems(sound: Dataset) -> None:
    told: list[int] = []
    assert verify(sound, runner=HERE, progress=told.append).problems == []
    assert told == [1, 2, 3]


def test_two_workers_find_the_same_as_none(sound: Dataset) -> None:
    sound.path("masks/b.png").unlink()
    assert verify(sound, runner=RunnerOptions(workers=2)).problems == verify(sound, runner=HERE).problems


def test_every_flipped_byte_of_an_image_is_caught(sound: Dataset) -> None:
    path = sound.path("images/b.jpg")
    whole = path.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert [(p.code, p.record_id) for p in verify(sound, runner=HERE).problems] == [("CHECKSUM", "b")]


@pytest.mark.parametrize("column", ["image", "white", "classes"])
def test_a_picture_that_does_not_decode_is_found_though_its_sha256_is_that_of_the_manifest(
    sound: Dataset, column: str
) -> None:
    cut = encoded(np.asarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3)), np.uint8), "JPEG")
    closed = cut[: len(cut) // 2] + b"\xff\xd9"  # its structure is sound
    rows = [{column: None, f"{column}_sha256": None} | row for row in sound.table.to_pylist()]
    path = rows[1]["image"] if column == "image" else "images/x.jpg"
    rows[1] |= {column: path, "sha256" if column == "image" else f"{column}_sha256": sha256(closed).hexdigest()}
    sound.path(path).write_bytes(closed)
    write_dataset(sound.folder, card=sound.card, table=pa.Table.from_pylist(rows), quarantine=[])
    (problem,) = verify(read_dataset(sound.folder), runner=HERE).problems
    assert (problem.code, problem.record_id, Path(problem.file).name) == ("TRUNCATED", "b", Path(path).name)


Damage = Callable[[Dataset], None]
DAMAGES: dict[str, tuple[str, Damage]] = {
    "image gone": ("MISSING_FILE", lambda d: d.path("images/b.jpg").unlink()),
    "mask gone": ("MISSING_FILE", lambda d: d.path("masks/b.png").unlink()),
    "mask of another size": ("SIZE_MISMATCH", lambda d: put(d, "masks/b.png", np.zeros((40, 30), np.uint8))),
    "trimap of another size": ("SIZE_MISMATCH", lambda d: put(d, "trimaps/b.png", np.zeros((30, 41), np.uint8))),
    "gray value in a mask": ("MASK_VALUES", lambda d: put(d, "masks/b.png", np.full((30, 40), 7, np.uint8))),
    "value in a trimap": ("TRIMAP", lambda d: put(d, "trimaps/b.png", np.full((30, 40), 127, np.uint8))),
    "no picture": ("NOT_IMAGE", lambda d: void(d.path("alphas/b.png").write_bytes(b"<html>"))),
    "a link": ("UNREADABLE", lambda d: relink(d.path("masks/b.png"), d.path("masks/a.png"))),
}


def put(dataset: Dataset, relative: str, array: NDArray[np.uint8]) -> None:
    dataset.path(relative).write_bytes(encoded(array))


def void(_: object) -> None:
    return None


def relink(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_found_with_its_code(sound: Dataset, name: str) -> None:
    code, damage = DAMAGES[name]
    damage(sound)
    (problem,) = verify(sound, runner=HERE).problems
    assert (problem.code, problem.record_id) == (code, "b")
    assert "b." in problem.file
    assert problem.reason
    assert problem.hint


def test_several_bad_files_of_one_sample_are_all_told(sound: Dataset) -> None:
    sound.path("masks/a.png").unlink()
    sound.path("alphas/a.png").unlink()
    assert [problem.code for problem in verify(sound, runner=HERE).problems] == ["MISSING_FILE", "MISSING_FILE"]


def test_verification_changes_nothing_on_the_disk(sound: Dataset) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sound.folder.rglob("*") if path.is_file()}
    verify(sound, runner=HERE)
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sound.folder.rglob("*") if path.is_file()}
    assert after == before


def test_a_card_that_counts_otherwise_is_a_problem(sound: Dataset) -> None:
    half = Dataset(folder=sound.folder, card=sound.card, rows=InMemory(sound.table.slice(0, 2)))
    found = verify(half, runner=HERE).problems
    assert [problem.field for problem in found if problem.code == "CHECKSUM"] == ["counts"]
    assert [Path(problem.file).name for problem in found if problem.code == "STRAY_FILE"] == ["c.png", "c.jpg"] + [
        "c.png"
    ] * 2


def with_digests(dataset: Dataset) -> Dataset:
    """Return the dataset with the SHA-256 of each of its labels."""
    table = dataset.table
    for column in ("mask", "alpha", "trimap"):
        digests = [sha256(dataset.path(path).read_bytes()).hexdigest() for path in table[column].to_pylist()]
        table = table.append_column(f"{column}_sha256", pa.array(digests))
    return Dataset(folder=dataset.folder, card=dataset.card, rows=InMemory(table))


@pytest.mark.parametrize("column", ["mask", "alpha", "trimap"])
def test_a_label_that_is_another_picture_of_the_same_area_is_found_by_its_sha256(sound: Dataset, column: str) -> None:
    dataset = with_digests(sound)
    assert verify(dataset, runner=HERE).problems == []
    path = sound.path(f"{column}s/b.png")
    path.write_bytes(encoded(np.asarray(PIL.Image.open(path))[::-1]))
    assert verify(sound, runner=HERE).problems == []
    (problem,) = verify(dataset, runner=HERE).problems
    assert (problem.code, problem.record_id, problem.field) == ("CHECKSUM", "b", f"{column}_sha256")


def test_every_flipped_byte_of_a_label_is_caught(sound: Dataset) -> None:
    dataset = with_digests(sound)
    path = sound.path("trimaps/b.png")
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert [problem.record_id for problem in verify(dataset, runner=HERE).problems] == ["b"]


def test_files_that_no_row_names_are_told_but_not_older_labels_and_not_what_the_system_left(sound: Dataset) -> None:
    table = sound.table.set_column(2, "mask", pa.array(["masks/a.v2.png", "masks/b.png", "masks/c.png"]))
    sound.path("masks/a.v2.png").write_bytes(sound.path("masks/a.png").read_bytes())
    sound.path("ignores").mkdir()
    kept = ["masks/a.v1.png", "masks/.DS_Store", "images/._a.jpg", "notes.txt", ".curate.txt"]
    stray = ["masks/d.png", "masks/a.v1.jpg", "images/a.png", "images/.writing-7-7", "ignores/a.png", "trimaps/a.v.png"]
    for name in (*kept, *stray):
        sound.path(name).write_bytes(b"x")
    sound.path("images/folder").mkdir()
    dataset = Dataset(folder=sound.folder, card=sound.card, rows=InMemory(table))
    found = verify(dataset, runner=HERE).problems
    assert {problem.code for problem in found} == {"STRAY_FILE"}
    assert {problem.file for problem in found} == {str(sound.path(name)) for name in (*stray, "images/folder")}


def with_quarantine(sound: Dataset) -> Path:
    """Return the dataset three broken inputs, the same thing wrong with each, and return the file that tells of
    them.
    """
    counts = Counts(considered=6, selected=3, filtered={}, quarantined={"NOT_IMAGE": 3})
    records = [BadRecord(Code.NOT_IMAGE, "no image", file=f"{n}.jpg").record(stage="pairs") for n in range(3)]
    card = msgspec.structs.replace(sound.card, counts=counts)
    write_dataset(sound.folder, card=card, table=sound.table, quarantine=records)
    return sound.path("quarantine.jsonl")


def damage(path: Path, *, fate: str) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    if fate == "a folder":
        path.mkdir()
    elif fate != "gone":
        left: dict[str, list[bytes]] = {
            "empty": [],
            "cut in a line": [*lines[:2], lines[2][:20]],
            "cut between lines": lines[:2],
        }
        left |= {"without its middle": [lines[0], lines[2]], "one of them twice": [lines[0], lines[0], lines[2]]}
        path.write_bytes(b"".join(left[fate]))


@pytest.mark.parametrize(
    ("fate", "told"),
    [
        ("gone", ""),
        ("a folder", ""),
        ("empty", "0 are there; dataset.json counts 3"),
        ("cut in a line", "damaged: "),
        *((fate, "2 are there; dataset.json counts 3") for fate in ("cut between lines", "without its middle")),
        ("one of them twice", "2 are there; dataset.json counts 3"),
    ],
)
def test_a_quarantine_that_lost_lines_is_a_problem_and_no_command_writes_the_rest_as_if_it_were_all(
    sound: Dataset, fate: str, told: str
) -> None:
    path = with_quarantine(sound)
    assert verify(read_dataset(sound.folder), runner=HERE).problems == []
    damage(path, fate=fate)
    (problem,) = verify(read_dataset(sound.folder), runner=HERE).problems
    assert (problem.code, problem.file) == ("MISSING_FILE" if fate == "gone" else "CHECKSUM", str(path))
    assert told in problem.reason and "restore" in problem.hint
    with pytest.raises(InputRefused) as caught:
        split_dataset(sound.folder, shares=SplitShares(), seed=0)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(("left", "problems"), [(1, 0), (0, 1)])
def test_of_a_dataset_of_an_earlier_version_a_line_for_each_code_is_asked_for(
    sound: Dataset, left: int, problems: int
) -> None:
    path = with_quarantine(sound)
    card = json.loads(sound.path("dataset.json").read_text())
    del card["quarantine_lines"]
    sound.path("dataset.json").write_text(json.dumps(card))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:left]))
    assert len(verify(read_dataset(sound.folder), runner=HERE).problems) == problems


def test_a_quarantine_that_holds_nothing_may_be_gone(sound: Dataset) -> None:
    sound.path("quarantine.jsonl").unlink()
    assert verify(sound, runner=HERE).problems == []


def test_a_person_area_that_is_no_number_is_a_problem(sound: Dataset) -> None:
    areas = pa.array([0.25, float("nan"), 0.25])
    table = sound.table.set_column(sound.table.column_names.index("person_area"), "person_area", areas)
    (problem,) = verify(Dataset(folder=sound.folder, card=sound.card, rows=InMemory(table)), runner=HERE).problems
    assert (problem.code, problem.record_id, problem.field) == ("CHECKSUM", "b", "person_area")


def test_a_mask_that_was_changed_by_hand_is_found_by_its_area(sound: Dataset) -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[5:20, 10:29] = 255  # one column of 15 pixels less
    sound.path("masks/b.png").write_bytes(encoded(mask))
    (problem,) = verify(sound, runner=HERE).problems
    assert (problem.code, problem.record_id, problem.field) == ("CHECKSUM", "b", "person_area")
    assert "23.7500% of the frame, the manifest says 25.0000%" in problem.reason
