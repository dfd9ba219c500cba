from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import InputRefused
from curation.files import sha256_of
from pipelines.frozen_sets import FILES, FROZEN, freeze, freeze_files

ONE, OTHER = "1" * 64, "2" * 64


def test_a_set_is_frozen_when_it_is_first_used_and_others_can_be_added(tmp_path: Path) -> None:
    workspace = tmp_path / "loop"
    assert freeze(workspace, found={"a": ONE}) == {"a": ONE}
    assert freeze(workspace, found={"a": ONE, "b": OTHER}) == {"a": ONE, "b": OTHER}
    assert freeze(workspace, found={"b": OTHER, "a": ONE}) == {"a": ONE, "b": OTHER}


def test_a_changed_set_is_refused_with_both_hashes_and_stays_frozen(tmp_path: Path) -> None:
    freeze(tmp_path, found={"a": ONE})
    before = (tmp_path / FROZEN).read_bytes()
    for _ in range(2):
        with pytest.raises(InputRefused, match=f"{OTHER}.*{ONE}") as told:
            freeze(tmp_path, found={"a": OTHER})
        assert told.value.exit_code == 4
        assert FROZEN in told.value.remedy
    assert (tmp_path / FROZEN).read_bytes() == before


def test_a_set_that_is_left_out_is_refused(tmp_path: Path) -> None:
    freeze(tmp_path, found={"a": ONE, "b": OTHER})
    with pytest.raises(InputRefused, match="not measured on"):
        freeze(tmp_path, found={"a": ONE})


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', "\x00"])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FROZEN).write_text(text)
    with pytest.raises(InputRefused, match="damaged"):
        freeze(tmp_path, found={"a": ONE})


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / FROZEN).mkdir()
    with pytest.raises(InputRefused):
        freeze(tmp_path, found={"a": ONE})


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
    sets = {"data/t": (tmp_path / "t", [{"id": "1", "alpha": None, **files, **digests}])}
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
