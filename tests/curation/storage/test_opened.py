"""Parts of tar files are read by name as files are; a name that leads elsewhere, or beyond the end, is told."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from curation.byte_range import ByteRange, byte_range
from curation.quarantine import BadRecord, Code
from curation.storage.files import link_or_copy, read_file, safe_join

MEMBERS = {"a.mask.png": b"mask of a", "a.alpha.png": b"alpha" * 300, "b.mask.png": b"b"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set's folder with a tar file that Python's own library wrote."""
    (tmp_path / "D/labels").mkdir(parents=True)
    with tarfile.open(tmp_path / "D/labels/part-00000.tar", "w") as archive:
        for name, data in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return tmp_path / "D"


def test_the_members_that_tarfile_finds_are_read_by_their_place(folder: Path) -> None:
    with tarfile.open(folder / "labels/part-00000.tar") as archive:
        for member in archive:
            name = str(ByteRange("labels/part-00000.tar", member.offset_data, member.size, ".png"))
            path = safe_join(folder, name)
            assert read_file(path) == read_file(path, below=folder) == MEMBERS[member.name]
            link_or_copy(path, folder / "copy", below=folder)
            assert (folder / "copy").read_bytes() == MEMBERS[member.name]


def test_a_file_in_a_folder_of_such_a_name_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "x.tar").mkdir()
    (tmp_path / "x.tar/1+2.png").write_bytes(b"a file")
    assert read_file(tmp_path / "x.tar/1+2.png", below=tmp_path) == b"a file"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("labels/part-00000.tar/10239+2.png", Code.TRUNCATED),
        ("labels/part-00000.tar/999999999999999999+1.png", Code.TRUNCATED),
        ("labels/part-00000.tar/0+999999999.png", Code.TRUNCATED),
        ("labels/part-00001.tar/0+1.png", Code.MISSING_FILE),
        ("labels/part-00000.tar/-1+5.png", Code.UNREADABLE),
        ("labels/part-00000.tar/0+0.png", Code.UNREADABLE),
        ("labels/part-00000.tar/01+5.png", Code.UNREADABLE),
        ("labels/part-00000.tar/1_0+5.png", Code.UNREADABLE),
        ("labels/part-00000.tar/0+9999999999.png", Code.UNREADABLE),
        ("labels/part-00000.tar/0+5.png/0+1.png", Code.UNREADABLE),
        ("labels/../part-00000.tar/0+5.png", Code.PATH_ESCAPE),
        ("../D/labels/part-00000.tar/0+5.png", Code.PATH_ESCAPE),
        ("/etc/x.tar/0+5.png", Code.PATH_ESCAPE),
        ("labels/part-00000.tar", None),
    ],
)
def test_what_a_hostile_manifest_may_name_is_an_error_with_a_code(folder: Path, name: str, code: Code | None) -> None:
    def read(*, below: Path | None) -> bytes:
        return read_file(safe_join(folder, name), below=below)

    for below in (folder, None):
        if code is None:
            assert len(read(below=below)) == 10240  # a tar file is a file
            continue
        with pytest.raises(BadRecord) as error:
            read(below=below)
        assert error.value.code is code
        assert error.value.file.endswith(name)
        assert error.value.hint


@pytest.mark.parametrize("kind", ["outside", "inside", "folder"])
def test_a_link_in_place_of_a_tar_file_or_on_the_way_is_not_followed(folder: Path, kind: str) -> None:
    shard = folder / "labels/part-00000.tar"
    if kind == "folder":
        (folder / "labels").rename(folder.parent / "labels")
        (folder / "labels").symlink_to(folder.parent / "labels")
    else:
        target = (folder if kind == "inside" else folder.parent) / "other.tar"
        shard.rename(target)
        shard.symlink_to(target)
    with pytest.raises(BadRecord) as error:
        read_file(safe_join(folder, "labels/part-00000.tar/0+5.png"), below=folder)
    assert error.value.code in {Code.PATH_ESCAPE, Code.UNREADABLE}
    with pytest.raises(BadRecord, match="link"):
        read_file(folder / "labels/part-00000.tar/0+5.png", below=folder)
    if kind != "folder":  # the name alone is no better than a link by its name
        with pytest.raises(BadRecord, match="link"):
            read_file(folder / "labels/part-00000.tar/0+5.png")


def test_a_pipe_or_a_folder_in_place_of_a_tar_file_blocks_nothing(folder: Path) -> None:
    (folder / "labels/part-00000.tar").unlink()
    os.mkfifo(folder / "labels/part-00000.tar")
    with pytest.raises(BadRecord, match="not a regular file"):
        read_file(folder / "labels/part-00000.tar/0+5.png", below=folder)
    (folder / "labels/part-00000.tar").unlink()
    (folder / "labels/part-00000.tar").mkdir()
    with pytest.raises(BadRecord, match="does not exist"):
        read_file(folder / "labels/part-00000.tar/0+5.png", below=folder)


def test_what_is_larger_than_an_image_may_be_is_not_read(folder: Path) -> None:
    path = folder / "labels/part-00000.tar/0+1000.png"
    assert len(read_file(path, max_bytes=1000)) == 1000
    with pytest.raises(BadRecord, match="the limit is 999") as error:
        read_file(path, max_bytes=999)
    assert error.value.code is Code.TOO_LARGE


def test_a_name_says_what_it_was_made_of() -> None:
    for place in (ByteRange("a.tar", 0, 1, ""), ByteRange("a.tar/b.tar", 10**17, 10**8, ".webp")):
        assert byte_range(str(place)) == place
