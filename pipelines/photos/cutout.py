"""`curate cutout`: people cut out of photographs, transparent or on a new background."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from pipelines.command_line.options import Result, RunOptions, setting

if TYPE_CHECKING:
    from pipelines.photos.photographs import Photograph

QUALITY: Final = 95
"""Of the JPEGs that are written; at 95 nothing is seen of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoutFlags:
    """What to cut out, with which model, and what to put behind it."""

    images: tuple[Path, ...] = setting("Image files, and folders of them.", positional=True, metavar="IMAGE...")
    model: Path = setting(
        "The model: a run folder of `curate train`, or an ONNX, TFLite or TensorFlow model with its card beside it."
    )
    background: str = setting(
        "transparent, a colour (white, blue, red, #RRGGBB, ...), or an image, which is cropped to fit.",
        default="transparent",
    )
    out: Path = setting("Folder for the results; of one image, also the file to write.", default=Path("cutouts"))
    edge: Literal["none", "guided", "matting"] | None = setting(
        "The edge as predicted, drawn to the edges of the photograph by a guided filter (fast), or matted (finest).  "
        "[default: none]",
        default=None,
    )
    refine: bool = setting("The same as --edge matting.", default=False)

    def __post_init__(self) -> None:
        """Refuse two words for two things."""
        if self.refine and self.edge not in {None, "matting"}:
            raise click.UsageError(f"--refine is --edge matting, and --edge {self.edge} is given too; leave one out")

    @property
    def edge_to_make(self) -> Literal["none", "guided", "matting"]:
        """Return the edge that both flags ask for."""
        return self.edge or ("matting" if self.refine else "none")

    @property
    def recorded_edge(self) -> dict[str, Any]:
        """Return how the record of files tells the edge; `refine` is what it told before there was a choice."""
        edge = self.edge_to_make
        return {"refine": edge == "matting"} | ({"edge": edge} if edge == "guided" else {})


def cutout(settings: CutoutFlags, *, run: RunOptions) -> Result:
    """Cut people out of photographs: PNG with transparency, or JPEG on a new background.

    The alpha of a model that gives one (`output: alpha`) is taken as it is; a probability gets a steeper edge.
    In the soft edge the person's own colours are estimated, so that nothing of the old background is left. Photographs
    come out as they are displayed; what else a camera stored with them, such as the place, is not written. A result
    that exists already, made from the same photograph with the same settings, is kept; anything else under its name is
    never overwritten without --overwrite. Files that are broken or show nobody are reported, and the others are done.

    \b
    Examples: curate cutout photo.jpg --model runs/unet
              curate cutout photo.jpg --model runs/unet --out cut.png
              curate cutout holiday/ --model sinet.onnx --background beach.jpg --edge matting --out beach
    """
    from curation.images.pixels import encode_image
    from curation.photos.backdrop import laid_on, read_backdrop
    from curation.storage.files import fingerprint_file
    from pipelines.photos import photographs as photos
    from pipelines.photos.made_files import MadeFiles, Making, settings_with_model

    backdrop = read_backdrop(settings.background)
    given = photos.photographs(settings.images, limit=run.limit)
    suffixes = (".png",) if backdrop.is_transparent else (".jpg", ".jpeg", ".png")
    file = photos.file_named(settings.out, given=given, suffixes=suffixes)
    if run.dry_run:
        return photos.dry_run_result(given, command="cutout", out=settings.out)
    made = MadeFiles(command="cutout", out=settings.out, overwrite=run.overwrite, broken=given.broken)
    model = photos.ready_model(settings.model, chosen=given.chosen, run=run)
    behind = backdrop.colour if backdrop.picture is None else fingerprint_file(Path(settings.background))
    recorded = settings_with_model(model, settings={"background": behind, **settings.recorded_edge})

    def makings(one: Photograph) -> dict[Path, Making]:
        making = Making(command="cutout", sources=(one.file,), settings=recorded)
        return {file or settings.out / f"{one.name}{suffixes[0]}": making}

    waiting = photos.waiting_for(given.chosen, made=made, makings=makings)
    people = photos.people_in(waiting, model=model, edge=settings.edge_to_make, run=run, name="cutout")
    for person in photos.sound(people, made=made):
        cut = laid_on(person.image, alpha=person.alpha, backdrop=backdrop)
        for path, making in makings(person.photograph).items():
            quality = None if path.suffix.lower() == ".png" else QUALITY
            made.write(path, encode_image(cut, quality=quality), making=making)
    return photos.result_of(made, given=given)
