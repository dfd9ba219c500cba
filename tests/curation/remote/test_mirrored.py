"""What lies in a store is read as if it lay here: the same listing, each file fetched once, within a limit."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from curation.errors import ConfigurationProblem, InputRefused
from curation.images.folders import list_folder
from curation.quarantine import BadRecord, Code
from curation.remote.fetch import bring
from curation.remote.kept_files import is_stand_in, write_mark
from curation.remote.limit import FORGOTTEN_S, VARIABLE, drop_forgotten, keep_within, limit_bytes
from curation.remote.mirrored import mirrored_dataset, mirrored_file, mirrored_folder
from curation.remote.object_store import ObjectStore
from curation.remote.places import MARK, Place, told
from curation.storage.files import link_or_copy, read_file, read_start
from tests.object_store import Trouble, put_raw, upload

CONTENT = {"a/1.jpg": b"one" * 500, "a/2.png": b"two" * 900, "b/notes": b"text" * 3000}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, content in CONTENT.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "source"


def here(folder: Path) -> set[str]:
    """Return the names of the files of which the content is here."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not is_stand_in(path.lstat())
    }


def test_a_folder_is_listed_as_on_the_disk_and_its_files_come_when_they_are_read(bucket: str, source: Path) -> None:
    folder = mirrored_folder(upload(source, f"{bucket}/source"))
    assert list_folder(folder).fingerprint() == list_folder(source).fingerprint()
    assert here(folder) == set()
    assert read_file(folder / "a/1.jpg", below=folder) == CONTENT["a/1.jpg"]
    assert here(folder) == {"a/1.jpg"}


def test_the_start_of_a_file_is_a_range_of_it(bucket: str, source: Path, trouble: Trouble) -> None:
    folder = mirrored_folder(upload(source, bucket))
    trouble.requests.clear()
    assert read_start(folder / "b/notes", below=folder, length=10) == CONTENT["b/notes"][:10]
    assert [line.rpartition(" ")[2] for line in trouble.requests] == ["bytes=0-9"]
    assert here(folder) == set()


def test_what_was_fetched_is_not_fetched_again_but_where_it_changed(
    bucket: str, source: Path, trouble: Trouble
) -> None:
    address = upload(source, f"{bucket}/source")
    for name in CONTENT:
        read_file(mirrored_folder(address) / name)
    ObjectStore(address).write("a/1.jpg", b"other")
    ObjectStore(address).delete("a/2.png")
    folder = mirrored_folder(address)
    trouble.requests.clear()
    assert sorted(one.name for one in folder.iterdir()) == ["a", "b"]
    assert [path.name for path in (folder / "a").iterdir()] == ["1.jpg"]
    assert [read_file(folder / name) for name in ("a/1.jpg", "b/notes")] == [b"other", CONTENT["b/notes"]]
    assert len(trouble.requests) == 1


def test_an_object_that_changes_after_the_listing_is_broken_and_so_is_one_that_is_gone(
    bucket: str, source: Path
) -> None:
    folder = mirrored_folder(upload(source, bucket))
    ObjectStore(bucket).write("a/1.jpg", b"other" * 300)
    ObjectStore(bucket).delete("a/2.png")
    for name, code in (("a/1.jpg", Code.CHECKSUM), ("a/2.png", Code.MISSING_FILE)):
        with pytest.raises(BadRecord) as broken:
            read_file(folder / name)
        assert (broken.value.code, broken.value.file) == (code, f"{bucket}/{name}")


def test_a_file_comes_at_once_and_anew_when_it_is_another(bucket: str) -> None:
    store = ObjectStore(bucket)
    for content in (b"{}", b"[1]"):
        store.write("x/instances.json", content)
        path = mirrored_file(f"{bucket}/x/instances.json")
        assert (path.name, path.read_bytes()) == ("instances.json", content)
    with pytest.raises(InputRefused, match="no such object"):
        mirrored_file(f"{bucket}/x/other.json")


