"""Which images of a dataset have colours that are not sRGB, so that their pixels are not those that the file holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from curation.building.workers import RunnerOptions, run_items
from curation.dataset.dataset import Dataset
from curation.dataset.sample import Item, Outcome
from curation.images.colours import colour_warning, file_colours
from curation.quarantine import BadRecord, Code, QuarantineRecord
from curation.storage.files import named_file, read_file

STAGE: Final = "colours"
CONVERTED: Final = "converted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetColours:
    """Of the images of a dataset: how many are brought to sRGB, by the name of their profile, the most frequent first.

    `unused` names profiles that cannot be used, so that the image is read as sRGB. `broken` images cannot be read.
    """

    converted: Mapping[str, int]
    unused: Sequence[QuarantineRecord]
    broken: int

    @property
    def number_converted(self) -> int:
        """Return how many images have other pixels than their file holds."""
        return sum(self.converted.values())


def dataset_colours(dataset: Dataset, *, runner: RunnerOptions) -> DatasetColours:
    """Return what the images of a dataset mean by their colours; no pixel is decoded."""
    items = [_item(row, folder=dataset.folder) for row in dataset.table.select(["id", "image"]).to_pylist()]
    outcomes = run_items(items, work=look_at_colours, folder=dataset.folder, stage=STAGE, options=runner)
    return colours_of(record for outcome in outcomes for record in outcome.records)


def look_at_colours(item: Item, folder: Path) -> Outcome:
    """Look at the profile of one image; raises BadRecord where it cannot be read."""
    path = named_file(folder, item.payload)
    return Outcome(
        id=item.id, filtered=STAGE, records=colour_records(read_file(path, below=folder), file=path, record_id=item.id)
    )


def colour_records(data: bytes, *, file: Path, record_id: str) -> tuple[QuarantineRecord, ...]:
    """Return the record of an image's colours, none where they are sRGB, for `colours_of`."""
    try:
        colours = file_colours(data, file=str(file))
    except BadRecord as problem:
        return (problem.record(stage=STAGE, record_id=record_id),)
    warning = colour_warning(colours, file=file)
    told = [] if warning is None else [warning]
    if colours.is_converted:
        told.append(BadRecord(Code.COLOUR_PROFILE, colours.name, file=file, field=CONVERTED))
    return tuple(one.record(stage=STAGE, record_id=record_id) for one in told)


def colours_of(records: Iterable[QuarantineRecord]) -> DatasetColours:
    """Return the colours of a dataset from the `colour_records` of its images."""
    of_profiles, others = [], 0
    for record in records:
        if record.code == Code.COLOUR_PROFILE:
            of_profiles.append(record)
        else:
            others += 1
    converted = Counter(record.reason for record in of_profiles if record.field == CONVERTED)
    unused = [record for record in of_profiles if record.field != CONVERTED]
    return DatasetColours(
        converted=dict(sorted(converted.items(), key=lambda pair: (-pair[1], pair[0]))),
        unused=sorted(unused, key=lambda record: record.record_id or ""),
        broken=others,
    )


def _item(row: dict[str, Any], *, folder: Path) -> Item:
    return Item(id=row["id"], payload=row["image"], file=str(folder / str(row["image"])))
