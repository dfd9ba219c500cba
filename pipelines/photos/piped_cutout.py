"""`curate cutout -`: an image from stdin, its persons to stdout, so that the command stands in a pipe."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from curation.errors import ConfigurationProblem, InputRefused
from curation.images.pixels import encode_image
from curation.photos.backdrop import Backdrop, laid_on
from curation.photos.persons import Wanted
from curation.quarantine import BadRecord
from curation.storage.files import write_bytes
from models.prediction.edges import Edge
from pipelines.command_line.options import Result, RunOptions
from pipelines.command_line.verb_command import KEPT_STDOUT
from pipelines.photos import photographs as photos
from pipelines.photos.kinds import QUALITY

WHERE: Final = "standard input"
LARGEST_BYTES: Final = 1 << 30
"""No photograph is larger; an endless stream is not taken into memory."""


def piped_cutout(model: Path, *, edge: Edge, wanted: Wanted, backdrop: Backdrop, run: RunOptions) -> Result:
    """Return the result whose output is the picture: PNG where it is transparent, else JPEG.

    Raises ConfigurationProblem: --json, or stdin or stdout is a terminal; InputRefused: no image, or nobody in it.
    """
    if run.json:
        raise ConfigurationProblem(
            "--json and - both want stdout", remedy="leave out --json, or name a file instead of -"
        )
    _refuse_terminals(is_dry=run.dry_run)
    data = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    if not data or len(data) > LARGEST_BYTES:
        reason = "nothing came in" if not data else f"more than {LARGEST_BYTES:,} bytes came in"
        raise InputRefused(reason, where=WHERE, remedy="send one image, such as < photo.jpg")
    told = {"command": "cutout", "image": WHERE, "bytes": len(data), "dry_run": run.dry_run}
    if run.dry_run:
        return Result(summary=f"{WHERE}: {len(data):,} bytes would be read (dry run)", data=told)
    with tempfile.TemporaryDirectory(prefix="curate-cutout-") as folder:
        file = Path(folder) / "stdin"
        write_bytes(file, data)
        found = _found(file, model=model, edge=edge, wanted=wanted, run=run)
    picture = laid_on(found.image, alpha=found.alpha, backdrop=backdrop)
    output = encode_image(picture, quality=None if backdrop.is_transparent else QUALITY)
    height, width = found.alpha.shape
    kind = "PNG" if backdrop.is_transparent else "JPEG"
    summary = f"{WHERE}: cut out, {width} x {height}, {len(output):,} bytes of {kind} to stdout"
    return Result(
        summary=summary,
        data={**told, "width": width, "height": height},
        warnings=tuple(f"{WHERE}: {note}" for note in found.notes),
        output=output,
    )


def _refuse_terminals(*, is_dry: bool) -> None:
    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigurationProblem("- reads an image from stdin, which is a terminal", remedy="send one: < photo.jpg")
    if KEPT_STDOUT and os.isatty(KEPT_STDOUT[-1]) and not is_dry:
        raise ConfigurationProblem("- writes an image to stdout, which is a terminal", remedy="send it on: > cut.png")


def _found(file: Path, *, model: Path, edge: Edge, wanted: Wanted, run: RunOptions) -> photos.FoundPerson:
    chosen = [photos.Photograph(file=file, name=file.name)]
    ready = photos.ready_model(model, chosen=chosen, run=run)
    people = photos.people_in(chosen, model=ready, edge=edge, run=run, name="cutout")
    (found,) = photos.wanted_of(people, wanted=wanted)
    if isinstance(found, BadRecord):
        raise InputRefused(found.reason, where=WHERE, remedy=found.hint)
    return found
