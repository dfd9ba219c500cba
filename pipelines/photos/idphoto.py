"""`curate idphoto`: ID photos by size, colour and file size, and sheets to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.quarantine import BadRecord
from pipelines.command_line.options import Result, RunOptions, setting

if TYPE_CHECKING:
    from curation.photos.id_photo import IdRules
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
    refine: bool = setting("Matte the edge that the model predicts: finer, and slower.", default=False)

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
    """Make ID photos: the head at the required height, a plain background, an exact size in pixels, and the dpi.

    The head is found from the outline of the person, so it should be seen from the front, upright, with space above.
    Where no neck is seen, a warning says so, and the width of the head gives its height. A head that is cut off, or too
    small, is refused with the reason. Rules of offices differ: compare the result with those that apply.

    \b
    Examples: curate idphoto me.jpg --model runs/unet --size schengen --sheet 4x6in
              curate idphoto staff/ --model sinet.onnx --size 295x413px --colour blue --max-kb 60
    """
    from curation.photos.sizes import paper_size
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
    shape = {**asdict(rules), "dpi": settings.dpi, "max_kb": settings.max_kb, "refine": settings.refine}
    makings = partial(_makings, recorded=settings_with_model(model, settings=shape), settings=settings, file=file)
    waiting = photos.waiting_for(given.chosen, made=made, makings=makings)
    heads: dict[str, Any] = {}
    people = photos.people_in(
        waiting, model=model, edge="matting" if settings.refine else "none", run=run, name="idphoto"
    )
    for person in photos.sound(people, made=made):
        try:
            pictures, head = _pictures(person, rules=rules, settings=settings)
        except BadRecord as problem:
            made.broken.append(problem)
            continue
        heads[str(person.photograph.file)] = head
        made.warnings += [f"{person.photograph.file}: {warning}" for warning in head["warnings"]]
        for (path, making), data in zip(makings(person.photograph).items(), pictures, strict=True):
            made.write(path, data, making=making)
    height, width = rules.size
    return photos.result_of(
        made, given=given, size={"width": width, "height": height, "dpi": settings.dpi}, heads=heads
    )


def _makings(
    one: Photograph, *, recorded: Mapping[str, Any], settings: IdphotoFlags, file: Path | None
) -> dict[Path, Making]:
    """Return the files of a photograph, the sheet first, so that a photo that is there has one."""
    from pipelines.photos.made_files import Making

    found = {}
    photo = file or settings.out / f"{one.name}.jpg"
    if settings.sheet is not None:
        more = {**recorded, "sheet": settings.sheet}
        found[photo.with_name(f"{photo.stem}-sheet.jpg")] = Making(
            command="idphoto", sources=(one.file,), settings=more
        )
    found[photo] = Making(command="idphoto", sources=(one.file,), settings=recorded)
    return found


def _rules(settings: IdphotoFlags) -> IdRules:
    from curation.photos.backdrop import colour_of
    from curation.photos.id_photo import IdRules
    from curation.photos.sizes import id_size

    size = id_size(settings.size, dpi=settings.dpi)
    return IdRules(
        size=size.in_pixels(settings.dpi),
        head=size.head if settings.head is None else settings.head,
        above=size.above if settings.above is None else settings.above,
        colour=colour_of(settings.colour),
    )


def _pictures(person: FoundPerson, *, rules: IdRules, settings: IdphotoFlags) -> tuple[list[bytes], dict[str, Any]]:
    """Return the files of one photograph, the sheet first, and what is known of the head."""
    from curation.photos.id_photo import id_photo
    from curation.photos.print_sheet import printable_jpeg, sheet_of
    from curation.photos.sizes import paper_size

    photo = id_photo(person.image, alpha=person.alpha, rules=rules, file=str(person.photograph.file))
    pictures = []
    if settings.sheet is not None:
        sheet, _ = sheet_of(photo.picture, paper=paper_size(settings.sheet, dpi=settings.dpi), dpi=settings.dpi)
        pictures.append(printable_jpeg(sheet, dpi=settings.dpi))
    pictures.append(printable_jpeg(photo.picture, dpi=settings.dpi, max_kb=settings.max_kb))
    told = {"head": round(photo.head, 3), "warnings": list(photo.warnings), "bytes": len(pictures[-1])}
    return pictures, told
