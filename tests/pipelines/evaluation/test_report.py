from __future__ import annotations

from pathlib import Path

import click
import pytest

from curation.errors import EnvironmentProblem
from pipelines.command_line.options import RunOptions
from pipelines.evaluation.report import ReportFlags, cost_facts, report
from reports.rounds.round_record import Round, write_round
from tests.reports.evaluated_data import draw_evaluation

RUN = RunOptions(workers=0)


def test_an_evaluation_gets_a_page_in_its_folder_with_the_decision_as_data(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=[0.5] * 12, after=[0.6] * 12)
    result = report(ReportFlags(run=folder), run=RUN)
    assert result.data["out"] == str(folder / "report.html")
    assert (result.data["is_promoted"], result.data["reason"]) == (True, "gain")
    assert result.data["size_bytes"] == (folder / "report.html").stat().st_size
    assert "The challenger is better" in result.summary


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=[0.5] * 12, after=[0.6] * 12)
    pages = []
    for name in ("a.html", "b.html"):
        report(ReportFlags(run=folder, out=tmp_path / name), run=RUN)
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_a_folder_of_rounds_gets_a_page_each_and_one_over_all(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        write_round(tmp_path / name, told=Round(name=name, command="curate retrain", problems=["stopped"]))
    result = report(ReportFlags(run=tmp_path), run=RUN)
    assert result.data == {"command": "report", "out": str(tmp_path / "index.html"), "rounds": 2}
    assert [path.name for path in sorted(tmp_path.rglob("*.html"))] == ["report.html", "report.html", "index.html"]
    assert "failed: stopped" in result.summary


def test_a_round_whose_evaluation_is_gone_is_told_of_and_the_others_have_a_page(tmp_path: Path) -> None:
    for name, evaluation in (("1", "gone"), ("2", None)):
        (tmp_path / name).mkdir()
        write_round(tmp_path / name, told=Round(name=name, command="", evaluation=evaluation))
    result = report(ReportFlags(run=tmp_path), run=RUN)
    assert len(result.warnings) == 1
    assert str(tmp_path / "1" / "gone") in result.warnings[0]
    assert (tmp_path / "2" / "report.html").exists()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    folder = draw_evaluation(tmp_path / "e", before=None, after=[0.5])
    assert report(ReportFlags(run=folder), run=RunOptions(dry_run=True)).data["dry_run"]
    assert not (folder / "report.html").exists()


def test_that_there_is_no_browser_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_BROWSER", str(tmp_path / "none"))
    folder = draw_evaluation(tmp_path / "e", before=None, after=[0.5])
    with pytest.raises(EnvironmentProblem, match="no browser"):
        report(ReportFlags(run=folder, pdf=True), run=RUN)
    assert not (folder / "report.html").exists()


def test_a_negative_number_of_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="--pictures -1"):
        ReportFlags(run=tmp_path, pictures=-1)


def test_a_model_that_is_gone_costs_nothing_that_is_known(tmp_path: Path) -> None:
    assert cost_facts(tmp_path / "none") is None
