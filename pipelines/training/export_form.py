"""`curate export --to`: a model in a form for another runtime, run there before it is published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curation.errors import ConfigurationProblem, InputRefused
from pipelines.command_line.options import Result, RunOptions
from pipelines.command_line.progress import tell
from pipelines.training.calibrate import calibration, calibration_id

if TYPE_CHECKING:
    from models.export.export_form import Source
    from models.export.export_onnx import Checked
    from models.export.forms import Exported, Form, Made
    from models.export.judge import Verdict
    from models.model_files import FoundModel
    from models.prediction.checks.real_pictures import Sample

JUDGED: Final = 200
"""Images of --data that decide; each costs two predictions."""
UNLABELLED: Final = 64
"""Images of --calibrate whose masks decide where there is no --data."""
DRAWN: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FormRequest:
    """A model to write in a form, at a stem; in int8 where `calibrate` names data sets.

    `data` and `max_loss` decide whether it is kept.
    """

    found: FoundModel
    form: Form
    stem: Path
    calibrate: tuple[Path, ...]
    data: tuple[Path, ...]
    max_loss: float

    @property
    def what(self) -> str:
        """Return what is made, in words."""
        return f"{self.form} in {'int8' if self.calibrate else 'fp32'}"


def export_form(request: FormRequest, *, run: RunOptions) -> Result:
    """Write a model in a form, once its own runtime predicts with it what fp32 predicts."""
    from models.export.export_form import judge, made_of, moved_layers, source_of
    from models.export.forms import ENDINGS, file_at, is_published, publish, refuse_strangers
    from models.export.judge import refuse_moved

    options = replace(run.predicting, device="cpu")
    source = source_of(request.found, options=options, samples=_samples(request))
    wanted = _wanted(request, source=source)
    if not run.overwrite and is_published(wanted, stem=request.stem):
        return _already_there(request)
    pictures, warnings = _pictures(request, run=run)
    chosen = calibration(request.calibrate, source=source, run=run) if request.calibrate else None
    made = made_of(source, wanted=wanted, calibration=chosen.images if chosen else (), tell=partial(tell, run=run))
    if not run.overwrite:
        refuse_strangers(made.files, stem=request.stem)
    verdict = judge(source, made, wanted=wanted, pictures=pictures)
    worst = next(one for one in pictures if one.name == verdict.worst[0].name)
    refuse_moved(
        verdict,
        max_loss=request.max_loss,
        layers=lambda: moved_layers(source, made, image=worst.image),
        what=request.what,
        is_int8=bool(request.calibrate),
        file=file_at(request.stem, ENDINGS[request.form][0]),
    )
    if not run.dry_run:
        publish(made, stem=request.stem)
    return _told(
        made, verdict=verdict, request=request, run=run, warnings=(*warnings, *(chosen.warnings if chosen else ()))
    )


def refuse_impossible(request: FormRequest) -> None:
    """Raise what no export can come of, before anything is read: ConfigurationProblem, InputRefused."""
    from models.card import read_card
    from models.export.forms import QUANTISED, refuse_neighbours

    found = request.found
    if request.calibrate and request.form not in QUANTISED:
        raise ConfigurationProblem(
            f"--int8 is not written for --to {request.form}",
            remedy=f"leave --int8 out, or write --to {' or --to '.join(QUANTISED)} in int8",
        )
    if not (found.is_run or found.is_onnx):
        remedy = "give a run folder of `curate train`, or the same model as an ONNX file with this card"
        raise InputRefused("this is a model of TensorFlow or TFLite", where=found.path, remedy=remedy)
    if request.form == "onnx" and not request.calibrate and found.is_onnx:
        remedy = "give a run folder of `curate train`, or --int8 --calibrate D, or copy the file with its card"
        raise InputRefused("this is an ONNX file already", where=found.weights, remedy=remedy)
    card = read_card(found.card)
    if card.structure.takes_place and (request.form != "onnx" or request.calibrate):
        raise InputRefused(
            f"{card.network} takes the place of a face beside the image (prior: face), for which {request.what} is not "
            "written",
            where=found.path,
            remedy="export it to ONNX in fp32, without --to and --int8; or train it with --prior frame",
        )
    refuse_neighbours(request.stem, form=request.form)


def _samples(request: FormRequest) -> Sequence[Sample]:
    """Return a few samples by which the card of an ONNX file is checked."""
    from curation.dataset.chosen_rows import first_rows
    from curation.dataset.dataset import read_dataset
    from models.prediction.checks.real_pictures import samples_of

    folders = (request.data or request.calibrate) if request.found.is_onnx else ()
    return samples_of((folder, first_rows(read_dataset(folder).rows)) for folder in folders)


def _wanted(request: FormRequest, *, source: Source) -> Exported:
    from models.export.forms import Exported

    on = calibration_id(request.calibrate) if request.calibrate else None
    return Exported(form=request.form, of=source.sha256, calibrated_on=on)


def _pictures(request: FormRequest, *, run: RunOptions) -> tuple[Sequence[Checked], tuple[str, ...]]:
    """Return the pictures that decide: those of --data with their labels, else others by their masks alone."""
    from models.export.pictures import drawn_pictures, pictures_of

    if not (request.data or request.calibrate):
        drawn = drawn_pictures(number=run.limit or DRAWN, seed=run.seed)
        told = "it was run on drawn pictures alone; --data D runs it on real ones, and their labels decide"
        return [replace(one, label=None) for one in drawn], (told,)
    number = run.limit or (JUDGED if request.data else UNLABELLED)
    pictures, warnings = pictures_of(request.data or request.calibrate, number=number)
    return (pictures if request.data else [replace(one, label=None) for one in pictures]), warnings


def _already_there(request: FormRequest) -> Result:
    data = _names(request) | {"written": False}
    return Result(summary=f"{data['files'][0]}: exists already, made from this model; nothing to do", data=data)


def _told(made: Made, *, verdict: Verdict, request: FormRequest, run: RunOptions, warnings: tuple[str, ...]) -> Result:
    dry = " (dry run, nothing is written)" if run.dry_run else ""
    names = _names(request)
    size = sum(map(len, made.files.values()))
    lines = [f"{' and '.join(names['files'])}: {request.what}, {size / 1e6:.2f} MB{dry}"]
    if verdict.loss is not None:
        told = f"mIoU {verdict.before:.4f} in fp32, {verdict.after:.4f} now: {0 - round(verdict.loss, 4):+.4f}"
        lines.append(
            f"  on {verdict.labelled} labelled images {told} (allowed: a fall of less than {request.max_loss:g})"
        )
    lines.append(f"  its masks have mIoU {verdict.masks:.4f} with those of fp32 on {verdict.images} images")
    data = names | {
        "written": not run.dry_run,
        "bytes": size,
        "sha256": made.card.sha256,
        "max_loss": request.max_loss,
        "loss": verdict.loss,
        **asdict(verdict),
    }
    return Result.of(lines, data, warnings=warnings)


def _names(request: FormRequest) -> dict[str, Any]:
    from models.export.forms import ENDINGS, file_at

    return {
        "command": "export",
        "model": str(request.found.weights),
        "to": request.form,
        "int8": bool(request.calibrate),
        "files": [str(file_at(request.stem, ending)) for ending in ENDINGS[request.form]],
        "card": str(file_at(request.stem, ".yaml")),
    }
