"""`curate demo`: the main job on sample data, started from nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curation.errors import ConfigurationProblem
from curation.sources.demo_sources import SCENES, write_aifenge_sample, write_coco_sample
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import tell
from pipelines.datasets.gallery import GalleryFlags, gallery
from pipelines.sources.aifenge import AifengeFlags, aifenge
from pipelines.sources.coco_background import CocoBackgroundFlags, coco_background
from pipelines.sources.coco_person import CocoPersonFlags, coco_person

if TYPE_CHECKING:
    from pipelines.demonstration.loop import Story

FEWEST: Final = len(SCENES)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFlags:
    """The flags of `curate demo`."""

    out: Path = setting("Folder for the sample sources and what is made of them.", default=Path("demo"), metavar="DIR")
    images: int = setting("Images in each sample source.", default=48, metavar="N")
    no_loop: bool = setting("Only make the data: no training, no Label Studio.", default=False)
    no_labels: bool = setting("Go round the loop once, without Label Studio.", default=False)


def demo(settings: DemoFlags, *, run: RunOptions) -> Result:
    """Do the whole job on sample data, from nothing: drawn people on real photographs, laid out as COCO and as AiFenGe.

    It curates them, fuses portraits with backgrounds, and goes twice round the loop: a small network is trained, the
    images that it gets wrong are mined and loaded into FiftyOne, and those whose label looks wrong go to a Label Studio
    on this machine. There a script stands in for a person and submits the true masks. They come back, the network is
    trained again, and a report says whether it is better.

    Some images are broken, and some labels are wrong, on purpose, so that you see how they are handled.

    \b
    Example:  curate demo --out demo
    """
    if settings.images < FEWEST:
        raise ConfigurationProblem(
            f"--images {settings.images} is too few to show every kind of image", remedy=f"give {FEWEST} or more"
        )
    out = settings.out
    if run.dry_run:
        summary = (
            f"{out}: would hold {settings.images} drawn images as COCO, as many as AiFenGe, and what is made of them: "
            "persons, backgrounds, portraits and gallery.html (dry run, nothing is written)"
        )
        return Result(summary=summary, data={"out": str(out), "dry_run": True})
    tell(_what_comes(settings), run=run)
    annotations, pictures = write_coco_sample(out / "sources" / "coco", images=settings.images, seed=run.seed)
    cutouts = write_aifenge_sample(out / "sources" / "aifenge", images=settings.images, seed=run.seed)
    folders = {name: out / name for name in ("persons", "backgrounds", "portraits")}
    made = {
        "persons": coco_person(
            CocoPersonFlags(annotations=(annotations,), images=(pictures,), out=folders["persons"]), run=run
        ),
        "backgrounds": coco_background(
            CocoBackgroundFlags(annotations=(annotations,), images=(pictures,), out=folders["backgrounds"]), run=run
        ),
        "portraits": aifenge(AifengeFlags(root=cutouts, out=folders["portraits"]), run=run),
    }
    page = out / "gallery.html"
    shown = gallery(GalleryFlags(datasets=tuple(folders.values()), out=page), run=replace(run, limit=None))
    story = _loop(settings, folders=folders, run=run)
    parts = [
        f"Sample sources: {settings.images} images as COCO, {settings.images} as AiFenGe, in {out / 'sources'}",
        *(result.summary for result in (*made.values(), shown)),
        *story.lines,
        _next_steps(out, has_rounds="rounds" in story.data),
    ]
    data: dict[str, Any] = {"out": str(out), "gallery": str(page), **story.data}
    data |= {name: result.data for name, result in made.items()}
    return Result(
        summary="\n\n".join(parts), data=data, warnings=tuple(w for r in (*made.values(), shown) for w in r.warnings)
    )


def _what_comes(settings: DemoFlags) -> str:
    """Say what the demo will do, and about how long it takes, before it is silent for a while."""
    from pipelines.demonstration.loop import missing_packages

    begin = f"{settings.out}: drawing sample data and curating it, about half a minute"
    if settings.no_loop or missing_packages():
        return begin
    if settings.no_labels:
        return f"{begin}; then a second network and one round of the loop: about 3 minutes in all on 2 cores"
    return (
        f"{begin}; then a second network, Label Studio and two rounds of the loop: about 5 minutes in all on 2 cores, "
        "and longer the first time, when Label Studio is installed"
    )


def _loop(settings: DemoFlags, *, folders: dict[str, Path], run: RunOptions) -> Story:
    """Go round the loop, unless that was not asked for or packages are missing, which is said."""
    from pipelines.demonstration.loop import Story, demo_loop, missing_packages

    if settings.no_loop:
        return Story(lines=(), data={})
    if missing := missing_packages():
        told = f"The loop was left out: {', '.join(missing)} not installed; pip install 'portrait-curate[all]'"
        return Story(lines=(told,), data={})
    return demo_loop(settings.out, folders=folders, with_labels=not settings.no_labels, run=run)


def _next_steps(out: Path, *, has_rounds: bool) -> str:
    lines = ["Next (curate is in .venv/bin after make demo):", f"  open {out / 'gallery.html'} in a browser"]
    if has_rounds:
        lines += [
            f"  open {out / 'loop' / 'rounds' / 'index.html'}: every round, and its report",
            f"  curate browse {out / 'loop' / 'rounds' / '0001' / 'hard-cases'}",
            f"  curate retrain --config {out / 'loop.yaml'} --explain",
        ]
    lines.append(
        "  curate coco-person --annotations instances_train2017.json --images train2017 --out D   (your own data)"
    )
    return "\n".join(lines)
