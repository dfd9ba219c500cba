"""Photographs given on the command line, and the person in each: files and folders, one model, any number of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import cv2
import msgspec
import numpy as np

from curation.errors import InputRefused
from curation.files import folded, make_folder, read_file, write_durable
from curation.folders import list_folder
from curation.matting import matte
from curation.matting_library import compile_once
from curation.matting_probability import Probability, alpha_of, trimap_of
from curation.pixels import Alpha, Image, decode_image
from curation.quarantine import BadRecord, Code
from models.prediction.files import predict_files
from models.prediction.preparing import prepare
from models.prediction.protocol import EngineOptions
from models.prediction.ready import ReadyModel
from models.prediction.real_pictures import Sample, few
from models.prediction.trimaps import TRIMAP_CLASSES, TrimapModel, predicted_trimap
from pipelines.options import DONE_WITH_QUARANTINE, Result, RunOptions
from pipelines.progress import progress_bar

REFINED_PIXELS: Final = 1_500_000
"""A photograph is matted at this size at most, and its alpha enlarged."""
SHOWN: Final = 20
NOBODY: Final = "use a photograph in which a person is larger, or another model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """A file, and its name in the output, without suffix: its path below the folder that was given."""

    file: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundPerson:
    """The person in a photograph (h, w, 3): the alpha (h, w)."""

    photograph: Photograph
    image: Image
    alpha: Alpha


def photographs(given: Sequence[Path], *, limit: int | None) -> tuple[list[Photograph], list[BadRecord]]:
    """Give the photographs that files and folders name, each with a name of its own, and what cannot be used.

    Of two that would have the same name in the output, the later one gets a number.
    Raises InputRefused when there is none.
    """
    found: list[tuple[Path, str]] = []
    broken: list[BadRecord] = []
    for path in given:
        if not path.is_dir():
            found.append((path, path.stem))
            continue
        listing = list_folder(path)
        found += [(path / file.name, str(PurePosixPath(file.name).with_suffix(""))) for file in listing.files]
        broken += listing.broken
    if not found:
        raise InputRefused("there is no image", where=given[0], remedy="name image files, or folders that hold some")
    taken: set[str] = set()
    named = []
    for file, wanted in found[:limit]:
        name, number = wanted, 1
        while folded(name) in taken:
            number += 1
            name = f"{wanted}-{number}"
        taken.add(folded(name))
        named.append(Photograph(file=file, name=name))
    return named, broken


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
        image = decode_image(read_file(one.file), file=file)
        alpha = alpha_of(probability)
        if not (alpha > 127).any():
            return BadRecord(Code.EMPTY_ALPHA, "the model finds no person in it", file=file, hint=NOBODY)
        if refine or model.card.classes == TRIMAP_CLASSES:  # whose person ends where the edge begins
            alpha = _refined(image, probability=probability, model=model, file=file)
    except BadRecord as problem:
        return problem
    return FoundPerson(photograph=one, image=image, alpha=alpha)


def _refined(image: Image, *, probability: Probability, model: ReadyModel, file: str) -> Alpha:
    """Give the matte of the band around what a model predicts, or of what a model of three classes calls unknown."""
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
    alpha = matte(small, trimap=trimap, file=file)
    return np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


class Written:
    """What a command wrote, what was there already, and what was broken; and the result that tells of it."""

    def __init__(self, *, command: str, out: Path, overwrite: bool) -> None:
        self.command = command
        self.out = out
        self.broken: list[BadRecord] = []
        self.files: list[str] = []
        self.kept: list[str] = []
        self.warnings: list[str] = []
        self._overwrite = overwrite

    def waiting(self, chosen: Sequence[Photograph], *, suffix: str) -> list[Photograph]:
        """Give the photographs whose output is not there; with `overwrite` all of them."""
        if self._overwrite:
            return list(chosen)
        there = {one.name for one in chosen if self.path(one, suffix=suffix).exists()}
        self.kept = [str(self.path(one, suffix=suffix)) for one in chosen if one.name in there]
        return [one for one in chosen if one.name not in there]

    def path(self, one: Photograph, *, suffix: str) -> Path:
        """Give where the output of a photograph goes."""
        return self.out / f"{one.name}{suffix}"

    def write(self, path: Path, data: bytes) -> None:
        """Write a file whole, and remember it."""
        make_folder(path.parent)
        write_durable(path, data)
        self.files.append(str(path))

    def result(self, **more: Any) -> Result:
        """Tell what became of everything."""
        records = [problem.record(stage=self.command) for problem in self.broken]
        lines = [f"{self.out}: {len(self.files)} written"]
        if self.kept:
            lines.append(f"  {len(self.kept)} are there already and were left; --overwrite makes them again")
        lines += [f"  set aside: {one.file}: {one.reason}; {one.hint}" for one in self.broken[:SHOWN]]
        if len(self.broken) > SHOWN:
            lines.append(f"  and {len(self.broken) - SHOWN} more; --json lists all")
        data = {
            "command": self.command,
            "out": str(self.out),
            "written": self.files,
            "kept": self.kept,
            "quarantine": msgspec.to_builtins(records),
            **more,
        }
        code = DONE_WITH_QUARANTINE if self.broken else 0
        return Result(summary="\n".join(lines), data=data, exit_code=code, warnings=tuple(self.warnings))


def told(chosen: Sequence[Photograph], *, command: str, out: Path, broken: Sequence[BadRecord]) -> Result:
    """Give the result of a dry run."""
    names = [one.name for one in chosen]
    data = {"command": command, "out": str(out), "dry_run": True, "photographs": names}
    summary = f"{out}: would be made from {len(names)} photographs (dry run, nothing is written)"
    return Result(summary=summary, data=data, exit_code=DONE_WITH_QUARANTINE if broken else 0)


def sound(found: Iterator[FoundPerson | BadRecord], *, written: Written) -> Iterator[FoundPerson]:
    """Give the people that were found, and note what is broken."""
    for one in found:
        if isinstance(one, BadRecord):
            written.broken.append(one)
        else:
            yield one


def _options(run: RunOptions) -> EngineOptions:
    return EngineOptions(device=run.device, workers=run.workers)
