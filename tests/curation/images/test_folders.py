"""Listing a folder: linear, links not followed, OS metadata and impossible names told apart."""

from __future__ import annotations

import io
import os
import sys
import time
import unicodedata
from pathlib import Path

import PIL.Image
import pytest

from curation.errors import InputRefused
from curation.images.folders import FoundFile, is_os_metadata, list_folder, require_folders, sort_out
from curation.images.header import inspect
from curation.quarantine import BadRecord, Code
from curation.sources.match_by_name import by_key, match, without_suffix

AIFENGE_SIZE = 34_427


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def saved(kind: str) -> bytes:
    stream = io.BytesIO()
    PIL.Image.new("RGB", (8, 6), (200, 90, 30)).save(stream, kind)
    return stream.getvalue()


def names_of(files: tuple[FoundFile, ...]) -> list[str]:
    return [file.name for file in files]


def test_files_are_listed_by_their_path_below_the_root_with_their_size(tmp_path: Path) -> None:
    make(tmp_path, "b.JPG", "a/c.png")
    (tmp_path / "b.JPG").write_bytes(b"12345")
    assert list_folder(tmp_path).files == (FoundFile("a/c.png", 1), FoundFile("b.JPG", 5))


def test_what_operating_systems_leave_behind_is_told_apart_and_named(tmp_path: Path) -> None:
    metadata = [
        ".DS_Store",
        "Thumbs.db",
        "__MACOSX/clip_img/._x.jpg",
        "a/desktop.ini",
        "clip_img/1803241125/clip_00000000/._1803241125-00000005.jpg",
        "matting/1803201916/._matting_00000000",
    ]
    make(tmp_path, *metadata, "a/1.jpg")
    listing = list_folder(tmp_path, enter=lambda folder: not folder.startswith("__"))
    assert listing.left_out == {"os_metadata": tuple(metadata)}
    assert names_of(listing.files) == ["a/1.jpg"]
    assert all(is_os_metadata(name) for name in metadata)


def test_files_of_other_kinds_are_named_and_folders_not_asked_for_are_not_entered(tmp_path: Path) -> None:
    make(tmp_path, "README.md", "no_suffix", "a.tiff", "kept/1.jpg", "left/2.jpg", "left/deep/3.txt")
    listing = list_folder(tmp_path, enter=lambda folder: folder == "kept")
    assert listing.left_out == {"text": ("README.md", "no_suffix")}
    assert names_of(listing.files) == ["a.tiff", "kept/1.jpg"]
    assert listing.not_entered == {"left": 2}


HELD = {
    "image": {
        "a.HEIC": saved("JPEG"),
        "b.mpo": saved("JPEG"),
        "c": saved("PNG"),
        "d.dat": saved("WEBP"),
        "e.txt": saved("JPEG"),
        "f.JPG": b"whatever",
    },
    "not read": {
        "g.heif": b"\0\0\0\x18ftypmif1\0\0\0\0heic",
        "h.bin": saved("GIF"),
        "i.nef": saved("TIFF"),
        "j.avif": saved("AVIF"),
        "k.psd": b"8BPS\0\1",
        "l.heic": b"",
    },
    "video": {"m.MOV": b"\0\0\0\x14ftypqt  ", "n.mp4": b"\0\0\0\x18ftypisom", "o.avi": b"RIFF\0\0\0\0AVI LIST"},
    "audio": {"p.m4a": b"\0\0\0\x18ftypM4A ", "q.wav": b"RIFF\0\0\0\0WAVEfmt "},
    "text": {"r.json": b"[1, 2]", "s": "größe, 1\n".encode(), "t.csv": b"a" * 1023 + "ß".encode()},
    "document": {"u.pdf": b"%PDF-1.7\n"},
    "archive": {"v.zip": b"PK\3\4\0\0", "w.gz": b"\x1f\x8b\x08"},
    "other_file": {"x": b"", "y.npy": b"\x93NUMPY\1\0", "z.weights": bytes(range(256))},
}


