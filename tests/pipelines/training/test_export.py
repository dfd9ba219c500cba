from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from curation.errors import ConfigurationProblem, InputRefused, SecurityRefused
from models.networks.catalogue import build_network
from models.prediction.weights import save_model
from pipelines.command_line.options import Result, RunOptions
from pipelines.training.export import ExportFlags, export
from tests.models.drawn import Sample, drawn_dataset, person
from tests.models.small_card import CARD


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return saved(tmp_path / "run", seed=0)


def saved(folder: Path, *, seed: int) -> Path:
    torch.manual_seed(seed)
    network = build_network("unet_shufflenet")
    with torch.no_grad():  # so that the batch norms know what is usual
        for _ in range(3):
            network(torch.randn(4, 3, 64, 48))
    folder.mkdir()
    save_model(network, folder=folder, card=CARD)
    return folder


def exported(run_folder: Path, onnx: Path, *, data: tuple[Path, ...] = (), **options: Any) -> Result:
    flags = ExportFlags(model=run_folder, onnx=onnx, data=data)
    return export(flags, run=RunOptions(limit=2, **options))


def test_an_export_is_written_once_and_replaced_only_when_told(run_folder: Path, tmp_path: Path) -> None:
    onnx = tmp_path / "out" / "unet.onnx"
    dry = exported(run_folder, onnx, dry_run=True)
    assert not onnx.parent.exists() and not dry.data["written"] and "nothing is written" in dry.summary
    first = exported(run_folder, onnx)
    assert first.data["written"] and [one["images"] for one in first.data["comparisons"]] == [3, 3]
    before = {path: path.read_bytes() for path in onnx.parent.iterdir()}
    assert not exported(run_folder, onnx).data["written"]
    other = saved(tmp_path / "other", seed=1)
    with pytest.raises(InputRefused, match="another model under this name"):
        exported(other, onnx)
    assert {path: path.read_bytes() for path in onnx.parent.iterdir()} == before
    assert exported(other, onnx, overwrite=True).data["written"]
    assert {path: path.read_bytes() for path in onnx.parent.iterdir()}.keys() == before.keys()
    assert onnx.read_bytes() != before[onnx]


def test_an_export_that_was_stopped_before_its_card_goes_on_and_another_file_stays(
    run_folder: Path, tmp_path: Path
) -> None:
    onnx = tmp_path / "out" / "unet.onnx"
    exported(run_folder, onnx)
    card = onnx.with_suffix(".yaml").read_bytes()
    onnx.with_suffix(".yaml").unlink()
    assert exported(run_folder, onnx).data["written"] and onnx.with_suffix(".yaml").read_bytes() == card
    onnx.with_suffix(".yaml").unlink()
    onnx.write_bytes(b"of another tool")
    with pytest.raises(InputRefused, match="another file under this name, without a card"):
        exported(run_folder, onnx)
    assert onnx.read_bytes() == b"of another tool"
    assert exported(run_folder, onnx, overwrite=True).data["written"]


def test_the_card_of_another_form_is_not_replaced_even_when_told(run_folder: Path, tmp_path: Path) -> None:
    for name in ("unet.param", "unet.bin", "unet.yaml"):
        (tmp_path / name).write_text("of ncnn")
    with pytest.raises(InputRefused, match="a model of another form has this name"):
        exported(run_folder, tmp_path / "unet.onnx", overwrite=True)
    assert (tmp_path / "unet.yaml").read_text() == "of ncnn" and not (tmp_path / "unet.onnx").exists()


def test_an_export_that_differs_leaves_nothing(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.export.export_onnx.MAX_PROBABILITY_OFF", -1.0)
    with pytest.raises(InputRefused, match="nothing was written") as refused:
        exported(run_folder, tmp_path / "unet.onnx")
    assert refused.value.exit_code == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_real_images_are_compared_on_with_broken_ones_left_out(run_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    drawn_dataset(data, [Sample(id=name, prediction=person(), mask=person()) for name in ("a", "b")])
    files = sorted((data / "images").iterdir())
    files[0].write_bytes(b"broken")
    result = exported(run_folder, tmp_path / "unet.onnx", data=(data,))
    assert result.data["comparisons"][0]["images"] == 2  # one sample of two, and the probe
    assert len(result.warnings) == 1 and str(files[0]) in result.warnings[0]
    for file in files:
        file.write_bytes(b"broken")
    with pytest.raises(InputRefused, match="no sample can be read"):
        exported(run_folder, tmp_path / "again.onnx", data=(data,))


def test_what_is_no_run_folder_is_refused(run_folder: Path, tmp_path: Path) -> None:
    onnx = tmp_path / "unet.onnx"
    with pytest.raises(ConfigurationProblem, match="does not end in"):
        exported(run_folder, tmp_path / "unet.pb")
    with pytest.raises(InputRefused, match="no such model"):
        exported(tmp_path / "nowhere", onnx)
    onnx.touch()
    with pytest.raises(InputRefused, match="an ONNX file already"):
        exported(onnx, onnx)
    (tmp_path / "model.ckpt").write_bytes(pickle.dumps(1))
    with pytest.raises(SecurityRefused, match=r"not read from \.ckpt"):
        exported(tmp_path / "model.ckpt", onnx)
