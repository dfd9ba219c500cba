from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import EnvironmentProblem, InputRefused
from models.evaluation.evaluation_folder import evaluating_in, finished_metrics, write_metrics


def metrics(run: str) -> dict[str, Any]:
    return {"run": run, "model": {"name": f"model of {run}"}}


def finish(out: Path, *, run: str, overwrite: bool = False) -> None:
    with evaluating_in(out, run=run, overwrite=overwrite) as work:
        (work / "journal.jsonl").write_text(run)
        (out / "scores.parquet").write_text(run)
        write_metrics(out, metrics=metrics(run))


def leave_unfinished(out: Path, *, run: str, overwrite: bool = False) -> None:
    with pytest.raises(KeyboardInterrupt), evaluating_in(out, run=run, overwrite=overwrite) as work:
        (work / "journal.jsonl").write_text(run)
        (out / "predictions").mkdir()
        (out / "predictions" / "a.png").write_text(run)
        raise KeyboardInterrupt


def names(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


def test_a_finished_evaluation_is_known_by_its_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert finished_metrics(out, run="one") is None
    finish(out, run="one")
    assert finished_metrics(out, run="one") == metrics("one")
    assert names(out) == {"metrics.json", "scores.parquet"}


def test_an_evaluation_of_something_else_is_refused(tmp_path: Path) -> None:
    finish(tmp_path, run="one")
    with pytest.raises(InputRefused, match="an evaluation of model of one") as caught:
        finished_metrics(tmp_path, run="other")
    assert "--overwrite" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": "one", "model": 3}'])
def test_damaged_metrics_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(InputRefused, match="damaged"):
        finished_metrics(tmp_path, run="one")


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(InputRefused, match="no evaluation"), evaluating_in(tmp_path, run="r", overwrite=overwrite):
            pass
    with pytest.raises(InputRefused, match="no evaluation"):
        finished_metrics(tmp_path, run="r")
    assert names(tmp_path) == {"letter.txt"}


def test_unfinished_work_is_there_again_for_its_run_alone(tmp_path: Path) -> None:
    leave_unfinished(tmp_path, run="one")
    with pytest.raises(InputRefused, match="unfinished"), evaluating_in(tmp_path, run="other", overwrite=False):
        pass
    with evaluating_in(tmp_path, run="one", overwrite=False) as work:
        assert (work / "journal.jsonl").read_text() == "one"
        assert (tmp_path / "predictions" / "a.png").read_text() == "one"


def test_overwrite_drops_unfinished_work_of_another_run_and_keeps_its_own(tmp_path: Path) -> None:
    leave_unfinished(tmp_path, run="one")
    with evaluating_in(tmp_path, run="one", overwrite=True) as work:
        assert (work / "journal.jsonl").exists()
        (work / "journal.jsonl").unlink()
    leave_unfinished(tmp_path / "second", run="one")
    with evaluating_in(tmp_path / "second", run="other", overwrite=True) as work:
        assert list(work.iterdir()) == []
        assert not (tmp_path / "second" / "predictions").exists()


def test_overwrite_keeps_the_old_evaluation_until_the_new_one_is_whole(tmp_path: Path) -> None:
    out, aside = tmp_path / "out", tmp_path / "out.replaced"
    finish(out, run="one")
    leave_unfinished(out, run="other", overwrite=True)
    assert (aside / "scores.parquet").read_text() == "one"
    finish(out, run="other", overwrite=True)
    assert not aside.exists()
    assert (out / "scores.parquet").read_text() == "other"
    assert finished_metrics(out, run="other") == metrics("other")


def test_two_runs_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with evaluating_in(tmp_path, run="one", overwrite=False):
        for run in ("one", "other"):
            with (
                pytest.raises(EnvironmentProblem, match="another run"),
                evaluating_in(tmp_path, run=run, overwrite=False),
            ):
                pass


def test_metrics_hold_no_value_that_json_has_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_metrics(tmp_path, metrics={"miou": float("nan")})
    assert names(tmp_path) == set()


def test_overwrite_replaces_what_a_link_leads_to_and_leaves_the_link(tmp_path: Path) -> None:
    place, out = tmp_path / "disk" / "results", tmp_path / "out"
    finish(place, run="one")
    out.symlink_to(place)
    finish(out, run="other", overwrite=True)
    assert out.is_symlink()
    assert (place / "scores.parquet").read_text() == "other"
    assert [path.name for path in place.parent.iterdir()] == ["results"]
