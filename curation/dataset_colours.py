"""Which images of a dataset have colours that are not sRGB, so that their pixels are not those that the file holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from curation.colours import colour_warning, file_colours
from curation.dataset import Dataset
from curation.files import read_file, safe_join
from curation.quarantine import QuarantineRecord
from curation.runner import RunnerOptions, run_items
from curation.samples import Item, Outcome

STAGE: Final = "colours"
AS_STORED: Final = "as stored"
CONVERTED: Final = "converted "


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetColours:
    """Of the images of a dataset: how many are brought to sRGB, by the name of their profile, the most frequent first.

    `unused` tells of profiles that cannot be used, so that the image is read as sRGB. `broken` images cannot be read.
    """

    converted: Mapping[str, int]
    unused: Sequence[QuarantineRecord]
    broken: int

    @property
    def number_converted(self) -> int:
        """Return how many images have other pixels than their file holds."""
        return sum(self.converted.values())


def dataset_colours(
    dataset: Dataset, *, runner: RunnerOptions, progress: Callable[[int], None] | None = None
) -> DatasetColours:
    """Return what the images of a dataset mean by their colours; no pixel is decoded.

    `progress` is told how many samples are done.
    """
    converted = Counter[str]()
    unused: list[QuarantineRecord] = []
    broken = 0
    items = [_item(row, folder=dataset.folder) for row in dataset.table.select(["id", "image"]).to_pylist()]
    outcomes = run_items(items, work=look_at_colours, folder=dataset.folder, stage=STAGE, options=runner)
    for done, outcome in enumerate(outcomes, start=1):
        if outcome.filtered is None:
            broken += 1
        elif outcome.filtered.startswith(CONVERTED):
            converted[outcome.filtered.removeprefix(CONVERTED)] += 1
        unused += outcome.records if outcome.filtered is not None else ()
        if progress is not None:
            progress(done)
    most_first = dict(sorted(converted.items(), key=lambda pair: (-pair[1], pair[0])))
    return DatasetColours(
        converted=most_first, unused=sorted(unused, key=lambda record: record.record_id or ""), broken=broken
    )


def look_at_colours(item: Item, folder: Path) -> Outcome:
    """Look at the profile of one image; the outcome is filtered by what becomes of its values.

    Raises BadRecord as `inspect`.
    """
    path = safe_join(folder, item.payload)
    colours = file_colours(read_file(path, below=folder), file=str(path))
    warning = colour_warning(colours, file=path)
    records = () if warning is None else (warning.record(stage=STAGE, record_id=item.id),)
    kind = f"{CONVERTED}{colours.name}" if colours.is_converted else AS_STORED
    return Outcome(id=item.id, filtered=kind, records=records)


def _item(row: dict[str, Any], *, folder: Path) -> Item:
    return Item(id=row["id"], payload=row["image"], file=str(folder / str(row["image"])))
