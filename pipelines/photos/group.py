"""`curate group`: several people on one background."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from curation.errors import ConfigurationProblem, InputRefused
from curation.quarantine import BadRecord, Code
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import tell

if TYPE_CHECKING:
    from curation.photos.backdrop import Backdrop
    from curation.photos.group_picture import Member
    from models.faces.protocol import FaceFinder
    from pipelines.photos.made_files import MadeFiles
    from pipelines.photos.photographs import FoundPerson

QUALITY: Final = 95
FRAME: Final = (1080, 1920)
"""(height, width) in pixels where the background has no size of its own."""
SIZE: Final = re.compile(r"([0-9]{2,5})x([0-9]{2,5})")
MOST_SIDE_PX: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFlags:
    """The photographs, the background, and how the people are placed."""

    images: tuple[Path, ...] = setting(
        "Image files, and folders of them; the first stands at the left.", positional=True, metavar="IMAGE..."
    )
    model: Path = setting(
        "The model: a run folder of `curate train`, or an ONNX, TFLite or TensorFlow model with its card beside it."
    )
    background: str = setting("A colour (white, blue, #RRGGBB, ...), or an image.")
    out: Path = setting("The picture to write, .jpg or .png.", metavar="FILE")
    size: str | None = setting(
        "Width x height in pixels.  [default: the background image's, or 1920x1080]", default=None, metavar="WxH"
    )
    alike: Literal["auto", "head", "body"] = setting(
        "What is made equal in height; auto takes bodies where all feet are visible.", default="auto"
    )
    refine: bool = setting("Matte the edges that the model predicts: finer, and slower.", default=False)
    faces: Path | None = setting(
        "An ONNX model of faces with its card beside it.  [default: MediaPipe's face mesh, installed once]",
        default=None,
        metavar="FILE",
    )


def group(settings: GroupFlags, *, run: RunOptions) -> Result:
    """Place people from several photographs on one background.

    Heads are made alike by their faces, or bodies by their height, and spread evenly; feet stand on one ground, and who
    is cut off below is cut off by the picture's lower edge. Whom a side of the photograph cuts off can only stand first
    or last, at that edge of the picture; inside it such a photograph is left out, with the reason. The background is
    cropped to its frame, never stretched.

    \b
    Example:  curate group ann.jpg bob.jpg --model runs/unet --background garden.jpg --out together.jpg
    """
    from curation.images.pixels import encode_image
    from curation.photos.backdrop import filled, read_backdrop
    from curation.photos.group_picture import group_picture
    from curation.storage.files import fingerprint_file
    from models.faces.find_faces import face_finder
    from pipelines.photos.made_files import MadeFiles, Making, settings_with_model
    from pipelines.photos.photographs import dry_run_result, people_in, photographs, ready_model, result_of, sound

    backdrop = read_backdrop(settings.background)
    frame = _frame(settings, backdrop=backdrop)
    given = photographs(settings.images, limit=run.limit)
    if run.dry_run:
        return dry_run_result(given, command="group", out=settings.out)
    made = MadeFiles(command="group", out=settings.out, overwrite=run.overwrite, broken=given.broken)
    model = ready_model(settings.model, chosen=given.chosen, run=run)
    behind = backdrop.colour if backdrop.picture is None else fingerprint_file(Path(settings.background))
    finder = face_finder(settings.faces, tell=partial(tell, run=run))
    shape = {"background": behind, "size": frame, "alike": settings.alike, "refine": settings.refine}
    shape["faces"] = finder.sha256
    recorded = settings_with_model(model, settings=shape)
    making = Making(command="group", sources=tuple(one.file for one in given.chosen), settings=recorded)
    if not made.is_waiting({settings.out: making}):
        made.refuse_conflicts_alone(chosen=1)
        return result_of(made, given=given)
    people = people_in(given.chosen, model=model, edge="matting" if settings.refine else "none", run=run, name="group")
    members = _members(sound(people, made=made), frame=frame, finder=finder, made=made)
    if not members:
        first = made.broken[0]
        raise InputRefused(f"nobody is left for the picture; {first.reason}", where=first.file, remedy=first.hint)
    picture = group_picture(members, background=filled(backdrop, size=frame), alike=settings.alike)
    quality = None if settings.out.suffix == ".png" else QUALITY
    made.write(settings.out, encode_image(picture, quality=quality), making=making)
    return result_of(made, given=given, people=len(members))


def _frame(settings: GroupFlags, *, backdrop: Backdrop) -> tuple[int, int]:
    """Return (height, width) of the picture; raises ConfigurationProblem for what cannot be made."""
    if backdrop.is_transparent:
        raise ConfigurationProblem(
            "a group picture needs a background", remedy="give --background a colour or an image"
        )
    if settings.out.suffix not in {".jpg", ".jpeg", ".png"}:
        raise ConfigurationProblem(f"--out {settings.out} is no picture", remedy="give it the ending .jpg or .png")
    if settings.size is None:
        return FRAME if backdrop.picture is None else (backdrop.picture.shape[0], backdrop.picture.shape[1])
    found = SIZE.fullmatch(settings.size)
    if found is None or max(int(found[1]), int(found[2])) > MOST_SIDE_PX:
        raise ConfigurationProblem(
            f"--size {settings.size!r} is no size", remedy="give width x height, as in 1920x1080"
        )
    return int(found[2]), int(found[1])


def _members(
    people: Iterator[FoundPerson], *, frame: tuple[int, int], finder: FaceFinder, made: MadeFiles
) -> list[Member]:
    """Return the people who can stand beside each other; why others cannot is noted in `made`."""
    from curation.photos.group_picture import AT_THE_EDGE, member_of, without_cuts

    members: list[tuple[str, Member]] = []
    for person in people:
        file = str(person.photograph.file)
        faces = finder.find(person.image)
        try:
            member = member_of(person.image, alpha=person.alpha, most_height=frame[0], faces=faces, file=file)
        except BadRecord as problem:
            made.broken.append(problem)
            continue
        members.append((file, member))
        made.warnings += [f"{file}: {warning}" for warning in member.warnings]
    kept, reasons = without_cuts([member for _, member in members])
    for index, reason in reasons.items():
        made.broken.append(BadRecord(Code.UNSUITABLE, reason, file=members[index][0], hint=AT_THE_EDGE))
    return [members[index][1] for index in kept]
