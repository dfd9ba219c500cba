"""`curate cutout`: people cut out of photographs, transparent or on a new background."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.options import Result, RunOptions, setting

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
    out: Path = setting("Folder for the results.", default=Path("cutouts"), metavar="DIR")
    refine: bool = setting("Matte the edge that the model predicts: finer, and slower.", default=False)


def cutout(settings: CutoutFlags, *, run: RunOptions) -> Result:
    """Cut people out of photographs: PNG with transparency, or JPEG on a new background.

    In the soft edge the person's own colours are estimated, so that nothing of the old background is left. Photographs
    come out as they are displayed; what else a camera stored with them, such as the place, is not written. Results
    that are there already are left. Files that are broken or show nobody are told, and the rest is done.

    \b
    Examples: curate cutout photo.jpg --model runs/unet
              curate cutout holiday/ --model sinet.onnx --background beach.jpg --refine --out beach
    """
    from curation.backdrop import laid_on, read_backdrop
    from curation.pixels import encode_image
    from pipelines.photographs import Written, people_in, photographs, ready_model, sound, told

    backdrop = read_backdrop(settings.background)
    chosen, broken = photographs(settings.images, limit=run.limit)
    if run.dry_run:
        return told(chosen, command="cutout", out=settings.out, broken=broken)
    written = Written(command="cutout", out=settings.out, overwrite=run.overwrite)
    written.broken += broken
    suffix = ".png" if backdrop.is_transparent else ".jpg"
    waiting = written.waiting(chosen, suffix=suffix)
    model = ready_model(settings.model, chosen=waiting, run=run)
    for person in sound(
        people_in(waiting, model=model, refine=settings.refine, run=run, name="cutout"), written=written
    ):
        picture = laid_on(person.image, alpha=person.alpha, backdrop=backdrop)
        data = encode_image(picture, quality=None if backdrop.is_transparent else QUALITY)
        written.write(written.path(person.photograph, suffix=suffix), data)
    return written.result()
