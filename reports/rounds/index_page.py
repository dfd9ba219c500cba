"""All rounds of a loop on one page: what came of each, and how good the champion became."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from curation.storage.files import write_durable
from reports.page.figures import Chart, lines
from reports.page.templates import refuse_other_page, rendered_page
from reports.rounds.round_record import ROUND, Round, read_round
from reports.rounds.tables import change_text, number_set_aside

INDEX: Final = "index.html"
REPORT: Final = "report.html"


def round_folders(folder: Path) -> list[Path]:
    """Return the folders of rounds in a folder, in the order of their names; none where there are none."""
    return sorted(path.parent for path in folder.glob(f"*/{ROUND}"))


def write_index(folder: Path, *, out: Path) -> list[Round]:
    """Write the page on the rounds in `folder` to the file `out`, and give the rounds.

    Raises InputRefused when `out` is a file of something else, or a round is damaged.
    """
    refuse_other_page(out)
    places = round_folders(folder)
    found = sorted(((read_round(place), place) for place in places), key=lambda pair: (pair[0].number, pair[1].name))
    rounds = [told for told, _ in found]
    rows = [_row(told, place=place, out=out) for told, place in found]
    page = rendered_page(
        "index_of_rounds.html.j2",
        kind="rounds",
        title=f"Rounds of {folder.resolve().parent.name if folder.name == 'rounds' else folder.resolve().name}",
        rows=list(reversed(rows)),
        promoted=sum(told.decision is not None and told.decision.is_promoted for told in rounds),
        trend=_trend(rounds),
        is_mixed=len({tuple(sorted(told.test_sets.items())) for told in rounds if told.test_sets}) > 1,
    )
    write_durable(out, page.encode())
    return rounds


def outcome_of(told: Round) -> str:
    """Say in a few words what came of a round."""
    if told.decision is None:
        if told.problems:
            return f"failed: {told.problems[0]}"
        return "the first champion" if told.champion and told.champion == told.challenger else "nothing was compared"
    return "promoted" if told.decision.is_promoted else f"kept the champion: {told.decision.sentence}"


def _row(told: Round, *, place: Path, out: Path) -> dict[str, Any]:
    by_labels = None if told.control is None else told.control.gain
    report = place / REPORT
    is_below = report.is_file() and place.resolve().parent == out.resolve().parent
    return {
        "record": told,
        "outcome": outcome_of(told),
        "change": None if told.decision is None else change_text(told.decision.overall),
        "by_labels": None if by_labels is None else change_text(by_labels),
        "set_aside": None if told.labels is None else number_set_aside(told.labels.untaken),
        "kind": "loses" if told.problems else "",
        # quoted whole, so that it is a path below this page, whatever the folder is called
        "link": f"./{quote(place.name)}/{REPORT}" if is_below else "",
    }


def _trend(rounds: Sequence[Round]) -> Chart | None:
    """Return the champion's mIoU by round: a line for each run of rounds that measured on the same images."""
    known = [told for told in rounds if told.miou is not None]
    if not known:
        return None
    found = [told.miou for told in known if told.miou is not None]
    promotions = [i for i, told in enumerate(known) if told.decision is not None and told.decision.is_promoted]
    begun = [0, *(i for i in range(1, len(known)) if known[i].test_sets != known[i - 1].test_sets), len(known)]
    parts = list(pairwise(begun))

    def part(numbers: list[float], *, of: tuple[int, int]) -> list[float]:
        return [number if of[0] <= i < of[1] else math.nan for i, number in enumerate(numbers)]

    values, lows, highs = ([getattr(one, name) for one in found] for name in ("value", "low", "high"))
    chart = lines(
        [part(values, of=one) for one in parts],
        names=("round", "mIoU"),
        bands=[(part(lows, of=one), part(highs, of=one)) for one in parts],
        starts=promotions,
        texts=[f"{told.name}: {one.value:.4f}" for told, one in zip(known, found, strict=True)],
    )
    return replace(chart, lines=tuple(replace(line, series=0) for line in chart.lines))
