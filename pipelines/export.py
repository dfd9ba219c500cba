"""`curate export`: a trained network as one ONNX file that predicts what the network predicts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curation.errors import ConfigurationProblem, InputRefused
from pipelines.options import Result, RunOptions, setting

if TYPE_CHECKING:
    from models.export import Checked, Export

PICTURES: Final = 16
"""Enough for every kind of lighting and framing; each costs three predictions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFlags:
    """What to export, and where to."""

    model: Path = setting("The run folder of `curate train`.", metavar="RUN")
    onnx: Path = setting("The ONNX file to write; its card is written beside it, as FILE.yaml.", metavar="FILE")
    data: tuple[Path, ...] = setting(
        "Datasets whose images the export is checked on.  [default: drawn pictures]", default=(), metavar="D..."
    )


def export(settings: ExportFlags, *, run: RunOptions) -> Result:
    """Write a trained network as ONNX, after checking it against torch.

    The file holds everything (opset 18, any number of images at once). It is published only when ONNX Runtime and
    OpenVINO give the same probabilities as torch, to 0.0001, and the same mIoU, to 0.001, on images of --data (16, or
    --limit). The same command again does nothing when the file is there.

    \b
    Example:  curate export --model runs/unet --onnx unet.onnx --data data/test
    """
    run_folder = _run_folder(settings)
    # Here, so that -h does not wait for torch
    from models.export import checked_export, is_published, publish

    if not run.overwrite and is_published(run_folder, file=settings.onnx):
        return _already_there(settings)
    pictures, warnings = _pictures(settings, run=run)
    made = checked_export(run_folder, file=settings.onnx, pictures=pictures)
    if not run.dry_run:
        publish(made, file=settings.onnx)
    return _told(made, settings=settings, run=run, warnings=warnings)


def _run_folder(settings: ExportFlags) -> Path:
    from models.prediction.finding import ONNX, find_model

    if settings.onnx.suffix != ONNX:
        raise ConfigurationProblem(f"--onnx {settings.onnx} does not end in {ONNX}", remedy="give it that ending")
    found = find_model(settings.model)
    if found.is_onnx:
        remedy = "give a run folder of `curate train`, or copy the file with its card"
        raise InputRefused("this is an ONNX file already", where=settings.model, remedy=remedy)
    return found.weights.parent


def _pictures(settings: ExportFlags, *, run: RunOptions) -> tuple[list[Checked], tuple[str, ...]]:
    from models.export_pictures import drawn_pictures, pictures_of

    number = run.limit or PICTURES
    if not settings.data:
        return drawn_pictures(number=number, seed=run.seed), ()
    pictures, broken = pictures_of(settings.data, number=number)
    return pictures, tuple(f"left out of the check: {problem.file}: {problem.reason}" for problem in broken)


def _already_there(settings: ExportFlags) -> Result:
    summary = f"{settings.onnx}: is there already, made from this model; nothing to do"
    return Result(summary=summary, data={"command": "export", **_paths(settings), "written": False})


def _told(export: Export, *, settings: ExportFlags, run: RunOptions, warnings: tuple[str, ...]) -> Result:
    dry = " (dry run, nothing is written)" if run.dry_run else ""
    lines = [f"{settings.onnx}: {export.card.network}, {len(export.data) / 1e6:.1f} MB{dry}"]
    lines += [
        f"  {one.runtime:<13} equals torch on {one.close} of {one.images} pictures: probabilities to "
        f"{one.probability_off:.1g}, mIoU to {one.miou_off:.1g}"
        for one in export.comparisons
    ]
    data: dict[str, Any] = {
        "command": "export",
        **_paths(settings),
        "written": not run.dry_run,
        "sha256": export.card.sha256,
        "comparisons": [asdict(one) for one in export.comparisons],
    }
    if any(one.close < one.images for one in export.comparisons):
        warnings += (
            f"{export.card.network} puts values where maxima lay; between equal ones rounding decides, and so the "
            "runtimes differ from torch in a few pictures",
        )
    return Result(summary="\n".join(lines), data=data, warnings=warnings)


def _paths(settings: ExportFlags) -> dict[str, str]:
    return {
        "model": str(settings.model),
        "onnx": str(settings.onnx),
        "card": str(settings.onnx.with_suffix(".yaml")),
    }
