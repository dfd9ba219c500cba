"""What is committed survives a kill at any byte; what is damaged is done again; nothing counts twice (faults D2)."""

from __future__ import annotations

import errno
import os
import zlib
from pathlib import Path

import pytest

from curation.dataset.sample import Outcome
from curation.errors import EnvironmentProblem
from curation.storage.journal import COMMIT_INTERVAL_S, Journal

RUN = "0123456789abcdef"


def outcome(name: str) -> Outcome:
    return Outcome(id=name, filtered="too_small")


def written(path: Path, *, names: str, run: str = RUN) -> Journal[Outcome]:
    journal = Journal(path, kind=Outcome)
    journal.start(run_id=run)
    for name in names:
        journal.add(outcome(name))
    journal.commit()
    return journal


def started(path: Path) -> Journal[Outcome]:
    journal = Journal(path, kind=Outcome)
    journal.start(run_id=RUN)
    return journal


def ids(journal: Journal[Outcome]) -> list[str]:
    return [found.id for found in journal.outcomes()]


def test_a_journal_that_is_opened_again_knows_what_is_done(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert ids(written(path, names="abc")) == ["a", "b", "c"]
    journal = started(path)
    assert journal.done == {"a", "b", "c"}
    assert ids(journal) == ["a", "b", "c"]


def test_cut_at_any_byte_it_goes_on_with_the_whole_lines_and_ends_the_same(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, names="abc")
    whole = path.read_bytes()
    starts = [position + 1 for position, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        journal = started(path)
        lines = sum(start <= cut for start in starts)
        assert journal.done == set("abc"[: max(0, lines - 1)]), cut
        for name in "abc":
            if name not in journal.done:
                journal.add(outcome(name))
        journal.commit()
        assert path.read_bytes() == whole


def test_a_damaged_line_in_the_middle_is_redone_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, names="abc")
    lines = path.read_bytes().split(b"\n")
    texts = (b"", b"{", b"\x00" * 40, b"null", b'{"id": "b"}', b'{"id": "b", "filtered": "x", "broken": "NAME"}')
    for damaged in (*texts, *(b"%08x %b" % (zlib.crc32(text), text) for text in texts)):
        path.write_bytes(b"\n".join([*lines[:2], damaged, *lines[3:]]))
        journal = started(path)
        assert journal.done == {"a", "c"}
        journal.add(outcome("b"))
        journal.commit()
        assert sorted(ids(journal)) == ["a", "b", "c"]


def test_a_flipped_bit_anywhere_is_noticed_and_only_that_item_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, names="abc")
    whole = path.read_bytes()
    ends = [position for position, byte in enumerate(whole) if byte == ord("\n")]
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        line = sum(end < place for end in ends)
        hit = {line, line + 1} if place in ends else {line}  # without its newline a line and the next are one
        expected = set() if 0 in hit else {name for number, name in enumerate("abc", start=1) if number not in hit}
        journal = started(path)
        assert journal.done == expected, place
        assert set(ids(journal)) == expected


def test_an_id_that_was_written_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert ids(written(path, names="abab")) == ["a", "b"]


def test_the_journal_of_another_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written(path, names="ab", run="another")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="another run"):
        started(path)
    assert path.read_bytes() == before


def test_nothing_is_on_the_disk_before_the_commit_or_the_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 100.0
    monkeypatch.setattr("time.monotonic", lambda: clock)
    journal = started(tmp_path / "journal.jsonl")
    journal.add(outcome("a"))
    assert ids(journal) == []
    clock += COMMIT_INTERVAL_S + 0.1
    journal.add(outcome("b"))
    assert ids(journal) == ["a", "b"]


def test_a_commit_that_fails_says_where_and_can_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "journal.jsonl"
    journal = started(path)
    journal.add(outcome("a"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(EnvironmentProblem, match="the disk is full") as caught:
            journal.commit()
    assert caught.value.where == str(path)
    journal.commit()
    assert ids(journal) == ["a"]
    assert started(path).done == {"a"}


def test_a_journal_that_cannot_be_opened_says_where(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot write") as caught:
        started(tmp_path / "missing" / "journal.jsonl")
    assert caught.value.where == str(tmp_path / "missing" / "journal.jsonl")
