"""`curate cutout`: people cut out of photographs, transparent or on a new background."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipelines.options import Result, RunOptions, setting

if TYPE_CHECKING:
    from pipelines.photographs import Photograph

QUALITY: Final = 95
"""Of the JPEGs that are written; at 95 nothing is seen of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoutFlags:
    """What to cut out, with which model, and what to put behind it."""

    images: tuple[Path, ...] = setting("Image files, and folders of them.", positional=True, metavar="IMAGE...")
    model: Path = setting("The model: a run folder of `curate train`, or an ONNX file with its card beside it.")
    background: str = setting(
        "transparent, a colour (white, blue, red, #RRGGBB, ...), or an image, which is cropped to fit.",
        default="transparent",
    )
    out: Path = setting("Folder for the results; of one image, also the file to write.", default=Path("cutouts"))
    refine: bool = setting("Matte the edge that the model predicts: finer, and slower.", default=False)


def cutout(settings: CutoutFlags, *, run: RunOptions) -> Result:
    """Cut people out of photographs: PNG with transparency, or JPEG on a new background.

    In the soft edge the person's own colours are estimated, so that nothing of the old background is left. Photographs
    come out as they are displayed; what else a camera stored with them, such as the place, is not written. A result
    that is there already, made from the same photograph with the same settings, is left; anything else under its name
    is never written over without --overwrite. Files that are broken or show nobody are told, and the rest is done.

    \b
    Examples: curate cutout photo.jpg --model runs/unet
              curate cutout photo.jpg --model runs/unet --out cut.png
              curate cutout holiday/ --model sinet.onnx --background beach.jpg --refine --out beach
    """
    from curation.backdrop import laid_on, read_backdrop
    from curation.files import fingerprint_file
    from curation.pixels import encode_image
    from pipelines.made_files import MadeFiles, Making, settings_with_model
    from pipelines.photographs import (
        file_named,
        people_in,
        photographs,
        ready_model,
        result_of,
        sound,
        told,
        waiting_for,
    )

    backdrop = read_backdrop(settings.background)
    given = photographs(settings.images, limit=run.limit)
    suffixes = (".png",) if backdrop.is_transparent else (".jpg", ".jpeg", ".png")
    file = file_named(settings.out, given=given, suffixes=suffixes)
    if run.dry_run:
        return told(given, command="cutout", out=settings.out)
    made = MadeFiles(command="cutout", out=settings.out, overwrite=run.overwrite, broken=given.broken)
    model = ready_model(settings.model, chosen=given.chosen, run=run)
    behind = backdrop.colour if backdrop.picture is None else fingerprint_file(Path(settings.background))
    shape = {"background": behind, "refine": settings.refine}
    recorded = settings_with_model(model, settings=shape)

    def makings(one: Photograph) -> dict[Path, Making]:
        making = Making(command="cutout", sources=(one.file,), settings=recorded)
        return {file or settings.out / f"{one.name}{suffixes[0]}": making}

    waiting = waiting_for(given.chosen, made=made, makings=makings)
    people = people_in(waiting, model=model, refine=settings.refine, run=run, name="cutout")
    for person in sound(people, made=made):
        cut = laid_on(person.image, alpha=person.alpha, backdrop=backdrop)
        for path, making in makings(person.photograph).items():
            quality = None if path.suffix.lower() == ".png" else QUALITY
            made.write(path, encode_image(cut, quality=quality), making=making)
    return result_of(made, given=given)
