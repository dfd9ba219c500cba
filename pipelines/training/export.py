"""`curate export`: a model as a file for another runtime, which predicts what the model predicts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from curation.errors import ConfigurationProblem
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.training.export_form import FormRequest, export_form, refuse_impossible

if TYPE_CHECKING:
    from models.export.export_onnx import Checked, Export
    from models.export.forms import Form

PICTURES: Final = 16
"""Enough for every kind of lighting and framing; each costs three predictions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFlags:
    """What to export, and where to."""

    model: Path = setting("The run folder of `curate train`; with --int8 also an ONNX file with a card.", metavar="M")
    to: Literal["onnx", "openvino", "ncnn", "tflite"] | None = setting(
        "The form to write.  [default: onnx, where --onnx names the file]", default=None
    )
    out: Path | None = setting(
        "The file to write, or the name of the two files of openvino and ncnn without their endings; the card is "
        "written beside, as NAME.yaml.",
        default=None,
        metavar="FILE",
    )
    onnx: Path | None = setting("As --to onnx --out FILE.", default=None, metavar="FILE")
    int8: bool = setting("Write 8-bit numbers, calibrated on images of --calibrate.", default=False)
    calibrate: tuple[Path, ...] = setting(
        "Datasets from which images for --int8 are chosen; labels are not needed.", default=(), metavar="D..."
    )
    data: tuple[Path, ...] = setting(
        "Datasets whose images the export is checked on.  [default: those of --calibrate, or drawn pictures]",
        default=(),
        metavar="D...",
    )
    max_loss: float = setting("Publish only if mIoU on the labels of --data falls by less.", default=0.005)


def export(settings: ExportFlags, *, run: RunOptions) -> Result:
    """Write a model as a file for another runtime, after running it there.

    An ONNX file in fp32 has to give the same probabilities as torch, to 0.0001, and the same mIoU, to 0.001, in ONNX
    Runtime and OpenVINO. Every other form, and int8, is kept when mIoU on the labels of --data falls by less than
    --max-loss, or without labels, when its masks have mIoU 0.995 with those of fp32; else it is refused with the images
    and layers that moved most. The same command again does nothing when the file is there.

    \b
    Examples:
      curate export --model runs/unet --to onnx --out unet.onnx --data data/test
      curate export --model runs/unet --to ncnn --out phone/unet --data data/test
      curate export --model runs/unet --to openvino --int8 --calibrate data/train --data data/test --out unet-int8
    """
    form, out = _form(settings)
    # Here, so that -h does not wait for torch
    from models.export.forms import stem_of
    from models.prediction.find_model import find_model

    stem = stem_of(out, form=form)
    request = FormRequest(
        found=find_model(settings.model),
        form=form,
        stem=stem,
        calibrate=settings.calibrate,
        data=settings.data,
        max_loss=settings.max_loss,
    )
    refuse_impossible(request)
    if form != "onnx" or settings.int8:
        return export_form(request, run=run)
    return _export_onnx(settings, run_folder=request.found.path, stem=stem, run=run)


def _export_onnx(settings: ExportFlags, *, run_folder: Path, stem: Path, run: RunOptions) -> Result:
    from models.export.export_onnx import checked_export, is_published
    from models.export.forms import Made, file_at, publish, refuse_strangers

    file = file_at(stem, ".onnx")
    if not run.overwrite and is_published(run_folder, file=file):
        return _already_there(settings, file=file)
    pictures, warnings = _pictures(settings, run=run)
    made = checked_export(run_folder, file=file, pictures=pictures)
    files = {".onnx": made.data}
    if not run.overwrite:
        refuse_strangers(files, stem=stem)
    if not run.dry_run:
        publish(Made(files=files, card=made.card), stem=stem)
    return _told(made, settings=settings, file=file, run=run, warnings=warnings)


def _form(settings: ExportFlags) -> tuple[Form, Path]:
    """Return the form and the file. Raises ConfigurationProblem where flags say nothing, or two things."""
    out = settings.out or settings.onnx
    if (settings.out and settings.onnx) or (settings.onnx and settings.to not in {None, "onnx"}):
        told = "--onnx FILE stands for --to onnx --out FILE"
        raise ConfigurationProblem(told, remedy="leave --onnx out")
    if out is None or (settings.to is None and settings.onnx is None):
        raise ConfigurationProblem(
            "what to write is not said", remedy="give --to onnx|openvino|ncnn|tflite and --out FILE"
        )
    if settings.int8 != bool(settings.calibrate):
        told = "--int8 needs images to calibrate on" if settings.int8 else "--calibrate is of --int8 alone"
        raise ConfigurationProblem(told, remedy="give --int8 --calibrate D, or neither")
    if not 0 < settings.max_loss <= 1:
        told = f"--max-loss {settings.max_loss:g} is no fall of mIoU to stay below"
        raise ConfigurationProblem(told, remedy="give a number above 0, 1 at most")
    return settings.to or "onnx", out


def _pictures(settings: ExportFlags, *, run: RunOptions) -> tuple[list[Checked], tuple[str, ...]]:
    from models.export.pictures import drawn_pictures, pictures_of

    number = run.limit or PICTURES
    if not settings.data:
        return drawn_pictures(number=number, seed=run.seed), ()
    return pictures_of(settings.data, number=number)


def _already_there(settings: ExportFlags, *, file: Path) -> Result:
    summary = f"{file}: exists already, made from this model; nothing to do"
    return Result(summary=summary, data={"command": "export", **_paths(settings, file=file), "written": False})


def _told(export: Export, *, settings: ExportFlags, file: Path, run: RunOptions, warnings: tuple[str, ...]) -> Result:
    dry = " (dry run, nothing is written)" if run.dry_run else ""
    lines = [f"{file}: {export.card.network}, {len(export.data) / 1e6:.1f} MB{dry}"]
    lines += [
        f"  {one.runtime:<13} equals torch on {one.close} of {one.images} pictures: probabilities to "
        f"{one.probability_off:.1g}, mIoU to {one.miou_off:.1g}"
        for one in export.comparisons
    ]
    data: dict[str, Any] = {
        "command": "export",
        **_paths(settings, file=file),
        "written": not run.dry_run,
        "sha256": export.card.sha256,
        "comparisons": [asdict(one) for one in export.comparisons],
    }
    if any(one.close < one.images for one in export.comparisons):
        warnings += (
            f"{export.card.network} puts values where maxima lay; between equal ones rounding decides, and so the "
            "runtimes differ from torch in a few pictures",
        )
    return Result.of(lines, data, warnings=warnings)


def _paths(settings: ExportFlags, *, file: Path) -> dict[str, str]:
    return {"model": str(settings.model), "onnx": str(file), "card": str(file.with_suffix(".yaml"))}
