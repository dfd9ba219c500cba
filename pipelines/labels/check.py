"""`curate label check`: do masks survive the way to Label Studio and back?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.labels.server import PATIENCE, SERVER_FOLDER, connected

REFUSED: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFlags:
    """Which server, and how pictures reach it."""

    images: Literal["auto", "local", "upload"] = setting(
        "How pictures reach the browser: a folder of our own server, or an upload.", default="auto"
    )
    folder: Path | None = setting(SERVER_FOLDER, default=None, metavar="DIR")
    patience: float = setting(PATIENCE, default=60.0, metavar="S")


def check(settings: CheckFlags, *, run: RunOptions) -> Result:
    """Send difficult masks to a project of their own, submit them, take them back and compare each pixel.

    Holes, several parts, lines of one pixel, odd sizes, a photograph turned by its EXIF. The project is deleted again.

    \b
    Example:  curate label check
    """
    from labeling.label_tools.label_studio.check_round_trip import check_server, draw_probes
    from labeling.label_tools.label_studio.project.tasks import prediction_of
    from labeling.label_tools.label_studio.push.second_opinion import sdk_objections

    with connected(settings.folder, patience_s=settings.patience) as client:
        found = check_server(client, images=settings.images)
        url = client.access.url
    objections = sdk_objections(prediction_of(draw_probes()[0].mask, model_version="probe", score=0.5))
    broken = [one for one in found if not one.is_equal]
    lines = [f"{url}: {len(found) - len(broken)} of {len(found)} probes came back equal to the pixel"]
    lines += [f"  {'equal' if one.is_equal else 'OTHER'}  {one.name:<12} {one.reason}" for one in found]
    lines.append(f"  Label Studio's SDK accepts label config and pre-annotation: {'; '.join(objections) or 'yes'}")
    data = {"command": "label check", "url": url, "probes": [asdict(one) for one in found], "broken": len(broken)}
    return Result(
        summary="\n".join(lines),
        data=data | {"sdk_objections": objections},
        exit_code=REFUSED if broken or objections else 0,
    )
