"""25 payloads, each of which would leave a mark if it were opened as what it is."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.errors import CurateError, InputRefused, SecurityRefused
from models.model_files import read_model_file, refuse_code
from models.packed_models import model_bytes
from models.prediction.find_model import find_model
from models.prediction.prepare import checked_model
from models.prediction.protocol import EngineOptions
from tests.models.prediction.drawn_models import CARD, red_model, write_onnx


class Mark:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def pickled(mark: Path, *, protocol: int) -> bytes:
    return pickle.dumps(Mark(mark), protocol=protocol)


def zipped(mark: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(mark, protocol=2))
    return stream.getvalue()


def saved_by_torch(mark: Path, *, with_zip: bool) -> bytes:
    stream = io.BytesIO()
    torch.save({"state_dict": Mark(mark)}, stream, _use_new_zipfile_serialization=with_zip)
    return stream.getvalue()


def saved_by_numpy(mark: Path) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Mark(mark)], dtype=object), allow_pickle=True)
    return stream.getvalue()


def in_tar(mark: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        data = pickled(mark, protocol=2)
        member = tarfile.TarInfo("data.pkl")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


PAYLOADS: dict[str, Callable[[Path], bytes]] = {
    **{f"pickle{n}.pkl": (lambda mark, n=n: pickled(mark, protocol=n)) for n in range(6)},
    **{f"pickle{n}.onnx": (lambda mark, n=n: pickled(mark, protocol=n)) for n in range(6)},
    "torch.pt": lambda mark: saved_by_torch(mark, with_zip=True),
    "torch.pth": lambda mark: saved_by_torch(mark, with_zip=False),
    "lightning.ckpt": lambda mark: saved_by_torch(mark, with_zip=True),
    "exported.pt2": zipped,
    "array.npy": saved_by_numpy,
    "torch_zip.onnx": lambda mark: saved_by_torch(mark, with_zip=True),
    "torch_old.onnx": lambda mark: saved_by_torch(mark, with_zip=False),
    "array.onnx": saved_by_numpy,
    "tar.onnx": in_tar,
    "gzip.onnx": lambda mark: gzip.compress(pickled(mark, protocol=4)),
    "script.onnx": lambda mark: f"#!/bin/sh\nmkdir {mark}\n".encode(),
    "hdf5.onnx": lambda mark: b"\x89HDF\r\n\x1a\n" + pickled(mark, protocol=4),
    "weights.bin": lambda mark: pickled(mark, protocol=4),
}


def test_there_are_25_payloads() -> None:
    assert len(PAYLOADS) == 25


@pytest.mark.parametrize("name", PAYLOADS)
def test_no_payload_is_opened(name: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / name
    path.write_bytes(PAYLOADS[name](mark))
    with pytest.raises(SecurityRefused) as refused:
        found = find_model(path)
        outcome = checked_model(found, CARD, EngineOptions(workers=1))
        assert isinstance(outcome, CurateError)
        raise outcome
    assert refused.value.exit_code == 8 and refused.value.where == str(path)
    assert "safetensors" in refused.value.remedy
    assert not mark.exists()


def test_a_payload_does_work_where_it_is_opened(tmp_path: Path) -> None:
    pickle.loads(pickled(tmp_path / "mark", protocol=4))
    assert (tmp_path / "mark").is_dir()


def test_a_payload_in_place_of_weights_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(zipped(tmp_path / "mark"))
    with pytest.raises(SecurityRefused, match="a zip archive"):
        read_model_file(find_model(tmp_path).weights)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("length", range(16, 1024, 8))
def test_safetensors_of_any_header_length_are_no_pickle(length: int) -> None:
    refuse_code(length.to_bytes(8, "little") + b"{" + b"a" * (length - 2) + b"}" + b"\n" * 100, file=Path("w"))


def test_a_run_folder_is_found_by_its_folder_and_by_its_files(tmp_path: Path) -> None:
    run = tmp_path / "unet"
    run.mkdir()
    (run / "model.safetensors").touch()
    for path in (run, run / "model.safetensors", run / "model.yaml"):
        if path.name == "model.yaml":
            path.touch()
        found = find_model(path)
        assert (found.name, found.weights, found.card) == ("unet", run / "model.safetensors", run / "model.yaml")
        assert not found.is_onnx


def test_an_onnx_file_is_found_with_its_card(tmp_path: Path) -> None:
    path = write_onnx(tmp_path, red_model(), name="sinet")
    for given in (path, path.with_suffix(".yaml")):
        found = find_model(given)
        assert (found.name, found.weights, found.card) == ("sinet", path, tmp_path / "sinet.yaml")
        assert found.is_onnx


def test_what_is_no_model_is_refused_saying_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no such model") as refused:
        find_model(Path("portrait@3"))
    assert "model.safetensors" in refused.value.remedy and "registry" in refused.value.remedy
    with pytest.raises(InputRefused, match="no model in this folder"):
        find_model(tmp_path)
    (tmp_path / "a.onnx").touch()
    with pytest.raises(InputRefused, match=r"name the file: .*a\.onnx"):
        find_model(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputRefused, match="not finished"):
        find_model(tmp_path)


@pytest.mark.parametrize(
    ("data", "said", "remedy"),
    [
        (b"", "the file is empty", "restore"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS", "git lfs pull"),
        (b"\n<!DOCTYPE html>\n<title>Sign in</title>", "a web page", "the address of the file itself"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(99), "this is a TFLite file", "the ending .tflite"),
    ],
)
@pytest.mark.parametrize("name", ["model.onnx", "model.pb", "model.tar.gz"])
def test_what_a_download_leaves_in_the_place_of_a_model_is_named(
    data: bytes, said: str, remedy: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputRefused, match=said) as refused:
        model_bytes(find_model(tmp_path / name))
    assert remedy in refused.value.remedy


def test_a_linked_model_is_refused_with_what_helps(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"model")
    (tmp_path / "model.onnx").symlink_to("blob")
    with pytest.raises(InputRefused, match="a symbolic link, which is not followed") as refused:
        read_model_file(tmp_path / "model.onnx")
    assert "cp -L" in refused.value.remedy