def test_files_are_told_by_what_they_hold_and_none_is_passed_over(tmp_path: Path) -> None:
    for files in HELD.values():
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
    listing = list_folder(tmp_path)
    assert names_of(listing.files) == sorted([*HELD["image"], *HELD["not read"]])
    expected = {kind: tuple(files) for kind, files in HELD.items() if kind not in {"image", "not read"}}
    assert listing.left_out == expected
    for name in HELD["not read"]:
        with pytest.raises(BadRecord) as refused:
            inspect((tmp_path / name).read_bytes(), file=name)
        assert refused.value.code is (Code.NOT_IMAGE if name == "l.heic" else Code.FORMAT)
        assert name != "i.nef" or "camera raw (.nef)" in refused.value.reason


def test_an_image_that_is_not_read_beside_one_that_is_is_left_out_by_name(tmp_path: Path) -> None:
    for name, data in {"1.NEF": saved("TIFF"), "1.JPG": saved("JPEG"), "2.dng": saved("TIFF"), "2.heic": b""}.items():
        (tmp_path / name).write_bytes(data)
    listing = list_folder(tmp_path)
    assert names_of(listing.files) == ["1.JPG", "2.dng"]
    assert listing.left_out == {"other_format": ("1.NEF", "2.heic")}


def test_a_link_of_any_name_is_not_opened(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(saved("JPEG"))
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.mpo").symlink_to(outside)
    (root / "b").symlink_to(outside)
    os.mkfifo(root / "c.heif")
    listing = list_folder(root)
    assert names_of(listing.files) == ["a.mpo", "c.heif"]  # their reader refuses them
    assert listing.left_out == {"other_file": ("b",)}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
@pytest.mark.parametrize(
    "name", [b"\xff\xfe.jpg", b"a\x1b[31m.jpg", b"new\nline.jpg", b"a\x7f.png", b"\xe2\x80\xae.jpg"]
)
def test_a_name_that_cannot_be_shown_is_set_aside_and_escaped(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(b"x")
    listing = list_folder(tmp_path)
    assert not listing.files
    (problem,) = listing.broken
    assert problem.code == Code.NAME
    record = problem.record(stage="test")
    assert record.file.isprintable()
    assert record.file.encode()


@pytest.mark.parametrize("name", ["-rf.jpg", " a .jpg", "ünï.jpg", "a" * 251 + ".jpg", "$(id).jpg"])
def test_a_name_that_is_only_unusual_is_a_file(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    assert names_of(list_folder(tmp_path).files) == [name]


def test_a_link_to_a_folder_is_not_followed_and_named(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    make(outside, "secret.jpg")
    root = tmp_path / "root"
    root.mkdir()
    (root / "inside").symlink_to(outside)
    (root / "loop").symlink_to(root)
    listing = list_folder(root)
    assert not listing.files
    assert [problem.code for problem in listing.broken] == [Code.UNREADABLE] * 2
    assert [Path(problem.file).name for problem in listing.broken] == ["inside", "loop"]


def test_links_to_files_pipes_and_folders_named_like_images_are_left_to_their_reader(tmp_path: Path) -> None:
    (tmp_path / "link.jpg").symlink_to("/etc/passwd")
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    assert names_of(list_folder(tmp_path).files) == ["broken.jpg", "folder.jpg", "link.jpg", "pipe.jpg"]


def test_a_folder_that_cannot_be_listed_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/1.jpg", "b/2.jpg")
    scandir = os.scandir

    def scan(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    listing = list_folder(tmp_path)
    assert names_of(listing.files) == ["b/2.jpg"]
    assert [(problem.code, problem.file) for problem in listing.broken] == [(Code.UNREADABLE, str(tmp_path / "a"))]


def test_a_root_that_is_missing_or_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no such folder"):
        list_folder(tmp_path / "missing")
    make(tmp_path, "file")
    with pytest.raises(InputRefused, match="not a folder"):
        list_folder(tmp_path / "file")


def test_a_root_of_another_structure_is_refused_saying_what_is_there(tmp_path: Path) -> None:
    make(tmp_path, "clip_img/1.jpg", "other/1.jpg")
    with pytest.raises(InputRefused, match="expected the folders clip_img and matting here; there is clip_img, other"):
        require_folders(tmp_path, names=["clip_img", "matting"])


def test_a_root_one_level_too_high_is_refused_naming_the_right_one(tmp_path: Path) -> None:
    make(tmp_path, "archive/clip_img/1.jpg", "archive/matting/1.png")
    with pytest.raises(InputRefused) as refused:
        require_folders(tmp_path, names=["clip_img", "matting"])
    assert refused.value.remedy == f"give --root {tmp_path / 'archive'}"
    require_folders(tmp_path / "archive", names=["clip_img", "matting"])


def test_the_fingerprint_follows_names_and_sizes_but_of_no_metadata(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    before = list_folder(tmp_path).fingerprint()
    make(tmp_path, ".DS_Store")
    assert list_folder(tmp_path).fingerprint() == before
    make(tmp_path, "notes.txt")
    after = list_folder(tmp_path).fingerprint()
    assert after != before  # else the card of an earlier run would go on counting
    before = after
    os.utime(tmp_path / "a.jpg", (0, 0))
    assert list_folder(tmp_path).fingerprint() == before
    (tmp_path / "a.jpg").write_bytes(b"longer")
    assert list_folder(tmp_path).fingerprint() != before


def test_names_of_the_size_of_aifenge_are_matched_in_about_a_second(tmp_path: Path) -> None:
    numbers = range(AIFENGE_SIZE)
    start = time.process_time()
    images = sort_out([FoundFile(f"1803151818/{n:08d}.jpg", n) for n in numbers], root=tmp_path)
    labels = sort_out([FoundFile(f"1803151818/{n:08d}.png", n) for n in reversed(numbers)], root=tmp_path)
    matching = match(
        by_key(images.files, key=without_suffix, root=tmp_path), by_key(labels.files, key=without_suffix, root=tmp_path)
    )
    taken_s = time.process_time() - start
    assert len(matching.pairs) == AIFENGE_SIZE
    assert not matching.lonely
    assert taken_s < 2, f"{taken_s:.2f} s of CPU; make bench prints the wall-clock time"


def test_two_files_of_one_name_are_refused_naming_both(tmp_path: Path) -> None:
    for first, second in (("x.jpg", "x.png"), ("\u00e9.jpg", "e\u0301.jpg")):
        with pytest.raises(InputRefused) as refused:
            by_key([FoundFile(first, 1), FoundFile(second, 1)], key=without_suffix, root=tmp_path)
        assert first in str(refused.value)
        assert second in str(refused.value)
        assert "rename" in refused.value.remedy


def test_composed_and_decomposed_names_of_one_pair_meet(tmp_path: Path) -> None:
    image, label = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    matching = match(
        by_key([FoundFile(f"{image}.jpg", 1)], key=without_suffix, root=tmp_path),
        by_key([FoundFile(f"{label}.png", 1)], key=without_suffix, root=tmp_path),
    )
    assert len(matching.pairs) == 1


def test_a_dataset_in_parts_below_a_folder_is_no_part_of_it(tmp_path: Path) -> None:
    for name in ("a.jpg", "made/images/a.jpg", "made/dataset.json", "made/manifest/part-00000.parquet"):
        make(tmp_path, name)
    for name in ("nets/images/b.jpg", "nets/dataset.json"):  # other tools have a file of this name
        make(tmp_path, name)
    listing = list_folder(tmp_path)
    assert {file.name for file in listing.files if file.name.endswith("jpg")} == {"a.jpg", "nets/images/b.jpg"}
    assert "made" in listing.not_entered