def test_nothing_at_an_address_is_no_empty_folder(bucket: str) -> None:
    with pytest.raises(InputRefused, match="nothing here"):
        mirrored_folder(f"{bucket}/nothing")
    with pytest.raises(InputRefused, match="no data set here"):
        mirrored_dataset(f"{bucket}/nothing")


@pytest.mark.parametrize("key", ["a//b", "a/" + "n" * 300])
def test_a_key_that_is_no_path_is_refused_and_leads_nowhere(bucket: str, key: str) -> None:
    put_raw(bucket, quote(key), b"x")
    with pytest.raises(InputRefused, match="cannot be that of a file"):
        mirrored_folder(bucket)


def test_a_key_that_is_an_object_and_a_folder_is_refused(bucket: str) -> None:
    for key in ("a", "a/b"):
        ObjectStore(bucket).write(key, b"x")
    with pytest.raises(InputRefused, match="at once"):
        mirrored_folder(bucket)


def test_no_more_is_kept_than_allowed_and_what_was_used_last_stays(bucket: str, source: Path) -> None:
    folder = mirrored_folder(upload(source, bucket))
    for age, name in enumerate(["b/notes", "a/2.png", "a/1.jpg"]):
        path = folder / name
        read_file(path)
        os.utime(path, ns=(age * 10**9, path.stat().st_mtime_ns))
    keep_within(10_000)
    assert here(folder) == {"a/1.jpg", "a/2.png"}
    assert list_folder(folder).fingerprint() == list_folder(source).fingerprint()
    assert read_file(folder / "b/notes") == CONTENT["b/notes"]


def test_a_limit_that_is_reached_drops_files_while_others_come(
    bucket: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "0.000012")
    folder = mirrored_folder(upload(source, bucket))
    for name in CONTENT:
        assert read_file(folder / name) == CONTENT[name]
    assert sum((folder / name).stat().st_size for name in here(folder)) <= limit_bytes()
    monkeypatch.setenv(VARIABLE, "none")
    with pytest.raises(ConfigurationProblem, match="no number of gigabytes"):
        limit_bytes()


def test_a_stand_in_is_never_linked_for_what_it_stands_for(bucket: str, source: Path, tmp_path: Path) -> None:
    folder = mirrored_folder(upload(source, bucket))
    data = read_file(folder / "a/1.jpg")
    keep_within(1)
    link_or_copy(folder / "a/1.jpg", tmp_path / "copy", below=folder, data=data)
    assert (tmp_path / "copy").read_bytes() == CONTENT["a/1.jpg"]


def test_a_week_unused_is_forgotten_but_not_what_is_to_be_published(bucket: str, source: Path, tmp_path: Path) -> None:
    folder = mirrored_folder(upload(source, bucket))
    output = folder.parent.parent / ("0" * 16)
    write_mark(output, Place(address=bucket, kind="output"))
    later = (folder.parent / MARK).stat().st_mtime + FORGOTTEN_S
    drop_forgotten(now=later - 60)
    assert folder.exists()
    os.utime(folder.parent / MARK, (0, 0))
    read_file(folder / "a/1.jpg")  # of a command that began long ago
    drop_forgotten(now=later - 60)
    assert folder.exists()
    drop_forgotten(now=later + 60)
    assert (folder.exists(), output.exists()) == (False, True)


def test_a_folder_from_elsewhere_names_no_address(bucket: str, source: Path, tmp_path: Path) -> None:
    upload(source, bucket)
    write_mark(tmp_path / "theirs", Place(address=bucket, kind="dataset"))
    bring(tmp_path / "theirs" / bucket.removeprefix("s3://") / "a/1.jpg")
    assert not (tmp_path / "theirs" / bucket.removeprefix("s3://")).exists()


def test_paths_of_the_cache_are_told_as_addresses(bucket: str, source: Path) -> None:
    folder = mirrored_folder(upload(source, f"{bucket}/source"))
    assert told(f"{folder}/a/1.jpg: broken; see {folder}") == f"{bucket}/source/a/1.jpg: broken; see {bucket}/source"
    assert told("/elsewhere/a") == "/elsewhere/a"
