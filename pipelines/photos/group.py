"""`curate group`: several people on one background."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from curation.errors import ConfigurationProblem, InputRefused
from curation.quarantine import BadRecord, Code
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import tell

if TYPE_CHECKING:
    from curation.photos.backdrop import Backdrop
    from curation.photos.group_layout import Arrangement
    from curation.photos.group_member import Member
    from models.faces.protocol import FaceFinder
    from pipelines.photos.made_files import MadeFiles
    from pipelines.photos.photographs import FoundPerson, Photograph

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
        "Width x height in pixels.  [default: the background image's; on a colour, the part of 1920x1080 with people]",
        default=None,
        metavar="WxH",
    )
    alike: Literal["auto", "head", "body"] = setting(
        "What is made equal in height; auto takes bodies where all feet are visible.", default="auto"
    )
    rows: int | None = setting(
        "Rows in which people stand.  [default: as many, up to 3, as make heads largest]", default=None, metavar="N"
    )
    keep_light: bool = setting(
        "Do not bring the light on the faces to one level, nor nearer to that of a background image.", default=False
    )
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

    def __post_init__(self) -> None:
        """Refuse numbers of rows that hold nobody."""
        if self.rows is not None and self.rows < 1:
            raise click.UsageError(f"--rows {self.rows} holds nobody; give 1 or more")


def group(settings: GroupFlags, *, run: RunOptions) -> Result:
    """Place people from several photographs on one background.

    Heads are made alike by their faces, or bodies by their height. People stand in rows, each in the order in which
    they are given, so near to one another that shoulders overlap and every face is in sight; who is seen furthest down
    stands at the back. Bodies are cut off by the picture's edge alone: whom the photograph cuts off elsewhere, and
    nobody in front hides, is left out, with the reason. The light on the faces is brought to one level, and with a
    background image a little nearer to its light. The background is cropped to its frame, never stretched.

    \b
    Example:  curate group ann.jpg bob.jpg --model runs/unet --background garden.jpg --out together.jpg
    """
    from curation.images.pixels import encode_image
    from curation.photos.backdrop import filled, read_backdrop
    from curation.photos.group_light import in_one_light
    from curation.photos.group_picture import group_picture
    from models.prediction.face_finder import face_finder
    from pipelines.photos.made_files import MadeFiles, Making, settings_with_model
    from pipelines.photos.photographs import dry_run_result, people_in, photographs, ready_model, result_of, sound

    backdrop = read_backdrop(settings.background)
    frame = _frame(settings, backdrop=backdrop)
    given = photographs(settings.images, limit=run.limit)
    if run.dry_run:
        return dry_run_result(given, command="group", out=settings.out)
    made = MadeFiles(command="group", out=settings.out, overwrite=run.overwrite, broken=given.broken)
    model = ready_model(settings.model, chosen=given.chosen, run=run)
    finder = face_finder(settings.faces, tell=partial(tell, run=run))
    edge = settings.edge or ("none" if model.gives_alpha else "matting")
    shape = _recorded(settings, backdrop=backdrop, frame=frame) | {"faces": finder.sha256, "edge": edge}
    recorded = settings_with_model(model, settings=shape)
    making = Making(command="group", sources=tuple(one.file for one in given.chosen), settings=recorded)
    if not made.is_waiting({settings.out: making}):
        made.refuse_conflicts_alone(chosen=1)
        return result_of(made, given=given)
    people = people_in(given.chosen, model=model, edge=edge, run=run, name="group")
    files, members = _members(
        sound(people, made=made), most_head=_most_head(frame, people=given.chosen), finder=finder, made=made
    )
    found, frame = _arranged(members, frame=frame, is_given=shape["size"] is not None, settings=settings)
    _tell_left_out(found, files=files, made=made)
    if not settings.keep_light:
        members = in_one_light(members, background=backdrop.picture)
    behind_them, has_ground = filled(backdrop, size=frame), backdrop.picture is not None
    picture = group_picture(members, places=found.places, background=behind_them, with_shadows=has_ground)
    quality = None if settings.out.suffix == ".png" else QUALITY
    made.write(settings.out, encode_image(picture, quality=quality), making=making)
    return result_of(made, given=given, people=len(found.places), rows=found.rows)


def _arranged(
    members: Sequence[Member], *, frame: tuple[int, int], is_given: bool, settings: GroupFlags
) -> tuple[Arrangement, tuple[int, int]]:
    """Return where people go, and the frame: the one that is given, else as much of it as they need."""
    from curation.photos.group_layout import arranged, arranged_closely

    if is_given:
        return arranged(members, size=frame, alike=settings.alike, rows=settings.rows), frame
    return arranged_closely(members, size=frame, alike=settings.alike, rows=settings.rows)


def _recorded(settings: GroupFlags, *, backdrop: Backdrop, frame: tuple[int, int]) -> dict[str, Any]:
    """Return what the record of a picture tells of its making; the size is None where it follows from the people."""
    from curation.storage.files import fingerprint_file

    is_colour = backdrop.picture is None
    behind = backdrop.colour if is_colour else fingerprint_file(Path(settings.background))
    told = {name: getattr(settings, name) for name in ("alike", "rows", "keep_light")}
    return told | {"background": behind, "size": None if is_colour and settings.size is None else frame}


def _tell_left_out(found: Arrangement, *, files: Sequence[str], made: MadeFiles) -> None:
    """Note who has no place; raises InputRefused where nobody has."""
    for index, why in found.left_out.items():
        made.broken.append(BadRecord(Code.UNSUITABLE, why.reason, file=files[index], hint=why.remedy))
    if not found.places:
        first = made.broken[0]
        raise InputRefused(f"nobody is left for the picture; {first.reason}", where=first.file, remedy=first.hint)


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


def _most_head(frame: tuple[int, int], *, people: Sequence[Photograph]) -> int:
    """Return the height in pixels of the largest head that a picture of so many can have: it bounds the memory."""
    from curation.photos.group_layout import LARGEST_HEAD, MOST_ROWS

    return 1 + round(min(LARGEST_HEAD * frame[0], MOST_ROWS * frame[1] / len(people)))


def _members(
    people: Iterator[FoundPerson], *, most_head: int, finder: FaceFinder, made: MadeFiles
) -> tuple[list[str], list[Member]]:
    """Return the files and the people who can be in the picture; why others cannot is noted in `made`."""
    from curation.photos.group_member import member_of

    files, members = [], []
    for person in people:
        file = str(person.photograph.file)
        faces = finder.find(person.image)
        try:
            member = member_of(person.image, alpha=person.alpha, most_head=most_head, faces=faces, file=file)
        except BadRecord as problem:
            made.broken.append(problem)
            continue
        files.append(file)
        members.append(member)
        made.warnings += [f"{file}: {warning}" for warning in member.warnings]
    return files, members
