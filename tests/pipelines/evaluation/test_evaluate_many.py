"""Evaluating many samples, of which few are in memory, is evaluating few: here a block is a handful of rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.building import sorted_rows
from curation.dataset import manifest_files
from curation.dataset.dataset import read_dataset, write_dataset
from models.evaluation import choose_sets, score_dataset, score_table
from models.evaluation.score_table import SCORES, StoredScores, read_scores
from tests.models.drawn import Sample, drawn_dataset, person
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.commands import tree
from tests.pipelines.evaluation.test_evaluate import run

pytestmark = pytest.mark.usefixtures("checked_once")
FILES = ("train", "test", "test", None)


def few_at_once(patch: pytest.MonkeyPatch) -> None:
    for module, name, number in (
        (score_table, "BLOCK_ROWS", 5),
        (score_dataset, "AT_ONCE", 3),
        (choose_sets, "ROWS_AT_ONCE", 4),
        (sorted_rows.SortedRows.__init__, "__kwdefaults__", {"schema": None, "run_rows": 4}),
    ):
        patch.setattr(module, name, number)


def data_sets(folder: Path, *, part_rows: int) -> list[Path]:
    """Draw two data sets with rows of every kind, in parts of so many rows."""
    folders = []
    for name in ("one", "two"):
        samples = [
            Sample(
                id=f"s{n:02}",
                prediction=person(top=10 + n % 7),
                mask=person() if n % 5 else None,
                row={"split": FILES[n % 4], "persons": n % 4, "source": f"source {n % 3}", "group": f"{name}{n // 2}"},
            )
            for n in range(23)
        ]
        dataset = drawn_dataset(folder / name, samples)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(manifest_files, "PART_ROWS", part_rows)
            write_dataset(dataset.folder, card=dataset.card, table=dataset.table, quarantine=[])
        folders.append(dataset.folder)
    return folders


def test_the_result_does_not_tell_how_many_rows_were_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, other = (write_tiny_onnx(tmp_path / f"{name}.onnx", lost=lost) for name, lost in (("m", 0.0), ("o", 0.1)))
    found = {}
    for name, part_rows in (("whole", 1000), ("parts", 4)):
        data = data_sets(tmp_path / name, part_rows=part_rows)
        assert read_dataset(data[0]).rows.is_in_memory is (name == "whole")
        with monkeypatch.context() as patch:
            if name == "parts":
                few_at_once(patch)
            result = run(model, *data, out=tmp_path / name / "out", baseline=other, where="persons != 2", badcases=3)
        assert "12 of the 30 samples are of the split train" in result.warnings[0]
        found[name] = tree(tmp_path / name / "out")
    for own in ("one", "two"):
        scores = [read_scores(tmp_path / name / "out" / own) for name in found]
        assert scores[0].equals(scores[1]) and 5 < len(scores[0]) < 23
        assert StoredScores(tmp_path / "parts" / "out" / own).starts[1] == 5
    metrics = {name: json.loads(files.pop("metrics.json")) for name, files in found.items()}
    for files in found.values():  # the form of the manifest, and that of the scores, differ
        for path in [path for path in files if path.endswith(SCORES)]:
            del files[path]
    assert found["whole"] == found["parts"] and len(found["whole"]) > 20
    for told in metrics.values():
        del told["run"]
        for one in told["sets"].values():
            del one["dataset"], one["manifest_sha256"]
    assert metrics["whole"] == metrics["parts"]
