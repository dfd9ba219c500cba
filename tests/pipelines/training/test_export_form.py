"""`curate export --to`: what is written, what decides, and what is refused, on networks that draw no attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from openvino import Core

from curation.errors import ConfigurationProblem, InputRefused
from models.card import read_card
from models.export import export_form as module
from models.export.judge import Verdict
from models.networks.catalogue import build_network
from models.prediction.weights import save_model
from models.structure import Structure
from pipelines.command_line.options import Result, RunOptions
from pipelines.training.export import ExportFlags, export
from tests.models.drawn import Sample, drawn_dataset, person
from tests.models.prediction.drawn_models import red_model, write_onnx
from tests.models.small_card import CARD
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.training.test_export import saved


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("runs") / "run", seed=0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data set on which the tiny model is right: the red of its images is 255 x the label."""
    folder = tmp_path / "data"
    shapes = [person(left=2 + number, top=4 + 2 * number) for number in range(6)]
    drawn_dataset(folder, [Sample(id=f"s{number}", prediction=mask, mask=mask) for number, mask in enumerate(shapes)])
    return folder


def exported(model: Path, to: str, out: Path, *, run: Any = None, **flags: Any) -> Result:
    settings = ExportFlags(model=model, to=to, out=out, **flags)  # type: ignore[arg-type]
    return export(settings, run=RunOptions(workers=1, quiet=True, **(run or {})))


def test_openvino_files_are_written_once_and_give_what_the_network_gives(
    run_folder: Path, data: Path, tmp_path: Path
) -> None:
    import torch

    out = tmp_path / "phone" / "unet"
    dry = exported(run_folder, "openvino", out, data=(data,), run={"dry_run": True})
    assert not out.parent.exists() and not dry.data["written"]
    made = exported(run_folder, "openvino", out, data=(data,))
    assert sorted(path.name for path in out.parent.iterdir()) == ["unet.bin", "unet.xml", "unet.yaml"]
    assert made.data["written"] and made.data["masks"] == 1.0 and abs(made.data["loss"]) < 1e-3
    assert made.data["labelled"] == 6
    assert not exported(run_folder, "openvino", out, data=(data,)).data["written"]
    image = np.random.default_rng(0).normal(size=(1, 3, 64, 48)).astype(np.float32)
    found = Core().compile_model(str(out.with_suffix(".xml")), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(image)[0]
    network = build_network("unet_shufflenet")
    from safetensors.torch import load_file

    network.load_state_dict(load_file(run_folder / "model.safetensors"))
    with torch.no_grad():
        np.testing.assert_allclose(found, network.eval()(torch.from_numpy(image)).numpy(), atol=1e-4)


def test_without_data_drawn_pictures_are_seen_and_that_is_told(run_folder: Path, tmp_path: Path) -> None:
    result = exported(run_folder, "openvino", tmp_path / "unet", run={"limit": 2})
    assert result.data["labelled"] == 0 and "drawn pictures alone" in result.warnings[0]


def test_int8_of_an_onnx_file_is_kept_where_labels_say_so(data: Path, tmp_path: Path) -> None:
    model = write_tiny_onnx(tmp_path / "tiny.onnx")
    out = tmp_path / "small.onnx"
    made = exported(model, "onnx", out, int8=True, calibrate=(data,), data=(data,))
    assert made.data["before"] == 1.0 and made.data["loss"] < 0.005
    card = read_card(tmp_path / "small.yaml")
    assert card.training["exported"]["form"] == "onnx" and card.training["exported"]["calibrated_on"]
    assert not exported(model, "onnx", out, int8=True, calibrate=(data,), data=(data,)).data["written"]
    from models.prediction.load_model import load_model

    half = np.zeros((40, 30, 3), np.uint8)
    half[:, :15, 0], half[..., 1] = 255, 90
    assert (load_model(out).predict(half)[:, [3, 25]] >= 0.5).all(axis=0).tolist() == [True, False]


def test_a_card_that_misleads_is_refused_before_int8(data: Path, tmp_path: Path) -> None:
    model = write_onnx(tmp_path, red_model(), channels="BGR")
    with pytest.raises(InputRefused, match=r"with `channels: RGB`"):
        exported(model, "openvino", tmp_path / "small", int8=True, calibrate=(data,), data=(data,))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "model.onnx", "model.yaml"]


