"""`curate demo`: the main job on sample data, started from nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigurationProblem
from curation.sample_data import SCENES, write_aifenge_sample, write_coco_sample
from pipelines.aifenge import AifengeFlags, aifenge
from pipelines.coco_background import CocoBackgroundFlags, coco_background
from pipelines.coco_person import CocoPersonFlags, coco_person
from pipelines.gallery import GalleryFlags, gallery
from pipelines.options import Result, RunOptions, setting

FEWEST: Final = len(SCENES)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFlags:
    """The flags of `curate demo`."""

    out: Path = setting("Folder for the sample sources and what is made of them.", default=Path("demo"), metavar="DIR")
    images: int = setting("Images in each sample source.", default=24, metavar="N")


def demo(settings: DemoFlags, *, run: RunOptions) -> Result:
    """Do the main job on sample data: drawn people on real photographs, laid out as COCO and as AiFenGe.

    Some of the samples are broken on purpose, so that you see what becomes of them.

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
    parts = [
        f"Sample sources: {settings.images} images as COCO, {settings.images} as AiFenGe, in {out / 'sources'}",
        *(result.summary for result in (*made.values(), shown)),
        _next_steps(folders, out=out),
    ]
    data: dict[str, Any] = {"out": str(out), "gallery": str(page)}
    data |= {name: result.data for name, result in made.items()}
    return Result(
        summary="\n\n".join(parts), data=data, warnings=tuple(w for r in (*made.values(), shown) for w in r.warnings)
    )


def _next_steps(folders: dict[str, Path], *, out: Path) -> str:
    return f"""Next (curate is in .venv/bin after make demo):
  open {out / "gallery.html"} in a browser
  curate stats {folders["portraits"]} --verify
  curate merge {folders["persons"]} {folders["portraits"]} --out {out / "training"}
  curate split {out / "training"} --val 0.2 --test 0.2
  curate coco-person --annotations instances_train2017.json --images train2017 --out D   (your own data)"""
