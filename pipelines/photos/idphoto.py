"""`curate idphoto`: ID photos by size, colour and file size, and sheets to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from curation.images.pixels import encode_image
from curation.quarantine import BadRecord
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import tell

if TYPE_CHECKING:
    from curation.photos.id_photo import IdPhoto, IdRules
    from curation.photos.measures import Measure
    from models.faces.protocol import FaceFinder
    from pipelines.photos.made_files import Making
    from pipelines.photos.photographs import FoundPerson, Photograph


@dataclass(frozen=True, slots=True, kw_only=True)
class IdphotoFlags:
    """The photographs, the size and the colour of the ID photos, and what to write."""

    images: tuple[Path, ...] = setting("Image files, and folders of them.", positional=True, metavar="IMAGE...")
    model: Path = setting(
        "The model: a run folder of `curate train`, or an ONNX, TFLite or TensorFlow model with its card beside it."
    )
    size: str = setting(
        "1-inch, 2-inch, passport, schengen, uk, us-visa, japan, ...; or 35x45mm, 2x2in, 600x600px.", default="1-inch"
    )
    dpi: int = setting("Dots per inch.", default=300)
    colour: str = setting("Background: white, blue, red, or #RRGGBB.", default="white")
    head: float | None = setting(
        "Height of the head, crown to chin, as a share of the photo's height.  [default: as the size asks]",
        default=None,
    )
    above: float | None = setting(
        "Space above the head, as a share of the photo's height.  [default: as the size asks]", default=None
    )
    max_kb: float | None = setting(
        "Largest file, in kilobytes of 1,000 bytes; the JPEG's quality follows.", default=None, metavar="KB"
    )
    sheet: str | None = setting("Also a sheet of copies to print: 4x6in, A4, 5R, ...", default=None, metavar="PAPER")
    out: Path = setting("Folder for the photos; of one image, also the file to write.", default=Path("idphotos"))
    edge: Literal["none", "guided", "matting"] | None = setting(
        "The edge as predicted, drawn to the edges of the photograph by a guided filter (fast), or matted (finest).  "
        "[default: matting; none of a model that gives an alpha]",
        default=None,
    )
    faces: Path | None = setting(
        "An ONNX model of faces with its card beside it.  [default: MediaPipe's face mesh, installed once]",
        default=None,
        metavar="FILE",
    )
    light: Literal["keep", "face"] = setting(
        "Light and colours as they are, or by the face: a cast is taken back by the whites of the eyes, a face that is "
        "too dark exposed up to twice as much, with one target for every skin.",
        default="keep",
    )
    check: bool = setting(
        "Print what was measured, with what is allowed, and write beside each photo NAME-check.png with the lines.",
        default=False,
    )

    def __post_init__(self) -> None:
        """Refuse shares that leave no photo."""
        for name, value, least, most in (("--head", self.head, 0.2, 0.9), ("--above", self.above, 0.0, 0.5)):
            if value is not None and not least <= value <= most:
                raise click.UsageError(f"{name} {value:g} is outside {least:g} to {most:g} of the height")
        if self.head is not None and self.head + (self.above or 0) > 1:
            raise click.UsageError("--head and --above together are more than the whole height")
        if self.max_kb is not None and self.max_kb <= 0:
            raise click.UsageError(f"--max-kb {self.max_kb:g} holds no photo; give more than 0")


def idphoto(settings: IdphotoFlags, *, run: RunOptions) -> Result:
    """Make ID photos: the head at the required height, level, on a plain background, in an exact size in pixels.

    The chin and the eyes are those of the face, the crown is that of the person's outline; where an office leaves hair
    out, both the crown and the hair are brought within its limits as far as they can be. A head that leans is made
    level. A photograph that cannot meet the limits is refused with the reason, and what would help: no face or several,
    turned away, eyes shut, dark glasses, blurred, too small, or cut off. Rules of offices change: compare the result
    with those that apply.

    \b
    Examples: curate idphoto me.jpg --model runs/unet --size schengen --sheet 4x6in
              curate idphoto staff/ --model sinet.onnx --size 295x413px --colour blue --max-kb 60
    """
    from curation.photos.sizes import paper_size
    from models.prediction.face_finder import face_finder
    from pipelines.photos import photographs as photos
    from pipelines.photos.made_files import MadeFiles, settings_with_model

    rules = _rules(settings)
    if settings.sheet is not None:
        paper_size(settings.sheet, dpi=settings.dpi)  # refused before anything is done
    given = photos.photographs(settings.images, limit=run.limit)
    file = photos.file_named(settings.out, given=given, suffixes=(".jpg", ".jpeg"))
    if run.dry_run:
        return photos.dry_run_result(given, command="idphoto", out=settings.out)
    made = MadeFiles(command="idphoto", out=settings.out, overwrite=run.overwrite, broken=given.broken)
    model = photos.ready_model(settings.model, chosen=given.chosen, run=run)
    edge = settings.edge or ("none" if model.gives_alpha else "matting")
    finder = face_finder(settings.faces, tell=partial(tell, run=run))
    shape = {**asdict(rules), "dpi": settings.dpi, "max_kb": settings.max_kb, "edge": edge}
    recorded = settings_with_model(model, settings={**shape, "faces": finder.sha256})
    makings = partial(_makings, recorded=recorded, settings=settings, file=file)
    waiting = photos.waiting_for(given.chosen, made=made, makings=makings)
    people = photos.people_in(waiting, model=model, edge=edge, run=run, name="idphoto")
    heads: dict[str, Any] = {}
    for person in photos.sound(people, made=made):
        found = _found(person, finder=finder, rules=rules, settings=settings)
        heads[str(person.photograph.file)] = found.told
        if isinstance(found.photo, BadRecord):
            made.broken.append(found.photo)
            continue
        made.warnings += [f"{person.photograph.file}: {warning}" for warning in found.photo.warnings]
        for (path, making), data in zip(makings(person.photograph).items(), found.files, strict=True):
            made.write(path, data, making=making)
    height, width = rules.pixels
    size = {"width": width, "height": height, "dpi": settings.dpi, "source": rules.size.source}
    lines = [*_lights(heads), *(_table(heads, rules=rules) if settings.check else ())]
    return photos.result_of(made, given=given, lines=lines, size=size, heads=heads)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """The photo of one photograph, or why there is none; its files, in the order of `_makings`, and what is told."""

    photo: IdPhoto | BadRecord
    files: list[bytes]
    told: dict[str, Any]


def _makings(
    one: Photograph, *, recorded: Mapping[str, Any], settings: IdphotoFlags, file: Path | None
) -> dict[Path, Making]:
    """Return the files of a photograph, the photo last, so that one that is there has the others."""
    from pipelines.photos.made_files import Making

    photo = file or settings.out / f"{one.name}.jpg"
    plain = Making(command="idphoto", sources=(one.file,), settings=recorded)
    found = {}
    if settings.sheet is not None:
        found[photo.with_name(f"{photo.stem}-sheet.jpg")] = replace(
            plain, settings={**recorded, "sheet": settings.sheet}
        )
    if settings.check:
        found[photo.with_name(f"{photo.stem}-check.png")] = plain
    return {**found, photo: plain}


def _rules(settings: IdphotoFlags) -> IdRules:
    from curation.photos.backdrop import colour_of
    from curation.photos.id_photo import IdRules
    from curation.photos.sizes import id_size

    size = id_size(settings.size, dpi=settings.dpi)
    return IdRules(
        size=size,
        pixels=size.in_pixels(settings.dpi),
        head=settings.head,
        space=settings.above,
        colour=colour_of(settings.colour),
        is_light_balanced=settings.light == "face",
    )


def _found(person: FoundPerson, *, finder: FaceFinder, rules: IdRules, settings: IdphotoFlags) -> _Found:
    """Return what becomes of one photograph."""
    from curation.photos.check_picture import check_picture
    from curation.photos.id_photo import id_photo
    from curation.photos.print_sheet import printable_jpeg, sheet_of
    from curation.photos.sizes import paper_size

    faces = finder.find(person.image)
    photo, measures = id_photo(
        person.image, alpha=person.alpha, faces=faces, rules=rules, file=str(person.photograph.file)
    )
    told: dict[str, Any] = {"measures": [_told(one) for one in measures]}
    if isinstance(photo, BadRecord):
        return _Found(photo=photo, files=[], told={**told, "refused": photo.reason})
    files = []
    if settings.sheet is not None:
        sheet, _ = sheet_of(photo.picture, paper=paper_size(settings.sheet, dpi=settings.dpi), dpi=settings.dpi)
        files.append(printable_jpeg(sheet, dpi=settings.dpi))
    if settings.check:
        files.append(encode_image(check_picture(photo.picture, lines=photo.lines, size=rules.size)))
    files.append(printable_jpeg(photo.picture, dpi=settings.dpi, max_kb=settings.max_kb))
    told |= {"warnings": list(photo.warnings), "bytes": len(files[-1])}
    if photo.light is not None:
        told["light"] = asdict(photo.light) | {"told": list(photo.light.lines())}
    return _Found(photo=photo, files=files, told=told)


def _told(measure: Measure) -> dict[str, Any]:
    limits = {"least": measure.least, "most": measure.most, "limits": measure.limits}
    return {
        "name": measure.name,
        "value": round(measure.value, 4),
        "unit": measure.unit,
        **limits,
        "is_met": measure.is_met,
    }


def _lights(heads: Mapping[str, Any]) -> list[str]:
    """Return what was done to the light of each photograph."""
    return [f"  {file}: {line}" for file, told in heads.items() if "light" in told for line in told["light"]["told"]]


def _table(heads: Mapping[str, Any], *, rules: IdRules) -> list[str]:
    """Return what was measured in each photograph, with what is allowed."""
    from curation.photos.check_picture import check_lines

    lines = [f"  limits: {rules.size.source}"]
    for file, told in heads.items():
        lines.append(f"  {file}: {told['refused']}" if "refused" in told else f"  {file}: within the limits")
        lines += [f"    {line}" for line in check_lines(told["measures"])]
    return lines