def test_calibration_images_without_a_person_are_refused(tmp_path: Path) -> None:
    nobody = np.zeros((40, 30), np.uint8)
    unlabelled, labelled = tmp_path / "unlabelled", tmp_path / "labelled"
    drawn_dataset(unlabelled, [Sample(id="a", prediction=nobody, mask=None)])
    drawn_dataset(labelled, [Sample(id="a", prediction=person(), mask=nobody, row={"person_area": 0.0})])
    model = write_tiny_onnx(tmp_path / "tiny.onnx")
    for folder in (unlabelled, labelled):
        with pytest.raises(InputRefused, match="none of the 1 calibration images shows a person"):
            exported(model, "onnx", tmp_path / "small.onnx", int8=True, calibrate=(folder,))
    assert not (tmp_path / "small.onnx").exists()


def test_a_form_that_loses_too_much_leaves_nothing(
    run_folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = module.judged

    def worse(*args: Any, **options: Any) -> Verdict:
        found = true(*args, **options)
        return Verdict(images=6, labelled=6, before=0.9, after=0.88, masks=0.9, worst=found.worst)

    monkeypatch.setattr(module, "judged", worse)
    with pytest.raises(InputRefused, match=r"mIoU falls by 0\.0200 on 6 labelled images") as refused:
        exported(run_folder, "openvino", tmp_path / "unet", data=(data,))
    assert "layers that moved most" in str(refused.value) and "Conv" in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
    assert exported(run_folder, "openvino", tmp_path / "unet", data=(data,), max_loss=0.05).data["written"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"to": "ncnn"}, "what to write is not said"),
        ({"out": Path("a.onnx")}, "what to write is not said"),
        ({"to": "onnx", "out": Path("a.onnx"), "onnx": Path("b.onnx")}, "--onnx FILE stands for"),
        ({"to": "onnx", "out": Path("a.onnx"), "int8": True}, "needs images to calibrate on"),
        ({"to": "onnx", "out": Path("a.onnx"), "calibrate": (Path("d"),)}, "is of --int8 alone"),
        (
            {"to": "ncnn", "out": Path("a"), "int8": True, "calibrate": (Path("d"),)},
            "--int8 is not written for --to ncnn",
        ),
        ({"to": "onnx", "out": Path("a.onnx"), "max_loss": float("nan")}, "is no fall of mIoU"),
        ({"to": "onnx", "out": Path("a.onnx"), "max_loss": 0.0}, "is no fall of mIoU"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(run_folder: Path, flags: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationProblem, match=said):
        export(ExportFlags(model=run_folder, **flags), run=RunOptions())


@pytest.mark.parametrize("to", ["onnx", "openvino", "ncnn", "tflite"])
@pytest.mark.parametrize("name", ["portrait.tflite", "portrait.pb", "portrait.tar.gz", "portrait"])
def test_a_foreign_model_is_told_that_it_is_one(to: str, name: str, tmp_path: Path) -> None:
    model = tmp_path / name
    if "." not in name:
        model.mkdir()
    (model if "." in name else model / "saved_model.pb").touch()
    out = tmp_path / "out" / ({"onnx": "a.onnx", "tflite": "a.tflite"}.get(to, "a"))
    with pytest.raises(InputRefused, match="a model of TensorFlow or TFLite") as refused:
        exported(model, to, out)
    assert refused.value.where == str(model) and not out.parent.exists()


def test_an_onnx_file_is_written_as_onnx_only_in_int8(tmp_path: Path) -> None:
    model = write_tiny_onnx(tmp_path / "tiny.onnx")
    with pytest.raises(InputRefused, match="an ONNX file already"):
        exported(model, "onnx", tmp_path / "again.onnx")


@pytest.mark.parametrize(
    ("to", "flags", "what"),
    [
        ("openvino", {}, "openvino in fp32"),
        ("ncnn", {}, "ncnn in fp32"),
        ("tflite", {}, "tflite in fp32"),
        ("onnx", {"int8": True}, "onnx in int8"),
    ],
)
def test_a_network_that_takes_the_place_of_a_face_is_written_as_onnx_in_fp32_alone(
    data: Path, tmp_path: Path, to: str, flags: dict[str, Any], what: str
) -> None:
    model = saved_with_faces(tmp_path / "run")
    calibrate = {"calibrate": (data,)} if flags else {}
    with pytest.raises(InputRefused, match=f"for which {what} is not written") as refused:
        exported(model, to, tmp_path / f"out.{to}", **flags, **calibrate)
    assert "--prior frame" in str(refused.value.remedy)
    assert not list(tmp_path.glob("out*"))


def saved_with_faces(folder: Path) -> Path:
    structure = Structure(prior="face")
    card = msgspec.structs.replace(CARD, network="portrait_fcn", structure=structure)
    folder.mkdir()
    save_model(build_network("portrait_fcn", structure=structure), folder=folder, card=card)
    return folder
