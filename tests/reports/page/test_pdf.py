from __future__ import annotations

import stat
from pathlib import Path

import pytest

from curation.errors import EnvironmentProblem
from reports.page import pdf
from reports.page.pdf import find_browser, write_pdf


def program(folder: Path, *, text: str) -> str:
    file = folder / "browser"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def test_without_a_browser_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CURATE_BROWSER", raising=False)
    with pytest.raises(EnvironmentProblem, match="no browser") as told:
        find_browser()
    assert told.value.exit_code == 5
    assert "CURATE_BROWSER" in told.value.remedy


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo cannot open display >&2; exit 1", "cannot open display"),
        ("exit 3", "exit code 3"),
        ('for word; do case $word in --print-to-pdf=*) echo no > "${word#*=}";; esac; done', "is no PDF"),
        ("sleep 20", "timed out"),
    ],
)
def test_a_browser_that_does_not_print_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setenv("CURATE_BROWSER", program(tmp_path, text=script))
    monkeypatch.setattr(pdf, "TIMEOUT_S", 1 if "sleep" in script else 60)
    (tmp_path / "page.html").write_text("page")
    with pytest.raises(EnvironmentProblem, match=said):
        write_pdf(tmp_path / "page.html", out=tmp_path / "page.pdf")
    assert not (tmp_path / "page.pdf").exists()


def test_what_the_browser_printed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'for word; do case $word in --print-to-pdf=*) printf "%%PDF-1.4" > "${word#*=}";; esac; done'
    monkeypatch.setenv("CURATE_BROWSER", program(tmp_path, text=text))
    (tmp_path / "page.html").write_text("page")
    write_pdf(tmp_path / "page.html", out=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes() == b"%PDF-1.4"
