"""Memory: the peak of the parent process while a dataset is built must not grow with the number of samples."""

from __future__ import annotations

from pathlib import Path

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.sample import Item, Outcome, Plan, Sample
from tests.bench.measuring import child, say, sized

FEW, MANY = sized(5_000, short=50), sized(50_000, short=500)


def bench(folder: Path) -> None:
    """Print the memory figures."""
    peaks = {}
    for samples in (FEW, MANY):
        _, peaks[samples] = child("tests.bench.memory:build", folder / f"memory-{samples}", samples)
    per_sample = (peaks[MANY] - peaks[FEW]) / (MANY - FEW) * 1024
    say(f"\nMemory of a build: {peaks[FEW]:.0f} MB at {FEW} samples, {peaks[MANY]:.0f} MB at {MANY}")
    say(f"  -> {per_sample:.1f} KB a sample; {per_sample * 118_287 / 1024:.0f} MB for all of train2017")


def build(out: str, samples: str) -> int:
    """Build a dataset of so many samples without images; in a process of its own."""
    items = [Item(id=f"train2017_{number:012d}", payload=None) for number in range(int(samples))]
    plan = Plan(command="bench", settings={}, sources=[], considered=len(items), items=items, work=pretend)
    options = BuildOptions(runner=RunnerOptions(workers=0))
    return build_dataset(plan, out=Path(out), options=options).counts.selected


def pretend(item: Item, folder: Path) -> Outcome:
    """Return a sample of the usual size and write nothing."""
    return Outcome(
        id=item.id,
        sample=Sample(
            id=item.id,
            image=f"images/{item.id}.jpg",
            mask=f"masks/{item.id}.png",
            width=640,
            height=480,
            source="coco/train2017",
            source_id=item.id,
            person_area=0.25,
            persons=1,
            group=item.id,
            license="1",
            sha256=f"{hash(item.id):064x}",
        ),
    )
