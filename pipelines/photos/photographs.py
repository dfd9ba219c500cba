"""Photographs given on the command line, and the person in each: files and folders, one model, any number of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec

from curation.dataset.manifest_files import is_dataset
from curation.errors import ConfigurationProblem, InputRefused
from curation.images.colours import colour_warning, file_colours
from curation.images.folders import NOT_ENTERED, list_folder
from curation.images.pixels import Alpha, Image, decode_image
from curation.labels.source_images import IMAGES
from curation.matting.pymatting_door import compile_once
from curation.photos.persons import Wanted, with_persons
from curation.quarantine import BadRecord, Code
from curation.storage.files import folded, read_file
from models.prediction.checks.real_pictures import Sample, few
from models.prediction.edges import Edge, Predicted, edged_alpha, refuse_edge
from models.prediction.predict_files import predict_files
from models.prediction.prepare import prepare
from models.prediction.ready_model import ReadyModel
from pipelines.command_line.options import Result, RunOptions
from pipelines.command_line.progress import progress_bar
from pipelines.photos.made_files import SHOWN, MadeFiles, Making

PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp")
"""What tells the name of a picture from that of a folder."""
NOBODY: Final = "use a photograph in which a person is larger, or another model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """A file, and its name in the output, without suffix: its path below the folder that was given."""

    file: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundPerson:
    """The person in a photograph (h, w, 3): the alpha (h, w), and warnings about it."""

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
        """Return the message about files that are no photographs."""
        lines = [f"  left out: {len(names)} {reason}: {_shown(names)}" for reason, names in self.left_out.items()]
        folders = [f"{folder} ({number} files)" for folder, number in self.not_entered.items()]
        return [*lines, f"  not looked into: {_shown(folders)}"] if folders else lines


def photographs(
    given: Sequence[Path], *, limit: int | None, elsewhere: Path | None = None, may_be_none: bool = False
) -> Given:
    """Return what files and folders name, each photograph with a name of its own.

    Of two that would have the same name in the output, the later one gets a number. What lies in the folder `elsewhere`
    is not taken from a folder around it. Raises InputRefused when there is none, unless there `may_be_none`, and for a
    data set.
    """
    found: list[tuple[Path, str]] = []
    broken: list[BadRecord] = []
    left_out: dict[str, list[str]] = {}
    not_entered: dict[str, int] = {}
    for path in given:
        if not path.is_dir():
            found.append((path, path.stem))
            continue
        _refuse_dataset(path)
        listing = list_folder(path, elsewhere=elsewhere)
        found += [(path / file.name, str(PurePosixPath(file.name).with_suffix(""))) for file in listing.files]
        broken += listing.broken
        not_entered |= {str(path / folder): number for folder, number in listing.not_entered.items()}
        for reason, names in listing.left_out.items():
            left_out.setdefault(reason, []).extend(str(path / name) for name in names)
    if not found and not may_be_none:
        seen = ", ".join(f"{len(names)} {reason}" for reason, names in left_out.items()) or "nothing"
        remedy = "name image files, or folders that hold some"
        raise InputRefused(f"there is no image; there is {seen}", where=given[0], remedy=remedy)
    if limit is not None and len(found) > limit:
        left_out["limit"] = [str(file) for file, _ in found[limit:]]
    return Given(chosen=named(found[:limit]), broken=broken, left_out=left_out, not_entered=not_entered)


def _refuse_dataset(folder: Path) -> None:
    if is_dataset(folder):
        raise InputRefused(
            "this is a data set: its masks would be taken for photographs",
            where=folder,
            remedy=f"name the folder of its photographs: {folder / IMAGES}, or with --image-uris that of the source",
        )


def named(found: Sequence[tuple[Path, str]]) -> list[Photograph]:
    """Return files with the names that they would have; of equal names the later ones get a number."""
    taken: set[str] = set()
    result = []
    for file, wanted in found:
        name, number = wanted, 1
        while folded(name) in taken:
            number += 1
            name = f"{wanted}-{number}"
        taken.add(folded(name))
        result.append(Photograph(file=file, name=name))
    return result


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
    return prepare(model, options=run.predicting, samples=[Sample(file=one.file) for one in few(chosen)])


def people_in(
    chosen: Sequence[Photograph], *, model: ReadyModel, edge: Edge, run: RunOptions, name: str
) -> Generator[FoundPerson | BadRecord, None, None]:
    """Yield the person in each photograph, in their order, or why there is none; one photograph at a time is held."""
    if not chosen:
        return
    refuse_edge(edge, model=model)
    compile_once()
    predictions = predict_files(model, files=[one.file for one in chosen], options=run.predicting)
    try:
        with progress_bar(name, total=len(chosen), run=run) as show:
            for prediction in predictions:
                one = chosen[prediction.index]
                if prediction.probability is None:
                    assert prediction.broken is not None, "a prediction holds a probability or a reason"
                    yield prediction.broken
                else:
                    predicted = Predicted(probability=prediction.probability, background=prediction.background)
                    yield _found(one, predicted, model=model, edge=edge)
                show(prediction.index + 1)
    finally:
        predictions.close()


def wanted_of(
    found: Iterable[FoundPerson | BadRecord], *, wanted: Wanted
) -> Generator[FoundPerson | BadRecord, None, None]:
    """Yield the photographs with only the persons who are wanted, or why they are not there."""
    for one in found:
        if isinstance(one, BadRecord):
            yield one
            continue
        try:
            yield replace(one, alpha=with_persons(one.alpha, wanted=wanted, file=str(one.photograph.file)))
        except BadRecord as problem:
            yield problem


def read_photograph(file: Path) -> tuple[Image, tuple[str, ...]]:
    """Return an image as it is shown, (h, w, 3), and warnings about its colours; raises BadRecord."""
    data = read_file(file)
    image, warning = decode_image(data, file=str(file)), colour_warning(file_colours(data, file=str(file)), file=file)
    return image, () if warning is None else (warning.reason,)


def _found(one: Photograph, predicted: Predicted, *, model: ReadyModel, edge: Edge) -> FoundPerson | BadRecord:
    file = str(one.file)
    try:
        image, told = read_photograph(one.file)
        alpha, notes = edged_alpha(image, predicted, model=model, edge=edge, file=file)
        if not (alpha > 127).any():
            return BadRecord(Code.EMPTY_ALPHA, "the model finds no person in it", file=file, hint=NOBODY)
    except BadRecord as problem:
        return problem
    return FoundPerson(photograph=one, image=image, alpha=alpha, notes=(*told, *notes))


def waiting_for(
    chosen: Sequence[Photograph], *, made: MadeFiles, makings: Callable[[Photograph], Mapping[Path, Making]]
) -> list[Photograph]:
    """Return the photographs of which files are still to be made; what is in the way of others is noted in `made`.

    Raises InputRefused when something else is in the way of all of them.
    """
    waiting = [one for one in chosen if made.is_waiting(makings(one))]
    made.refuse_conflicts_alone(chosen=len(chosen))
    return waiting


def result_of(made: MadeFiles, *, given: Given, lines: Sequence[str] = (), **more: Any) -> Result:
    """Return what became of everything that was given; `lines` and `more` are of the command."""
    left_out: dict[str, Any] = {"filtered": given.left_out, NOT_ENTERED: given.not_entered}
    return made.result(lines=[*lines, *given.lines()], **left_out, **more)


def dry_run_result(given: Given, *, command: str, out: Path, videos: Sequence[str] | None = None) -> Result:
    """Return the result of a dry run; `videos` are the names of those, of a command that takes some."""
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
    told = f"{len(names)} photographs"
    if videos is not None:
        data["videos"] = list(videos)
        told += f" and {len(videos)} videos"
    lines = [f"{out}: would be made from {told} (dry run, nothing is written)", *given.lines()]
    lines += [f"  set aside: {one.file}: {one.reason}; {one.hint}" for one in given.broken[:SHOWN]]
    return Result.of(lines, data, set_aside=given.broken)


def _shown(names: Sequence[str]) -> str:
    more = f", ... {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def sound(found: Iterator[FoundPerson | BadRecord], *, made: MadeFiles) -> Iterator[FoundPerson]:
    """Return the people that were found, and note what is broken, and warnings about the others."""
    for one in found:
        if isinstance(one, BadRecord):
            made.broken.append(one)
        else:
            made.warnings += [f"{one.photograph.file}: {note}" for note in one.notes]
            yield one
