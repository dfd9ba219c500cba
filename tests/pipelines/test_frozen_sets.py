from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import InputRefused
from pipelines.frozen_sets import FROZEN, freeze

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
