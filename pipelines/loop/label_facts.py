"""The labels of a round: what people did for it, what they are sent next, and who made those that train."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from curation.dataset.dataset import read_dataset
from curation.dataset.label_sources import is_by_model
from curation.dataset.manifest_files import is_dataset
from labeling.answers import ANNOTATION, LABELLED, SECONDS, STATUS, Answer
from models.data.truth import has_truth
from pipelines.loop.rounds import folder_of
from pipelines.loop.steps import DATA, MINED, Work, choose_next
from pipelines.mining.flags import TEACHERS, WRONG
from reports.rounds.round_record import LabelFacts

MINUTE: Final = 60


def label_facts(work: Work) -> LabelFacts:
    """Count what people did since the training set before, and what they are sent next."""
    known = set()
    for number in range(1, work.plan.number):
        if is_dataset(data := folder_of(work.loop, number=number) / DATA):
            table = read_dataset(data).table
            known |= set(table[ANNOTATION].to_pylist()) if ANNOTATION in table.column_names else set()
    rows = read_dataset(work.folder / DATA).table.to_pylist()
    new = [row for row in rows if row.get(ANNOTATION) is not None and row[ANNOTATION] not in known]
    seconds = [row[SECONDS] for row in new if row[SECONDS] is not None]
    mined = read_dataset(work.folder / MINED).card.notes if is_dataset(work.folder / MINED) else {}
    is_asked = work.loop.config.label.project is not None
    return LabelFacts(
        relabeled=sum(row[STATUS] != Answer.RIGHT for row in new),
        confirmed=sum(row[STATUS] == Answer.RIGHT for row in new),
        minutes=sum(seconds) / MINUTE if seconds else None,
        sent=len(choose_next(work)) if is_asked else 0,
        untaken=work.plan.untaken,
        labelled_by=labelled_by(rows),
        judged_by=[teacher["name"] for teacher in mined.get(TEACHERS, [])],
        wrong_share=mined.get(WRONG),
    )


def labelled_by(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many rows that train have a label that a person drew or found right, one of teachers that nobody
    looked at, the one of their source, or none, as those from which a student learns what its teacher says.

    >>> labelled_by([{"split": None, "mask": "m", "label_source": "t"}, {"split": "val", "mask": "m"}])
    {'people': 0, 'teachers': 1, 'the source': 0, 'nobody': 0}
    """
    found = Counter[str]()
    for row in rows:
        if row["split"] == "val":
            continue
        if row.get(STATUS) in LABELLED:
            found["people"] += 1
        elif is_by_model(row):
            found["teachers"] += 1
        else:
            found["the source" if has_truth({"persons": None, **row}) else "nobody"] += 1
    return {name: found[name] for name in ("people", "teachers", "the source", "nobody")}
