"""What a round of the loop leaves for its report: `round.json` in the round's folder.

Everything but name and command may be missing: a round that failed has a report too.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from curation.dataset.dataset import read_dataset
from curation.dataset.label_sources import counted_sources
from curation.dataset.licenses import flagged_counts, row_licenses
from curation.errors import InputRefused
from curation.quarantine import BadRecord
from curation.storage.files import read_file, write_durable
from models.evaluation.gate import Decision
from models.metrics.comparison import Comparison
from models.metrics.intervals import Interval

ROUND: Final = "round.json"
MAX_BYTES: Final = 64 << 20
SRGB: Final = "sRGB"


class DataFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A data set in a few numbers: how many samples by source, licence and label version, and what was left out.

    `non_commercial` and `no_derivatives` count samples with a licence that forbids commercial use, or derived pictures.
    `label_sources` counts labels that models made, by the models and their licences.
    """

    name: str
    folder: str
    manifest_sha256: str
    command: str
    samples: int
    sources: dict[str, int]
    licenses: dict[str, int]
    label_versions: dict[str, int]
    filtered: dict[str, int]
    quarantined: dict[str, int]
    non_commercial: int = 0
    no_derivatives: int = 0
    label_sources: dict[str, int] = {}


class Untaken(msgspec.Struct, frozen=True, kw_only=True):
    """What annotators left that a pull did not take. `set_aside` counts annotations by code, below the file in which
    each stands with its reason; `drafts` and `skipped` count tasks."""

    set_aside: dict[str, dict[str, int]] = {}
    drafts: int = 0
    skipped: int = 0


class LabelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What people did for a round: masks that came back corrected, and confirmed as they were, the minutes that both
    took, samples sent to them next, and what the pull did not take. `labelled_by` counts all samples that train by who
    made their label: people, teachers (models), the source, or nobody. `judged_by` are the teachers that looked at all
    labels when hard cases were mined, and `wrong_share` is what share of these is wrong, None where that is not known.
    """

    relabeled: int = 0
    confirmed: int = 0
    minutes: float | None = None
    sent: int = 0
    untaken: Untaken = Untaken()
    labelled_by: dict[str, int] = {}
    judged_by: list[str] = []
    wrong_share: float | None = None


class ControlFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A training on the labels of an earlier `round`; `gain` is the challenger against it, on the same test images.

    Without a gain none was trained, since nobody said anything of a label after that round. `samples` and
    `challenger_samples` are those of an epoch of each.
    """

    round: int
    gain: Comparison | None = None
    samples: int = 0
    challenger_samples: int = 0


class CostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs: `parameters`, `multiply_adds` and `milliseconds` for one image of `input_size`."""

    name: str
    file_bytes: int
    input_size: tuple[int, int]
    parameters: int | None = None
    multiply_adds: int | None = None
    milliseconds: float | None = None
    machine: str = ""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round. Paths are relative to its folder; `before` is `data` as it was in the round before.

    `champion` and `challenger` are names of versions such as models:/portrait/3. `miou` is of the model that is the
    champion after the round, on the frozen test sets; `test_sets` maps their names to what they are known by.
    `inputs` are hashes of everything that a round begins with, as they are after this one; none until it is over.
    `colours` says how pixels were read: earlier versions, which say nothing, took them as stored. `rescored` says what
    became of the champion's numbers where they are others than in the round before, on the same test sets.
    """

    name: str
    command: str
    number: int = 0
    started: str = ""
    seconds: float | None = None
    evaluation: str | None = None
    training: str | None = None
    decision: Decision | None = None
    miou: Interval | None = None
    champion: str = ""
    challenger: str = ""
    test_sets: dict[str, str] = {}
    data: list[DataFacts] = []
    before: list[DataFacts] = []
    labels: LabelFacts | None = None
    control: ControlFacts | None = None
    costs: list[CostFacts] = []
    lineage: dict[str, str] = {}
    problems: list[str] = []
    inputs: dict[str, str] = {}
    colours: str = ""
    rescored: str = ""


def read_round(folder: Path) -> Round:
    """Read `round.json`; raises InputRefused when it is damaged."""
    try:
        return msgspec.json.decode(read_file(folder / ROUND, max_bytes=MAX_BYTES), type=Round)
    except (BadRecord, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = getattr(error, "reason", error)
        remedy = "run the round again, or restore the file"
        raise InputRefused(f"damaged: {reason}", where=folder / ROUND, remedy=remedy) from error


def write_round(folder: Path, *, told: Round) -> None:
    """Write `round.json`, whole or not at all."""
    write_durable(folder / ROUND, msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")


def data_facts(folder: Path) -> DataFacts:
    """Return a data set in a few numbers. Raises InputRefused when there is none."""
    dataset = read_dataset(folder)
    card, table = dataset.card, dataset.table

    def counted(column: str) -> dict[str, int]:
        values = Counter("unknown" if value is None else str(value) for value in table[column].to_pylist())
        return dict(sorted(values.items()))

    return DataFacts(
        name=folder.resolve().name,
        folder=str(folder),
        manifest_sha256=card.manifest_sha256,
        command=card.command,
        samples=len(dataset),
        sources=counted("source"),
        licenses=counted("license"),
        label_versions=counted("label_version"),
        filtered=dict(card.counts.filtered),
        quarantined=dict(card.counts.quarantined),
        **flagged_counts(row_licenses(table)),
        label_sources=counted_sources(table),
    )
