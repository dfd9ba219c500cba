from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dataset.sample import Outcome
from curation.errors import SecurityRefused
from curation.quarantine import BadRecord
from curation.storage.journal import Journal
from curation.storage.safe_id import MAX_ID_BYTES, SafeId, check_ids, safe_id

HOSTILE = ["../x", "../../../x", "/etc/passwd", "a/b", ".", "..", "", "a\0b", "a" * 300, "..\\x", "é" * 130]
"""What is no file name, or one that leads somewhere else on some system."""
SOUND = ["0001", "1803151818-00000000", "train2017_000000000009", "IMG 1 (2)", "ünï", "...", "a..b", "-rf", ".hidden"]


def table(*ids: object) -> pa.Table:
    return pa.table({"id": pa.array(ids)})


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_id_comes_in_nowhere(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRecord):
        safe_id(text)
    with pytest.raises(SecurityRefused, match="id"):
        check_ids(table("a", text), where=tmp_path)
    if len(text) <= MAX_ID_BYTES:  # in bytes; a journal is our own, and a name too long fails when it is opened
        with pytest.raises(msgspec.ValidationError if len(text.encode()) <= MAX_ID_BYTES else AssertionError):
            msgspec.convert({"id": text, "filtered": "small"}, Outcome)
            raise AssertionError


@pytest.mark.parametrize("text", SOUND)
def test_a_sound_id_comes_in_everywhere(tmp_path: Path, text: str) -> None:
    assert safe_id(text) == text
    check_ids(table(text), where=tmp_path)
    assert msgspec.convert({"id": text, "filtered": "small"}, Outcome).id == text


@given(st.text(max_size=300))
def test_what_is_let_in_names_a_file_of_its_folder_alone(text: str) -> None:
    root = Path("/data/masks")
    try:
        check_ids(table(text), where=root)
    except (SecurityRefused, UnicodeEncodeError):
        return
    path = root / f"{text}.png"
    assert path.parent == root
    assert path.name == f"{text}.png"


@pytest.mark.parametrize("ids", [[1, 2], [b"../x"], [["a"]]])
def test_ids_that_are_no_texts_are_refused(tmp_path: Path, ids: list[object]) -> None:
    with pytest.raises(SecurityRefused):
        check_ids(table(*ids), where=tmp_path)


def test_a_journal_gives_no_outcome_of_a_hostile_id(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", kind=Outcome)
    journal.start(run_id="r")
    for text in ("a", "../../x", "b"):
        journal.add(Outcome(id=SafeId(text), filtered="small"))  # as whoever can write the file would forge it
    journal.commit()
    assert [outcome.id for outcome in journal.outcomes()] == ["a", "b"]
    again = Journal(tmp_path / "j", kind=Outcome)
    again.start(run_id="r")
    assert again.done == {"a", "b"}
