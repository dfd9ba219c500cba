"""Mining of many samples, of which few are in memory, is mining of few: here a block is a handful of rows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from curation.building import sorted_rows
from curation.dataset import manifest_files
from curation.dataset.dataset import read_dataset, write_dataset
from curation.dataset.rows import InMemory
from curation.storage.files import MAX_IMAGE_BYTES
from labeling.selection.select import by_miou, by_uncertainty
from labeling.verdicts import judge_dataset
from labeling.verdicts.hard_cases import place_findings
from models.evaluation import score_dataset, score_table
from models.evaluation.score_table import SCORES, read_scores, table_of_scores
from pipelines.mining.flags import MineFlags
from pipelines.mining.mine_datasets import hard_ones
from tests.models.drawn import drawn_dataset, score_row
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.mining.test_mine import run, sample, unlabelled

pytestmark = pytest.mark.usefixtures("checked_once")


def few_at_once(patch: pytest.MonkeyPatch) -> None:
    for module, name, number in (
        (score_table, "BLOCK_ROWS", 5),
        (judge_dataset, "AT_ONCE", 2),
        (score_dataset, "AT_ONCE", 3),
        (sorted_rows.SortedRows.__init__, "__kwdefaults__", {"schema": None, "run_rows": 4}),
    ):
        patch.setattr(module, name, number)


def data_sets(folder: Path, *, part_rows: int) -> tuple[Path, Path]:
    """Draw two data sets whose ids take turns, the first in parts of so many rows."""
    odd = [sample(f"s{n:02}", lost=n) if n % 3 else unlabelled(f"s{n:02}", certainty=n) for n in range(1, 20, 2)]
    even = [sample(f"s{n:02}", lost=n) if n % 3 else unlabelled(f"s{n:02}", certainty=n) for n in range(0, 20, 2)]
    first, second = drawn_dataset(folder / "odd", odd), drawn_dataset(folder / "even", even)
    (second.folder / "images" / "s08.png").write_bytes(b"no picture")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_files, "PART_ROWS", part_rows)
        write_dataset(first.folder, card=first.card, table=first.table, quarantine=[])
    return first.folder, second.folder


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("deep", [False, True])
def test_the_result_does_not_tell_how_many_rows_were_in_memory(
    tmp_path: Path, deep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, other = (write_tiny_onnx(tmp_path / f"{name}.onnx", lost=lost) for name, lost in (("m", 0.0), ("o", 0.1)))
    found = {}
    for name, part_rows in (("whole", 1000), ("parts", 4)):
        data = data_sets(tmp_path / name, part_rows=part_rows)
        assert read_dataset(data[0]).rows.is_in_memory is (name == "whole")
        with monkeypatch.context() as patch:
            if name == "parts":
                few_at_once(patch)
            flags = {"teacher": (other,), "precision": "fast"} if deep else {}
            run(model, *data, out=tmp_path / name / "hard", pool_share=0.5, **flags)
        found[name] = tree(tmp_path / name / "hard")
    scores = [read_scores(tmp_path / name / "hard") for name in ("whole", "parts")]
    assert scores[0].equals(scores[1]) and len(scores[0]) == 19
    assert score_table.StoredScores(tmp_path / "parts" / "hard").starts[1] == 5
    for files in found.values():  # these tell of the form of the first manifest, of its folder, and of the blocks
        del files[SCORES], files["dataset.json"], files["quarantine.jsonl"]
    assert found["whole"] == found["parts"]
    ranks = read_dataset(tmp_path / "parts" / "hard").read(["id", "hard_rank"]).sort_by("hard_rank")["id"].to_pylist()
    assert ranks == ["s19", "s17", "s16", "s14", "s13", "s11", "s10", "s00", "s03", "s06", "s09"]


def test_what_is_hard_is_what_sorting_the_rows_says() -> None:
    rng = random.Random(3)
    rows = []
    for number in range(300):
        kind = rng.choice(["labelled", "labelled", "pool", "pool", "bare", "broken"])
        values = {
            "labelled": {"miou": rng.choice([0.1, 0.5, 0.79, 0.8, 0.9]), "uncertainty_boundary": rng.random()},
            "pool": {"uncertainty_boundary": rng.choice([0.0, 0.2, 0.7])},
            "bare": {},
            "broken": {"is_finite": False},
        }[kind]
        rows.append(score_row(f"{number:03}", **values))
    table = table_of_scores(rows)
    listed = table.to_pylist()
    hard = [row for row in listed if not row["is_finite"] or (row["miou"] is not None and row["miou"] < 0.8)]
    pool = [row for row in listed if row["is_finite"] and row["miou"] is None]
    expected = [row["id"] for row in sorted(hard, key=lambda row: (by_miou(row), row["id"]))]
    expected += [
        row["id"] for row in sorted(pool, key=lambda row: (by_uncertainty(row), row["id"]))[: round(0.4 * len(pool))]
    ]
    flags = MineFlags(model=Path("m"), data=(Path("d"),), out=Path("o"), pool_share=0.4)
    numbers = hard_ones(InMemory(table), flags=flags)
    assert [listed[number]["id"] for number in numbers] == expected


def test_scores_larger_than_an_image_may_be_are_placed(tmp_path: Path) -> None:
    for name in ("staging", "out"):
        (tmp_path / name).mkdir()
    with (tmp_path / "staging" / SCORES).open("wb") as stream:
        stream.truncate(MAX_IMAGE_BYTES + 1)
    place_findings(tmp_path / "staging", tmp_path / "out")
    assert (tmp_path / "out" / SCORES).stat().st_size == MAX_IMAGE_BYTES + 1
