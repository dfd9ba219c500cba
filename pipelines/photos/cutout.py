"""`curate cutout`: people cut out of photographs, transparent or on a new background."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from pipelines.command_line.options import Result, RunOptions, setting

if TYPE_CHECKING:
    from curation.photos.persons import Wanted
    from pipelines.photos.photographs import Photograph

STDIN: Final = Path("-")
OUT: Final = Path("cutouts")


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoutFlags:
    """What to cut out, with which model, and what to put behind it."""

    images: tuple[Path, ...] = setting(
        "Image files, and folders of them; - reads one image from stdin, and writes the result to stdout.",
        positional=True,
        metavar="IMAGE...",
    )
    model: Path = setting(
        "The model: a run folder of `curate train`, or an ONNX, TFLite or TensorFlow model with its card beside it."
    )
    background: str = setting(
        "transparent, a colour (white, blue, red, #RRGGBB, ...), or an image, which is cropped to fit.",
        default="transparent",
    )
    person: str = setting(
        "Of several persons who do not touch: all, the largest, or one by number from left to right.",
        default="all",
        metavar="largest|all|N",
    )
    out: Path = setting("Folder for the results; of one image, also the file to write.", default=OUT)
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
        if self.person not in {"all", "largest"} and not (self.person.isascii() and self.person.isdecimal()):
            raise click.UsageError(f"--person {self.person} is none of largest, all, and a number such as 2")
        if self.person.isdecimal() and int(self.person) < 1:
            raise click.UsageError("--person 0 is nobody; the first person from the left is 1")
        if self.is_piped and len(self.images) > 1:
            raise click.UsageError("- reads one image from stdin; leave out the others")
        if self.is_piped and self.out != OUT:
            raise click.UsageError(f"the result of - goes to stdout; leave out --out {self.out}")

    @property
    def edge_to_make(self) -> Literal["none", "guided", "matting"]:
        """Return the edge that both flags ask for."""
        return self.edge or ("matting" if self.refine else "none")

    @property
    def wanted(self) -> Wanted:
        """Return which persons are wanted."""
        if self.person.isdecimal():
            return int(self.person)
        return "largest" if self.person == "largest" else "all"

    @property
    def is_piped(self) -> bool:
        """Tell whether the image comes from stdin, and the result goes to stdout."""
        return STDIN in self.images

    @property
    def recorded(self) -> dict[str, Any]:
        """Return how the record of files tells edge and persons, in the words of before there was a choice."""
        edge = self.edge_to_make
        choices = {"edge": edge} if edge == "guided" else {}
        return {"refine": edge == "matting"} | choices | ({} if self.person == "all" else {"person": self.person})


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
              curate cutout - --model runs/unet --person largest < photo.jpg > cut.png
    """
    from curation.images.pixels import encode_image
    from curation.photos.backdrop import laid_on, read_backdrop
    from curation.storage.files import fingerprint_file
    from pipelines.photos import photographs as photos
    from pipelines.photos.kinds import QUALITY
    from pipelines.photos.made_files import MadeFiles, Making, settings_with_model

    backdrop = read_backdrop(settings.background)
    if settings.is_piped:
        from pipelines.photos.piped_cutout import piped_cutout

        return piped_cutout(
            settings.model, edge=settings.edge_to_make, wanted=settings.wanted, backdrop=backdrop, run=run
        )
    given = photos.photographs(settings.images, limit=run.limit)
    suffixes = (".png",) if backdrop.is_transparent else (".jpg", ".jpeg", ".png")
    file = photos.file_named(settings.out, given=given, suffixes=suffixes)
    if run.dry_run:
        return photos.dry_run_result(given, command="cutout", out=settings.out)
    made = MadeFiles(command="cutout", out=settings.out, overwrite=run.overwrite, broken=given.broken)
    model = photos.ready_model(settings.model, chosen=given.chosen, run=run)
    behind = backdrop.colour if backdrop.picture is None else fingerprint_file(Path(settings.background))
    recorded = settings_with_model(model, settings={"background": behind, **settings.recorded})

    def makings(one: Photograph) -> dict[Path, Making]:
        making = Making(command="cutout", sources=(one.file,), settings=recorded)
        return {file or settings.out / f"{one.name}{suffixes[0]}": making}

    waiting = photos.waiting_for(given.chosen, made=made, makings=makings)
    people = photos.people_in(waiting, model=model, edge=settings.edge_to_make, run=run, name="cutout")
    for person in photos.sound(photos.wanted_of(people, wanted=settings.wanted), made=made):
        cut = laid_on(person.image, alpha=person.alpha, backdrop=backdrop)
        for path, making in makings(person.photograph).items():
            quality = None if path.suffix.lower() == ".png" else QUALITY
            made.write(path, encode_image(cut, quality=quality), making=making)
    return photos.result_of(made, given=given)
