"""The loop of the demo: two rounds, with a scripted annotator on a real Label Studio between them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from curation.images.pixels import Mask, decode_mask
from curation.sources.demo_sources import write_aifenge_sample
from curation.storage.files import make_folder, read_file, write_durable
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import tell
from pipelines.datasets.fuse import FuseFlags, fuse
from pipelines.datasets.gallery import GalleryFlags, gallery
from pipelines.demonstration.data import DemoData, make_demo_data
from pipelines.loop.retrain import RetrainFlags, retrain
from pipelines.training.train import train
from pipelines.training.train_flags import TrainFlags

PROJECT: Final = "curate demo"
PACKAGES: Final = ("torch", "mlflow", "httpx")
CONFIG: Final = """# The loop of `curate demo`; `curate init` writes an example that explains every key.
model: demo
workspace: loop
data:
  train: [data/training]
  pool: [data/pool]
  test: [{data: data/test, split: all}]
%slabel: {project: curate demo, budget: 16, select: verdict}
mine: {second: [second]}
train:
  network: unet_shufflenet
  input_size: [128, 128]
  ema: 0.9
  stages: [{epochs: 20, learning_rate: 0.01, fusion_ratio: 0.3, backgrounds: [backgrounds]}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the loop of the demo did, for the summary."""

    lines: tuple[str, ...]
    data: dict[str, Any]


def missing_packages() -> list[str]:
    """Name the packages of the extras that the loop needs and that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def demo_loop(out: Path, *, folders: dict[str, Path], with_labels: bool, run: RunOptions) -> Story:
    """Fuse, then go twice round the loop; between the rounds a script corrects labels in Label Studio."""
    run = replace(run, workers=0, limit=None, json=False)  # a process costs more to start than it has to do here
    quiet = replace(run, quiet=True)
    tell("fusing portraits with backgrounds", run=run)
    fused = FuseFlags(foregrounds=(folders["portraits"],), backgrounds=(folders["backgrounds"],), out=out / "fused")
    fuse(fused, run=quiet)
    tell("making training, test and pool; some labels are made wrong on purpose", run=run)
    cutouts = write_aifenge_sample(out / "sources" / "pool", images=16, seed=run.seed + 1)
    make_folder(out / "data")
    data = make_demo_data(
        out / "data", portraits=folders["portraits"], persons=folders["persons"], cutouts=cutouts, run=run
    )
    tell(
        "training a second network on the true labels: a label that two networks contradict is wrong, not hard",
        run=run,
    )
    _train_second(out / "second", folders=folders, data=data, run=quiet)
    config = out / "loop.yaml"
    write_durable(config, (CONFIG % ("" if with_labels else "#")).encode())
    flags = RetrainFlags(config=config)
    if not with_labels:
        first = retrain(flags, run=run)
        return Story(lines=(first.summary,), data={"rounds": [first.data]})
    hard = out / "loop" / "rounds" / "0001" / "hard-cases"
    with _label_studio(out / "label-studio", run=run):
        first = retrain(flags, run=run)
        tell("loading the hard cases into FiftyOne", run=run)
        shown = _browsed(hard)
        tell("a script takes the place of a person: it submits the true masks to Label Studio", run=run)
        submitted = _annotated(data, folder=out / "label-studio")
        second = retrain(flags, run=run)
    gallery(GalleryFlags(datasets=(hard,), out=out / "hard-cases.html"), run=quiet)
    lines = (
        first.summary,
        *shown,
        f"{submitted} labels were submitted in Label Studio by a script that knows the true masks",
        second.summary,
    )
    return Story(lines=lines, data={"rounds": [first.data, second.data], "submitted": submitted})


def _train_second(out: Path, *, folders: dict[str, Path], data: DemoData, run: RunOptions) -> None:
    """Train what stands for a model from elsewhere, which never saw the labels that are wrong.

    Measured: without it every labelled hard case of the demo is `ambiguous`; with 12 epochs, half a minute of a
    processor, the 9 wrong labels among 43 are `label_error`, with one other, and 25 are errors of the model.
    """
    flags = TrainFlags(
        data=(folders["portraits"], folders["persons"]),
        val=(data.training,),
        network="unet_shufflenet",
        input_size="128x128",
        ema=0.9,
        epochs=12,
        learning_rate=0.01,
        out=out,
    )
    train(flags, run=run)


@contextmanager
def _label_studio(folder: Path, *, run: RunOptions) -> Iterator[None]:
    """Have our own server up, with its data in the demo's folder, and let the commands inside find it there."""
    from labeling.label_tools.label_studio.server.access import API_KEY, URL, find_access
    from labeling.label_tools.label_studio.server.install import PROGRAM, SERVER
    from labeling.label_tools.label_studio.server.serve import serving

    say = partial(tell, run=run)
    with serving(folder, program=SERVER.program(PROGRAM, tell=say), port=None, tell=say):
        before = {name: os.environ.pop(name, None) for name in (URL, API_KEY)}
        access = find_access(folder)
        os.environ |= {URL: access.url, API_KEY: access.token}
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                os.environ |= {} if value is None else {name: value}


def _annotated(data: DemoData, *, folder: Path) -> int:
    from labeling.label_tools.label_studio.project.tasks import Task
    from labeling.label_tools.label_studio.stand_in import annotate
    from pipelines.labels.server import connected

    truth = data.truth()

    def true_mask(task: Task) -> Mask:
        name = task.uid.rpartition("@")[0]
        place, file = truth[name.removeprefix("pool-truth-")]
        return decode_mask(read_file(place / file), file=file)

    with connected(folder, patience_s=60) as client:
        return annotate(client, title=PROJECT, truth=true_mask)


def _browsed(mined: Path) -> list[str]:
    """Load the hard cases into FiftyOne; where that cannot be, say why: the demo continues without it.

    In a process of its own: once MLflow is imported, FiftyOne cannot be (its package eta reads what it was installed
    from in a way that MLflow's packages change).
    """
    command = [sys.executable, "-m", "pipelines.command_line.cli", "browse", str(mined), "--no-serve"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"FiftyOne was left out: {done.stderr.strip()}"]
    return [done.stdout.strip(), f"  see them: curate browse {mined}"]
