"""What is published is there as a whole or not at all: with two writers, with kills, and in a store that is no help."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import ConfigurationProblem, EnvironmentProblem, InputRefused
from curation.operations.split import SplitShares, split_in_place
from curation.remote.mirrored import CARD, mirrored_dataset
from curation.remote.object_store import PART_BYTES, ObjectStore
from curation.remote.output import CLAIM, Output, begin_change, begin_output, give_up, publish
from curation.remote.places import CACHE
from tests.models.data.discs import disc_dataset
from tests.object_store import Trouble, keys, objects

IDS = ["a", "b", "c", "d"]
HALVES = SplitShares(val=0.5, test=0.0)


def hear_nothing(done: int) -> None:
    """Stand for a progress bar."""


class Killed(BaseException):
    """Stands for a kill: nobody catches it, and nothing is tidied up."""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    disc_dataset(tmp_path / "made", IDS)
    return tmp_path / "made"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Go on as another machine, with a cache of its own."""
    return lambda name: monkeypatch.setenv(CACHE, str(tmp_path / name))


def filled(output: Output, made: Path) -> Output:
    shutil.copytree(made, output.folder, dirs_exist_ok=True)
    return output


def kill_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the process end in the place of its `number`-th change in the store, counted from 1, and of all after it."""
    left = iter(range(number - 1))

    def mortal(change: Callable[..., object]) -> Callable[..., object]:
        def changed(*args: object, **kwargs: object) -> object:
            if next(left, None) is None:
                raise Killed
            return change(*args, **kwargs)

        return changed

    for name in ("write", "write_new", "write_over", "delete"):
        monkeypatch.setattr(ObjectStore, name, mortal(getattr(ObjectStore, name)))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_published_is_what_was_made_and_nothing_more(bucket: str, made: Path) -> None:
    output = filled(begin_output(f"{bucket}/made", overwrite=False), made)
    assert keys(f"{bucket}/made") == [CLAIM]
    publish(output, told=hear_nothing)
    assert objects(f"{bucket}/made") == contents(made)
    assert not output.home.exists()


def test_a_kill_at_any_moment_leaves_no_data_set_or_all_of_it_and_the_next_run_ends_it(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disc_dataset(tmp_path / "small", ["a"])
    made = tmp_path / "small"
    whole, changes = contents(made), 0
    for number in range(1, len(whole) + 5):
        address = f"{bucket}/at-{number}"
        with monkeypatch.context() as patch:
            kill_at(patch, number)
            try:
                publish(filled(begin_output(address, overwrite=False), made), told=hear_nothing)
            except Killed:
                changes = number
        if CARD in keys(address):
            assert {key: data for key, data in objects(address).items() if key != CLAIM} == whole
        else:
            with pytest.raises(InputRefused, match="no data set here"):
                mirrored_dataset(address)
        publish(filled(begin_output(address, overwrite=False), made), told=hear_nothing)
        assert objects(address) == whole, f"after a kill at change {number}"
    assert changes > len(whole), "the last kills came after the end"


def test_what_lies_there_already_is_not_sent_again(
    bucket: str, made: Path, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    output = filled(begin_output(bucket, overwrite=False), made)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, len(contents(made)) - 1)
        publish(output, told=hear_nothing)
    trouble.requests.clear()
    publish(begin_output(bucket, overwrite=False), told=hear_nothing)
    sent = [line for line in trouble.requests if line.startswith("PUT") and CLAIM not in line]
    assert len(sent) < len(contents(made)) / 2
    assert objects(bucket) == contents(made)


def test_a_large_file_that_lies_there_already_in_parts_is_not_sent_again(
    bucket: str, made: Path, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    shard = made / "labels" / "part-00000.tar"
    shard.parent.mkdir()
    shard.write_bytes(bytes(2 * PART_BYTES) + b"the end")
    output = filled(begin_output(bucket, overwrite=False), made)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, len(contents(made)) - 1)
        publish(output, told=hear_nothing)
    assert (stored := ObjectStore(bucket).head("labels/part-00000.tar")) is not None
    assert stored.etag.strip('"').endswith("-3")
    trouble.requests.clear()
    publish(begin_output(bucket, overwrite=False), told=hear_nothing)
    assert not [line for line in trouble.requests if line.startswith(("PUT", "POST")) and shard.name in line]
    assert objects(bucket) == contents(made)


def test_a_second_writer_is_refused_at_once_and_changes_nothing(
    bucket: str, made: Path, elsewhere: Callable[[str], None]
) -> None:
    output = filled(begin_output(bucket, overwrite=False), made)
    elsewhere("another")
    with pytest.raises(EnvironmentProblem, match="another command is at work here") as refused:
        begin_output(bucket, overwrite=False)
    assert CLAIM in refused.value.remedy
    elsewhere("cache")
    publish(output, told=hear_nothing)
    assert objects(bucket) == contents(made)


def test_of_two_that_publish_one_wins_and_the_other_is_told(
    bucket: str, made: Path, tmp_path: Path, elsewhere: Callable[[str], None]
) -> None:
    output = filled(begin_output(bucket, overwrite=False), made)
    ObjectStore(bucket).delete(CLAIM)  # somebody took this command for dead
    elsewhere("another")
    disc_dataset(tmp_path / "other", ["x", "y"])
    publish(filled(begin_output(bucket, overwrite=False), tmp_path / "other"), told=hear_nothing)
    elsewhere("cache")
    with pytest.raises(EnvironmentProblem, match="another command published something else here"):
        publish(output, told=hear_nothing)
    assert ObjectStore(bucket).read(CARD) == (tmp_path / "other" / CARD).read_bytes()


def test_what_is_not_ours_or_published_is_not_written_over(bucket: str, made: Path) -> None:
    ObjectStore(bucket).write("foreign/letter.txt", b"mine")
    with pytest.raises(InputRefused, match="not of curate"):
        begin_output(f"{bucket}/foreign", overwrite=True)
    assert keys(f"{bucket}/foreign") == ["letter.txt"]
    publish(filled(begin_output(f"{bucket}/made", overwrite=False), made), told=hear_nothing)
    with pytest.raises(InputRefused, match="is not replaced"):
        begin_output(f"{bucket}/made", overwrite=True)


def test_a_bucket_that_may_only_be_read_is_refused_before_the_work(bucket: str, trouble: Trouble) -> None:
    trouble.set(403, "AccessDenied", method="PUT")
    with pytest.raises(ConfigurationProblem, match="writing here is not allowed"):
        begin_output(bucket, overwrite=False)


def test_a_store_that_ignores_conditions_is_refused(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ObjectStore, "write_new", ObjectStore.write)
    with pytest.raises(InputRefused, match="ignores conditional writes"):
        begin_output(bucket, overwrite=False)
    assert keys(bucket) == []


def test_a_command_that_made_nothing_leaves_nothing(bucket: str) -> None:
    give_up(begin_output(bucket, overwrite=False))
    assert keys(bucket) == []


def test_a_published_data_set_is_found_by_the_command_that_would_make_it(bucket: str, made: Path) -> None:
    publish(filled(begin_output(bucket, overwrite=False), made), told=hear_nothing)
    output = begin_output(bucket, overwrite=False)
    assert read_dataset(output.folder).table.equals(read_dataset(made).table)
    publish(output, told=hear_nothing)
    assert objects(bucket) == contents(made)


def split_at(address: str) -> None:
    output = begin_change(address)
    split_in_place(output.folder, shares=HALVES, seed=1, keep=False)
    publish(output, told=hear_nothing)


def test_a_change_is_that_of_the_disk_and_a_kill_leaves_the_old_or_the_new(
    bucket: str, made: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: Callable[[str], None]
) -> None:
    published, before = contents(made), read_dataset(made).table
    split_in_place(made, shares=HALVES, seed=1, keep=False)
    after = read_dataset(made).table
    assert not after.equals(before)
    found = set()
    for number in range(1, 8):
        address = f"{bucket}/at-{number}/made"
        for key, data in published.items():
            ObjectStore(address).write(key, data)
        with monkeypatch.context() as patch:
            kill_at(patch, number)
            with suppress(Killed):
                split_at(address)
        elsewhere(f"reader-{number}")
        table = read_dataset(mirrored_dataset(address)).table
        assert table.equals(before) or table.equals(after), f"after a kill at change {number}"
        found.add(table.equals(after))
        elsewhere("cache")
        split_at(address)
        assert json.loads(ObjectStore(address).read(CARD)) == json.loads((made / CARD).read_bytes())
        assert read_dataset(mirrored_dataset(address)).table.equals(after)
        assert CLAIM not in keys(address)
    assert found == {True, False}


def test_two_changes_at_once_are_one_after_the_other(bucket: str, made: Path, elsewhere: Callable[[str], None]) -> None:
    publish(filled(begin_output(bucket, overwrite=False), made), told=hear_nothing)
    output = begin_change(bucket)
    elsewhere("another")
    with pytest.raises(EnvironmentProblem, match="another command is at work here"):
        split_at(bucket)
    elsewhere("cache")
    ObjectStore(bucket).write(CARD, (made / CARD).read_bytes() + b"\n")  # somebody who claims nothing
    split_in_place(output.folder, shares=HALVES, seed=1, keep=False)
    with pytest.raises(EnvironmentProblem, match="changed the data set meanwhile"):
        publish(output, told=hear_nothing)


def test_a_manifest_in_parts_is_not_changed_where_it_lies(bucket: str, made: Path) -> None:
    publish(filled(begin_output(bucket, overwrite=False), made), told=hear_nothing)
    ObjectStore(bucket).write("manifest/part-00000.parquet", b"rows")
    with pytest.raises(InputRefused, match="in parts"):
        begin_change(bucket)
