"""Hard cases on the contact sheet: the worst first, with prediction, errors and verdict, and what the verdicts mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation.dataset.dataset import Dataset, read_dataset
from curation.images.pixels import decode_mask, encode_gray
from tests.reports.datasets.test_gallery import Page, rows_of, written

MEANINGS = {"label_error": "the label is wrong", "ok": "all is well"}


def hard_cases(folder: Path, *, make_dataset: Callable[..., Dataset]) -> Dataset:
    columns = {
        "hard_rank": pa.array([2, 1, 3]),
        "verdict": pa.array(["label_error", "<b>odd</b>", None]),
        "prediction": pa.array(["predictions/0.png", "predictions/1.png", None]),
        "mined_from": pa.array(["portraits@1"] * 3),
    }
    made = make_dataset(folder, "a", "b", "c", columns=columns)
    (folder / "predictions").mkdir()
    for number in (0, 1):
        path = folder / f"masks/{number}.png"
        mask = decode_mask(path.read_bytes(), file=str(path))
        (folder / f"predictions/{number}.png").write_bytes(encode_gray(mask if number else np.zeros_like(mask)))
    return made


def test_the_worst_comes_first_also_where_few_are_shown(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    made = hard_cases(tmp_path / "d", make_dataset=make_dataset)
    assert [row["id"] for row in rows_of(written(tmp_path / "g.html", made, limit=2))] == ["b", "a"]


def test_errors_are_drawn_where_there_is_a_prediction(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    made = hard_cases(tmp_path / "d", make_dataset=make_dataset)
    right, blank, without = rows_of(written(tmp_path / "g.html", made))
    assert (right["pictures"]["extra"], right["pictures"]["missed"]) == ("", "")
    assert right["pictures"]["prediction"] == right["pictures"]["outline"]
    assert (blank["pictures"]["prediction"], blank["pictures"]["extra"]) == ("", "")
    assert blank["pictures"]["missed"] == blank["pictures"]["outline"], "nobody is predicted, so all of it is missed"
    assert "prediction" not in without["pictures"]


def test_verdicts_that_occur_are_explained_and_no_others(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    made = hard_cases(tmp_path / "d", make_dataset=make_dataset)
    page = written(tmp_path / "g.html", made, verdicts=MEANINGS)
    text = " ".join(Page(page).text)
    assert "the label is wrong" in text
    assert "all is well" not in text
    assert "<b>odd" not in page


def test_what_commands_said_in_words_is_on_the_card(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    hard_cases(tmp_path / "d", make_dataset=make_dataset)
    rows = rows_of(written(tmp_path / "g.html", read_dataset(tmp_path / "d")))
    assert rows[1]["notes"] == {"verdict": "label_error", "mined_from": "portraits@1"}


def test_a_prediction_that_cannot_be_read_is_told_on_its_card(
    tmp_path: Path, make_dataset: Callable[..., Dataset]
) -> None:
    made = hard_cases(tmp_path / "d", make_dataset=make_dataset)
    (tmp_path / "d/predictions/1.png").unlink()
    assert "MISSING_FILE" in rows_of(written(tmp_path / "g.html", made))[0]["problem"]


def test_scores_of_an_older_label_are_told_on_the_card(tmp_path: Path, make_dataset: Callable[..., Dataset]) -> None:
    columns = {"miou": pa.array([0.4, 0.4]), "scored_label_version": pa.array([0, 7], pa.int32())}
    made = make_dataset(tmp_path / "d", "a", "b", columns=columns)
    assert [row["notes"] for row in rows_of(written(tmp_path / "g.html", made))] == [{}, {"scores": "scores outdated"}]
