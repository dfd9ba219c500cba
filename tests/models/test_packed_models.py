"""Archives: the one model in them is found, and no member whose name leads out is taken, of any kind."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from curation.errors import InputRefused, SecurityRefused
from models import packed_models
from models.model_files import model_on_disk
from models.packed_models import ending_of, model_bytes, model_in_archive, packed

FILE = Path("deeplab.tar.gz")


def archive(*members: tuple[str, bytes] | tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as made:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
            else:
                told = tarfile.TarInfo(member[0])
                told.size = len(member[1])
                made.addfile(told, io.BytesIO(member[1]))
    return stream.getvalue()


def link(name: str, target: str, *, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    told = tarfile.TarInfo(name)
    told.type, told.linkname = kind, target
    return told


@pytest.mark.parametrize("mode", ["w:gz", "w", "w:bz2", "w:xz"])
def test_the_frozen_graph_of_a_zoo_is_found_beside_its_checkpoints(mode: str) -> None:
    data = archive(
        ("deeplab/._frozen_inference_graph.pb", b"of another system"),
        ("deeplab/model.ckpt.index", b"i"),
        ("deeplab/saved_model/saved_model.pb", b"s"),
        ("./deeplab/frozen_inference_graph.pb", b"graph"),
        mode=mode,
    )
    assert model_in_archive(data, file=FILE) == {"frozen_inference_graph.pb": b"graph"}


def test_a_saved_model_is_found_with_its_variables() -> None:
    data = archive(("m/saved_model.pb", b"g"), ("m/variables/variables.index", b"i"), ("m/assets/a.txt", b"a"))
    assert model_in_archive(data, file=FILE) == {"saved_model.pb": b"g", "variables/variables.index": b"i"}


def test_what_tensorflow_2_writes_beside_a_saved_model_is_no_graph() -> None:
    beside = [("m/fingerprint.pb", b"f"), ("m/keras_metadata.pb", b"k")]
    saved = model_in_archive(archive(("m/saved_model.pb", b"g"), *beside), file=FILE)
    assert saved == {"saved_model.pb": b"g"}
    assert model_in_archive(archive(("m/frozen.pb", b"graph"), *beside), file=FILE) == {"frozen.pb": b"graph"}


@pytest.mark.parametrize(
    "name", ["../frozen.pb", "/etc/frozen.pb", "a/../../frozen.pb", "C:/frozen.pb", "..\\frozen.pb", "~root/a.pb"]
)
def test_a_member_whose_name_leads_out_is_refused_by_name(name: str) -> None:
    data = archive(("deeplab/frozen.pb", b"graph"), (name, b"x"))
    with pytest.raises(SecurityRefused) as refused:
        model_in_archive(data, file=FILE)
    assert repr(name) in refused.value.reason and refused.value.exit_code == 8


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_that_leads_out_is_refused_and_one_inside_is_no_model(kind: bytes) -> None:
    with pytest.raises(SecurityRefused, match=r"'deeplab/frozen\.pb'"):
        model_in_archive(archive(link("deeplab/frozen.pb", "../../etc/passwd", kind=kind)), file=FILE)
    inside = archive(("a/b.pb", b"graph"), link("c.pb", "a/b.pb", kind=kind))
    assert model_in_archive(inside, file=FILE) == {"b.pb": b"graph"}


def test_a_symbolic_link_leads_on_from_its_own_folder() -> None:
    beside = archive(link("a/b/newest.pb", "../x.pb"), ("a/x.pb", b"graph"))
    assert model_in_archive(beside, file=FILE) == {"x.pb": b"graph"}
    with pytest.raises(SecurityRefused, match=r"'a/b/newest\.pb', a link to '\.\./\.\./\.\./x\.pb'"):
        model_in_archive(archive(link("a/b/newest.pb", "../../../x.pb"), ("a/x.pb", b"graph")), file=FILE)


def test_several_models_and_none_are_refused_by_name() -> None:
    with pytest.raises(InputRefused, match=r"holds 2 models: a/x\.pb, b/y\.pb"):
        model_in_archive(archive(("a/x.pb", b"x"), ("b/y.pb", b"y")), file=FILE)
    with pytest.raises(InputRefused, match=r"no \.pb and no \.tflite file"):
        model_in_archive(archive(("a/model.ckpt", b"x")), file=FILE)


def test_an_archive_that_is_cut_or_none_is_refused() -> None:
    whole = archive(("a/x.pb", bytes(range(256)) * 400))
    for data in (whole[:-60], whole[:40], b"", b"hello"):
        with pytest.raises(InputRefused, match="not a whole tar archive") as refused:
            model_in_archive(data, file=FILE)
        assert "\n" not in refused.value.reason


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_models, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(SecurityRefused, match="more than"):
        model_in_archive(archive(("a/x.pb", b"x" * 2000)), file=FILE)
    monkeypatch.setattr(packed_models, "MAX_MEMBERS", 1)
    with pytest.raises(SecurityRefused, match="1 files"):
        model_in_archive(archive(("a", b""), ("b", b"")), file=FILE)


def test_equal_files_are_packed_to_equal_bytes_and_read_back() -> None:
    files = {"saved_model.pb": b"graph", "variables/variables.index": b"index"}
    assert packed(files) == packed(dict(reversed(files.items())))
    assert model_in_archive(packed(files), file=FILE) == files


def test_a_saved_model_is_one_file_where_one_is_needed(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    found = model_on_disk(folder)
    assert ending_of(found) == ".tar.gz"
    assert set(model_in_archive(model_bytes(found), file=FILE)) == {"saved_model.pb", "variables/variables.index"}
    (tmp_path / "a.tflite").write_bytes(b"x")
    assert ending_of(model_on_disk(tmp_path / "a.tflite")) == ".tflite"
