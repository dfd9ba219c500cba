"""Photographs given on the command line, and the person in each: files and folders, one model, any number of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import cv2
import msgspec
import numpy as np

from curation.colours import colour_warning, file_colours
from curation.errors import ConfigurationProblem, InputRefused
from curation.files import folded, read_file
from curation.folders import NOT_ENTERED, list_folder
from curation.matting import matte
from curation.matting_library import compile_once
from curation.matting_probability import Probability, alpha_of, loses_a_part, mask_of, trimap_of
from curation.pixels import Alpha, Image, decode_image
from curation.quarantine import BadRecord, Code
from curation.trimaps import UNKNOWN
from models.prediction.files import predict_files
from models.prediction.preparing import prepare
from models.prediction.protocol import EngineOptions
from models.prediction.ready import ReadyModel
from models.prediction.real_pictures import Sample, few
from models.prediction.trimaps import TRIMAP_CLASSES, TrimapModel, predicted_trimap
from pipelines.made_files import SHOWN, MadeFiles, Making
from pipelines.options import DONE_WITH_QUARANTINE, Result, RunOptions
from pipelines.progress import progress_bar

PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp")
"""What tells the name of a picture from that of a folder."""
REFINED_PIXELS: Final = 1_500_000
"""A photograph is matted at this size at most, and its alpha enlarged."""
NO_EDGE: Final = "the model is sure of no part of the person, or of the background, to start from"
UNREFINED: Final = "the edge was not refined"
NOBODY: Final = "use a photograph in which a person is larger, or another model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """A file, and its name in the output, without suffix: its path below the folder that was given."""

    file: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundPerson:
    """The person in a photograph (h, w, 3): the alpha (h, w), and what is to be told of it."""

    photograph: Photograph
    image: Image
    alpha: Alpha
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What files and folders name: the photographs, what cannot be used, and by reason the files that are none.

    `not_entered` are folders that were not looked into, with the number of files in each.
    """

    chosen: list[Photograph]
    broken: list[BadRecord]
    left_out: dict[str, list[str]]
    not_entered: dict[str, int]

    def lines(self) -> list[str]:
        """Return what people are told of that which is no photograph."""
        lines = [f"  left out: {len(names)} {reason}: {_shown(names)}" for reason, names in self.left_out.items()]
        folders = [f"{folder} ({number} files)" for folder, number in self.not_entered.items()]
        return [*lines, f"  not looked into: {_shown(folders)}"] if folders else lines


def photographs(given: Sequence[Path], *, limit: int | None) -> Given:
    """Return what files and folders name, each photograph with a name of its own.

    Of two that would have the same name in the output, the later one gets a number.
    Raises InputRefused when there is none.
    """
    found: list[tuple[Path, str]] = []
    broken: list[BadRecord] = []
    left_out: dict[str, list[str]] = {}
    not_entered: dict[str, int] = {}
    for path in given:
        if not path.is_dir():
            found.append((path, path.stem))
            continue
        listing = list_folder(path)
        found += [(path / file.name, str(PurePosixPath(file.name).with_suffix(""))) for file in listing.files]
        broken += listing.broken
        not_entered |= {str(path / folder): number for folder, number in listing.not_entered.items()}
        for reason, names in listing.left_out.items():
            left_out.setdefault(reason, []).extend(str(path / name) for name in names)
    if not found:
        seen = ", ".join(f"{len(names)} {reason}" for reason, names in left_out.items()) or "nothing"
        remedy = "name image files, or folders that hold some"
        raise InputRefused(f"there is no image; there is {seen}", where=given[0], remedy=remedy)
    if limit is not None and len(found) > limit:
        left_out["limit"] = [str(file) for file, _ in found[limit:]]
    taken: set[str] = set()
    named = []
    for file, wanted in found[:limit]:
        name, number = wanted, 1
        while folded(name) in taken:
            number += 1
            name = f"{wanted}-{number}"
        taken.add(folded(name))
        named.append(Photograph(file=file, name=name))
    return Given(chosen=named, broken=broken, left_out=left_out, not_entered=not_entered)


def file_named(out: Path, *, given: Given, suffixes: Sequence[str]) -> Path | None:
    """Return the picture that `--out` names, None where it names a folder; `suffixes` are those that can be written.

    Raises ConfigurationProblem for a picture of another kind, and for one of several photographs.
    """
    kind = out.suffix.lower()
    if kind not in PICTURES or out.is_dir():
        return None
    if kind not in suffixes:
        wanted = " or ".join(suffixes)
        raise ConfigurationProblem(f"--out {out}: no {kind} is written here", remedy=f"name a {wanted}, or a folder")
    if len(given.chosen) > 1:
        reason = f"--out {out} is the name of one picture, and there are {len(given.chosen)} photographs"
        raise ConfigurationProblem(reason, remedy="name a folder, or give one photograph")
    return out


def ready_model(model: Path, *, chosen: Sequence[Photograph], run: RunOptions) -> ReadyModel:
    """Return the model, checked also on some of the photographs; raises what `prepare` raises."""
    return prepare(model, options=_options(run), samples=[Sample(file=one.file) for one in few(chosen)])


