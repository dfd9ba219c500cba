"""Every verb that works on many items gives them to the engine of its `RunOptions`; no result tells which it was."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import PIL.Image
import pytest

from curation.building.engine import Job, Lost, R, T
from pipelines.command_line.options import RunOptions
from pipelines.command_line.verbs import VERBS
from tests.drawn_videos import frame_with_person, write_video
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.command_line.test_verbs import call, draw
from tests.pipelines.commands import difference, tree
from tests.pipelines.photos.test_idphoto import faces_of_portraits, portrait
from tests.pipelines.photos.test_photographs import photo, saved

CALLED_BY_THEM: Final = {
    "retrain": "hands its RunOptions to label pull, train, evaluate, mine, label push and report",
    "ablate": "hands its RunOptions to train and evaluate",
    "simulate": "hands its RunOptions to a build and to predictions, made as mine makes them",
    "demo": "hands its RunOptions to the verbs that it shows",
}
"""Verbs that reach the engine through others."""
ELSEWHERE: Final = {
    "split": "changes a table alone",
    "browse": "threads turn masks into pictures for FiftyOne, whose files are on this machine",
    "browse pull": "writes tags into a table",
    "label serve": "starts a server",
    "label push": "one model sees the images that are chosen among, in this process; the rest waits for the server",
    "label pull": "waits for the server, and each label is decoded as it comes",
    "label undo": "changes a table alone",
    "label status": "asks the server",
    "label check": "some drawn masks travel to the server and back",
    "models": "lists networks",
    "train": "loaders of torch read samples again in each epoch, beside the device",
    "tune": "trains on one photograph",
    "registry": "asks MLflow",
    "schedule": "starts retrain as a command of its own",
    "schedule status": "reads a record",
    "init": "writes a configuration",
    "export": "one model",
    "benchmark": "times are of this machine, one model after the other",
    "doctor": "looks at this machine; with --engine ray each machine of the cluster is asked, and gets no work",
}
"""Verbs that do not reach the engine, and why."""


@dataclass(slots=True)
class Backwards:
    """An engine in this process that takes items one at a time, the last one first where no order is asked for."""

    jobs: list[int] = field(default_factory=list)

    def run(self, job: Job[T, R], items: Sequence[T]) -> Generator[tuple[int, R | Lost], None, None]:
        self.jobs.append(len(items))
        work = job.open(1)
        for place in range(len(items)) if job.keeps_order else reversed(range(len(items))):
            for result in work([items[place]]):
                yield place, result

    def close(self) -> None:
        """There is nothing to let go of."""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, Any]]:
    """Return the settings of each verb, without those for `out`; what they read is made."""
    folder = tmp_path_factory.mktemp("given")
    settings = draw(folder)
    for number in range(5):
        saved(folder / "photos" / f"{number}.png", photo(height=200 + 10 * number))
        red = np.asarray(photo(height=200 + 10 * number))[..., 0] > 0
        red[: 30 * number] = False  # the model is right, and these labels are more and more wrong
        saved(folder / "labels" / f"{number}.png", PIL.Image.fromarray(red))
    large, faces = saved(folder / "large.png", portrait(height=1200)), faces_of_portraits(folder / "faces.onnx")
    moving = write_video(folder / "moving.mp4", [frame_with_person(number)[0] for number in range(3)])
    model, photos, run = write_tiny_onnx(folder / "tiny.onnx"), folder / "photos", RunOptions(workers=0, quiet=True)
    call("coco-person", settings["coco-person"], run=run)
    reds = {"images": photos, "masks": folder / "labels", "out": folder / "reds"}
    call("pairs", reds, run=run)
    call("evaluate", {"model": model, "data": (folder / "reds",), "out": folder / "evaluated"}, run=run)
    call("images", {"root": photos, "out": folder / "pool"}, run=run)
    del settings["split"], settings["doctor"]
    return settings | {
        "images": {"root": photos},
        "duplicates": {"datasets": (folder / "reds",)},
        "check-backgrounds": {"dataset": folder / "reds", "model": model},
        "evaluate": {"model": model, "data": (folder / "reds",)},
        "mine": {"model": model, "data": (folder / "reds",), "threshold": 0.99},
        "prelabel": {"pool": (folder / "pool",), "teacher": (model,)},
        "report": {"run": folder / "evaluated"},
        "matte": {"source": folder / "reds", "from_masks": True},
        "cutout": {"images": (photos,), "model": model},
        "idphoto": {"images": (large,), "model": model, "faces": faces, "edge": "none"},
        "predict": {"inputs": (photos, moving), "model": model, "smooth": True},
        "group": {
            "images": (photos / "0.png", photos / "1.png"),
            "model": model,
            "background": "white",
            "faces": faces,
        },
    }


FILES: Final = {"gallery": "gallery.html", "report": "report.html", "group": "group.png"}
"""Verbs that write one file."""
WORKING: Final = sorted(VERBS.keys() - ELSEWHERE.keys() - CALLED_BY_THEM.keys())


NIGHTLY: Final = {"check-backgrounds", "evaluate", "group", "idphoto", "predict", "prelabel"}
"""Verbs that check a model in a process of its own, which takes seconds; by day mine and cutout stand for them."""


@pytest.mark.parametrize(
    "verb", [pytest.param(verb, marks=pytest.mark.nightly if verb in NIGHTLY else ()) for verb in WORKING]
)
def test_whatever_engine_works_the_result_is_the_same(
    verb: str, given: Mapping[str, dict[str, Any]], tmp_path: Path
) -> None:
    made = []
    engine = Backwards()
    for name, run in (("here", RunOptions(workers=0)), ("there", RunOptions(workers=2, machines=engine))):
        out = tmp_path / name / "made" / FILES.get(verb, "")
        out.parent.mkdir(parents=True)
        settings = given[verb] | ({} if verb == "stats" else {"out": out})
        result = call(verb, settings, run=run)
        assert result.exit_code in {0, 3}
        made.append(dict(timeless(tree(tmp_path / name))))
    assert engine.jobs != []
    assert sum(engine.jobs) > 0
    assert difference(*made) == []
    assert made[0] or verb == "stats"


def test_every_other_verb_has_a_reason_and_says_that_engine_has_no_effect() -> None:
    assert set(WORKING) | set(ELSEWHERE) | set(CALLED_BY_THEM) == set(VERBS)
    assert {verb for verb, entry in VERBS.items() if "engine" in entry.idle} == ELSEWHERE.keys() - {"doctor"}


def timeless(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield files without the seconds that their making took, and without the time of day."""
    for name, data in files.items():
        if "/.curate/" not in name:  # what a verb keeps for its next run, in the order in which it was done
            yield name, re.sub(rb'"(started|seconds)": ?("[^"]*"|[0-9.e+-]+)', b"", data)
