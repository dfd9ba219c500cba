"""Test sets that are frozen: what changes a measurement of one of their rows is refused, and nothing else."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from curation.dataset.dataset import SCHEMA
from curation.errors import InputRefused
from curation.storage.files import sha256_of
from pipelines.loop.frozen_sets import FILES, FROZEN, TestRows, freeze, freeze_files, held_against, take_over

ONE, OTHER = "1" * 64, "2" * 64
Row = dict[str, Any]


def row_of(id_: str) -> Row:
    row: Row = dict.fromkeys(SCHEMA.names)
    files = {"image": f"images/{id_}.png", "mask": f"masks/{id_}.png"}
    sizes = {"width": 40, "height": 48, "persons": 1, "label_version": 0}
    digests = {"sha256": sha256_of(id_.encode()), "mask_sha256": sha256_of(f"mask of {id_}".encode())}
    return row | files | sizes | digests | {"id": id_, "split": "test", "source": "drawn", "group": f"g/{id_}"}


def rows_of(*rows: Row, name: str = "p", folder: Path = Path("p"), manifest: str = ONE) -> TestRows:
    columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}
    return TestRows(name=name, folder=folder, manifest=manifest, table=pa.table(columns))


A, B, C = (rows_of(*map(row_of, ids)) for ids in ("a", "bc", "abc"))


def test_a_set_is_frozen_when_it_is_first_used_and_others_can_be_added(tmp_path: Path) -> None:
    workspace = tmp_path / "loop"
    (known,) = freeze(workspace, found={"a": A}).values()
    both = freeze(workspace, found={"a": A, "b": B})
    assert (both["a"], list(both)) == (known, ["a", "b"])
    assert freeze(workspace, found={"b": B, "a": A}) == both
    assert len(set(both.values())) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: random.Random(1).shuffle(rows),
        lambda rows: [row.update(miou=0.5, label_status="fixed", label_seconds=3.0) for row in rows],
        lambda rows: [row.update(license="CC0", person_area=0.3) for row in rows],
        lambda rows: [row.update(mask=f"shards/{row['id']}.png") for row in rows],  # the same file by its digest
    ],
)
def test_what_decides_no_measurement_may_change(tmp_path: Path, change: Callable[[list[Row]], Any]) -> None:
    before = freeze(tmp_path, found={"p test": C})
    rows = [row_of(id_) for id_ in "abc"]
    change(rows)
    assert freeze(tmp_path, found={"p test": rows_of(*rows, manifest=OTHER)}) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[1].update(mask="masks/b.v1.png", mask_sha256=ONE, label_version=1), "another label.*: b$"),
        (lambda rows: rows[1].update(mask=None, mask_sha256=None), "another label.*: b$"),
        (lambda rows: rows[1].update(sha256=ONE), "another label.*: b$"),
        (lambda rows: rows[1].update(ignore="ignores/b.png"), "another label.*: b$"),
        (lambda rows: rows[1].update(alpha="alphas/b.png"), "another label.*: b$"),
        (lambda rows: rows[1].update(group="g/a"), "another label.*: b$"),
        (lambda rows: rows[1].update(persons=2), "another label.*: b$"),
        (lambda rows: rows[1].update(broken_parts=1), "another label.*: b$"),  # which leaves it out
        (lambda rows: rows.pop(1), "not in it any more: b$"),
        (lambda rows: rows.append(row_of("d")), "new in it: d$"),
        (lambda rows: [row.update(persons=2) for row in rows] + [rows.pop()], "a, b; not in it any more: c$"),
        (lambda rows: rows.extend(map(row_of, "defgh")), "new in it: d, e, f and 2 others$"),
    ],
)
def test_what_decides_a_measurement_is_refused_naming_the_samples_and_stays_frozen(
    tmp_path: Path, change: Callable[[list[Row]], Any], told: str
) -> None:
    freeze(tmp_path, found={"p test": C})
    before = (tmp_path / FROZEN).read_bytes()
    rows = [row_of(id_) for id_ in "abc"]
    change(rows)
    for _ in range(2):
        with pytest.raises(InputRefused) as caught:
            freeze(tmp_path, found={"p test": rows_of(*rows)})
        assert (caught.value.where, caught.value.exit_code) == ("p test", 4)
        assert re.search(told, caught.value.reason)
        assert FROZEN in caught.value.remedy
    assert (tmp_path / FROZEN).read_bytes() == before


def test_a_set_that_is_left_out_is_refused(tmp_path: Path) -> None:
    freeze(tmp_path, found={"a": A, "b": B})
    with pytest.raises(InputRefused, match="not measured on"):
        freeze(tmp_path, found={"a": A})


def test_what_an_earlier_version_froze_by_its_manifest_goes_on_by_rows_under_the_same_hash(tmp_path: Path) -> None:
    (tmp_path / FROZEN).write_bytes(msgspec.json.encode({"p test": ONE}))
    held_against(tmp_path, found={"p test": C})  # looks only
    assert msgspec.json.decode((tmp_path / FROZEN).read_bytes()) == {"p test": ONE}
    take_over(tmp_path, found={"p test": C})
    pulled = rows_of(*map(row_of, "abc"), manifest=OTHER)
    assert freeze(tmp_path, found={"p test": pulled}) == {"p test": ONE}
    with pytest.raises(InputRefused, match="not in it any more: a"):
        freeze(tmp_path, found={"p test": B})


def test_a_manifest_that_changed_since_an_earlier_version_froze_it_is_refused_with_both_hashes(tmp_path: Path) -> None:
    (tmp_path / FROZEN).write_bytes(before := msgspec.json.encode({"p test": OTHER}))
    take_over(tmp_path, found={"p test": C})
    for check in (freeze, held_against):
        with pytest.raises(InputRefused, match=f"{ONE}.*{OTHER}"):
            check(tmp_path, found={"p test": C})
    with pytest.raises(InputRefused, match="not measured on"):
        freeze(tmp_path, found={"other test": C})
    assert (tmp_path / FROZEN).read_bytes() == before


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', "\x00"])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FROZEN).write_text(text)
    with pytest.raises(InputRefused, match="damaged"):
        freeze(tmp_path, found={"a": A})


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / FROZEN).mkdir()
    with pytest.raises(InputRefused):
        freeze(tmp_path, found={"a": A})


@pytest.mark.parametrize("is_in_manifest", [True, False])
@pytest.mark.parametrize("column", ["image", "mask", "ignore"])
def test_a_changed_file_is_refused_with_both_hashes_though_the_manifest_is_intact(
    tmp_path: Path, column: str, is_in_manifest: bool
) -> None:
    """Also one of which the manifest holds no hash: that is frozen when it is first measured on."""
    files = {name: f"{name}s/1.png" for name in ("image", "mask", "ignore")}
    digests: dict[str, str | None] = {}
    for name, place in files.items():
        (tmp_path / "t" / place).parent.mkdir(parents=True)
        (tmp_path / "t" / place).write_bytes(name.encode())
        digest = sha256_of(name.encode())
        digests["sha256" if name == "image" else f"{name}_sha256"] = digest if is_in_manifest else None
    sets = [rows_of({"id": "1", "alpha": None, **files, **digests}, name="data/t", folder=tmp_path / "t")]
    for _ in range(2):
        freeze_files(tmp_path / "loop", sets=sets)
    assert (tmp_path / "loop" / FILES).exists() != is_in_manifest
    changed = tmp_path / "t" / files[column]
    changed.write_bytes(b"other")
    for _ in range(2):
        with pytest.raises(InputRefused, match=f"{sha256_of(b'other')}.*{sha256_of(column.encode())}") as told:
            freeze_files(tmp_path / "loop", sets=sets)
        assert str(told.value.where) == str(changed)
        assert told.value.exit_code == 4
    changed.unlink()
    with pytest.raises(InputRefused, match="cannot be read"):
        freeze_files(tmp_path / "loop", sets=sets)
    changed.write_bytes(column.encode())
    freeze_files(tmp_path / "loop", sets=sets)