def people_in(
    chosen: Sequence[Photograph], *, model: ReadyModel, refine: bool, run: RunOptions, name: str
) -> Generator[FoundPerson | BadRecord, None, None]:
    """Give the person in each photograph, in their order, or why there is none; one photograph at a time is held."""
    if not chosen:
        return
    compile_once()
    predictions = predict_files(model, files=[one.file for one in chosen], options=_options(run))
    try:
        with progress_bar(name, total=len(chosen), run=run) as show:
            for prediction in predictions:
                one = chosen[prediction.index]
                if prediction.probability is None:
                    assert prediction.broken is not None, "a prediction holds a probability or a reason"
                    yield prediction.broken
                else:
                    yield _found(one, prediction.probability, model=model, refine=refine)
                show(prediction.index + 1)
    finally:
        predictions.close()


def _found(one: Photograph, probability: Probability, *, model: ReadyModel, refine: bool) -> FoundPerson | BadRecord:
    file = str(one.file)
    try:
        data = read_file(one.file)
        image, warning = decode_image(data, file=file), colour_warning(file_colours(data, file=file), file=file)
        alpha = alpha_of(probability)
        if not (alpha > 127).any():
            return BadRecord(Code.EMPTY_ALPHA, "the model finds no person in it", file=file, hint=NOBODY)
        notes: tuple[str, ...] = ()
        if refine or model.card.classes == TRIMAP_CLASSES:  # whose person ends where the edge begins
            alpha, notes = _refined(image, alpha=alpha, probability=probability, model=model, file=file)
    except BadRecord as problem:
        return problem
    told = () if warning is None else (warning.reason,)
    return FoundPerson(photograph=one, image=image, alpha=alpha, notes=(*told, *notes))


def _refined(
    image: Image, *, alpha: Alpha, probability: Probability, model: ReadyModel, file: str
) -> tuple[Alpha, tuple[str, ...]]:
    """Return the matte of the band around what a model predicts, or of what a model of three classes calls unknown.

    `alpha` is what the prediction gives without matting. It is returned, with a note, where no matte can be made, or
    where one would lose a part of the person.
    """
    height, width = image.shape[:2]
    scale = min(1.0, (REFINED_PIXELS / (height * width)) ** 0.5)
    small: Any = image
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        probability = np.asarray(cv2.resize(probability, size, interpolation=cv2.INTER_AREA), np.float32)
    if model.card.classes == TRIMAP_CLASSES:
        trimap = predicted_trimap(small, file, model=TrimapModel(sha256=model.sha256, model=model))
    else:
        trimap = trimap_of(probability, input_size=model.card.input_size)
    try:
        found = matte(small, trimap=trimap, file=file)
    except BadRecord as problem:
        reason = NO_EDGE if problem.code is Code.TRIMAP else problem.reason  # nobody gave a trimap
        return alpha, (f"{UNREFINED}: {reason}",)
    if loses_a_part(found, mask=mask_of(probability)):
        return alpha, (f"{UNREFINED}: a part of the person would be taken for the background",)
    if found.shape == (height, width):
        return found, ()
    sure = cv2.resize(trimap, (width, height), interpolation=cv2.INTER_NEAREST)
    matted = np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.where(sure == UNKNOWN, matted, sure), ()


def waiting_for(
    chosen: Sequence[Photograph], *, made: MadeFiles, makings: Callable[[Photograph], Mapping[Path, Making]]
) -> list[Photograph]:
    """Return the photographs of which files are still to be made; what is in the way of others is noted in `made`.

    Raises InputRefused when something else is in the way of all of them.
    """
    waiting = [one for one in chosen if made.is_waiting(makings(one))]
    made.refuse_conflicts_alone(chosen=len(chosen))
    return waiting


def result_of(made: MadeFiles, *, given: Given, **more: Any) -> Result:
    """Return what became of everything that was given."""
    left_out: dict[str, Any] = {"filtered": given.left_out, NOT_ENTERED: given.not_entered}
    return made.result(lines=given.lines(), **left_out, **more)


def told(given: Given, *, command: str, out: Path) -> Result:
    """Return the result of a dry run."""
    names = [one.name for one in given.chosen]
    data = {
        "command": command,
        "out": str(out),
        "dry_run": True,
        "photographs": names,
        "filtered": given.left_out,
        NOT_ENTERED: given.not_entered,
        "quarantine": msgspec.to_builtins([problem.record(stage=command) for problem in given.broken]),
    }
    lines = [f"{out}: would be made from {len(names)} photographs (dry run, nothing is written)", *given.lines()]
    lines += [f"  set aside: {one.file}: {one.reason}; {one.hint}" for one in given.broken[:SHOWN]]
    return Result(summary="\n".join(lines), data=data, exit_code=DONE_WITH_QUARANTINE if given.broken else 0)


def _shown(names: Sequence[str]) -> str:
    more = f", ... {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def sound(found: Iterator[FoundPerson | BadRecord], *, made: MadeFiles) -> Iterator[FoundPerson]:
    """Return the people that were found, and note what is broken, and what is to be told of the others."""
    for one in found:
        if isinstance(one, BadRecord):
            made.broken.append(one)
        else:
            made.warnings += [f"{one.photograph.file}: {note}" for note in one.notes]
            yield one


def _options(run: RunOptions) -> EngineOptions:
    return EngineOptions(device=run.device, workers=run.workers)
