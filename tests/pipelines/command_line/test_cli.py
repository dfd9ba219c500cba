"""The command line as a user meets it: exit codes, messages, signals (faults D2)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import click
import psutil
import pytest

import pipelines.command_line.cli
from curation.errors import (
    ConfigurationProblem,
    CurateError,
    EnvironmentProblem,
    InputRefused,
    Interrupted,
    RemoteUnavailable,
    SecurityRefused,
)
from pipelines.command_line.cli import GROUPS, VERBS, run_command
from tests.pipelines.commands import aifenge_command, draw_aifenge, finish, processes_of, run, start

EXIT_CODES = {
    InputRefused: 4,
    EnvironmentProblem: 5,
    RemoteUnavailable: 6,
    ConfigurationProblem: 7,
    SecurityRefused: 8,
    Interrupted: 130,
    CurateError: 70,
}
STOP_WITHIN_S = 5.0


def exit_code_of(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr("sys.argv", ["curate", *arguments])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as caught:
            run_command()
    finally:
        signal.signal(signal.SIGTERM, before)
    return caught.value.code


def failing(error: BaseException) -> Callable[..., click.Command]:
    def fail() -> None:
        raise error

    flags = [click.Option(["--json"], is_flag=True, expose_value=False)]
    return lambda *_: click.Command("aifenge", callback=fail, params=list(flags))


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["--nosuch"],
        ["aifenge"],
        ["aifenge", "--root", "x", "--out", "y", "--nosuch"],
        ["aifenge", "--root", "x", "--out", "y", "--workers", "many"],
        ["aifenge", "--root", "x", "--out", "y", "--verify", "somewhat"],
        ["stats"],
    ],
)
def test_wrong_usage_exits_2_and_says_where_help_is(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(*arguments, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert "Error: " in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("coco-persons", "did you mean coco-person?"),
        ("mrege", "did you mean merge?"),
        ("coco", "did you mean coco-person or coco-background?"),
        ("frobnicate", "there is no command 'frobnicate'"),
    ],
)
def test_a_misspelled_command_is_told_with_what_may_be_meant(
    word: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(word, monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().err.rstrip().endswith(meant)


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("verb", ["", *GROUPS, *VERBS])
def test_help_of_every_verb_works(
    verb: str, flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(*verb.split(), flag, monkeypatch=monkeypatch) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: ")
    assert verb in text
    if not verb:
        assert all(name.split()[0] in text for name in VERBS)


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of("--version", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.startswith("curate, version ")


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_an_error_exits_with_its_code_and_tells_file_reason_and_remedy(
    kind: type[CurateError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("it is broken", where="D/x.jpg", remedy="mend it")
    monkeypatch.setattr(pipelines.command_line.cli.LazyGroup, "get_command", failing(error))
    assert exit_code_of("aifenge", monkeypatch=monkeypatch) == EXIT_CODES[kind]
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    if kind is not Interrupted:
        assert said.err == "curate: D/x.jpg: it is broken\n  what to do: mend it\n"
    else:
        assert "run the same command again" in said.err


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_with_json_an_error_is_one_object_on_stdout(
    kind: type[CurateError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("it is broken", where="D/x.jpg", remedy="mend it")
    monkeypatch.setattr(pipelines.command_line.cli.LazyGroup, "get_command", failing(error))
    exit_code_of("aifenge", "--json", monkeypatch=monkeypatch)
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == EXIT_CODES[kind]
    assert told["error"]
    if kind is not Interrupted:
        assert told == {
            "error": "it is broken",
            "where": "D/x.jpg",
            "remedy": "mend it",
            "exit_code": EXIT_CODES[kind],
        }


def test_a_bug_of_ours_exits_70_with_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipelines.command_line.cli.LazyGroup, "get_command", failing(ZeroDivisionError("oops")))
    assert exit_code_of("aifenge", monkeypatch=monkeypatch) == 70
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "this is a bug of curate (ZeroDivisionError)" in said


def test_an_input_that_is_refused_is_told_without_a_traceback_and_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "R").mkdir()
    done = run(*aifenge_command(tmp_path / "R", tmp_path / "D"), "--json")
    assert done.returncode == 4
    told = json.loads(done.stdout)
    assert str(tmp_path / "R") in told["where"]
    assert told["remedy"]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "D").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("is_for_all", [False, True], ids=["to the parent", "to the group"])
@pytest.mark.parametrize("after", ["lock", "first image"])
def test_a_signal_ends_a_run_in_time_with_130_and_the_next_run_goes_on(
    tmp_path: Path, number: signal.Signals, is_for_all: bool, after: str
) -> None:
    root, out = draw_aifenge(tmp_path / "R", samples=400), tmp_path / "D"
    process = start(*aifenge_command(root, out, workers=2))
    wait_for(lambda: (out / ".curate" / "lock").exists() if after == "lock" else any((out / "images").glob("*.jpg")))
    sent = time.monotonic()
    (os.killpg if is_for_all else os.kill)(process.pid, number)
    done = finish(process)
    assert time.monotonic() - sent < STOP_WITHIN_S
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1] == "curate: interrupted; run the same command again; it continues where it was"
    assert "Traceback" not in done.stderr
    assert not (out / "manifest.parquet").exists()
    if after == "first image":
        again = run(*aifenge_command(root, out, workers=2))
        assert again.returncode == 0, again.stderr
        assert "400 samples" in again.stdout


def test_an_impatient_ctrl_c_is_no_other_than_a_single_one(tmp_path: Path) -> None:
    root, out = draw_aifenge(tmp_path / "R", samples=400), tmp_path / "D"
    process = start(*aifenge_command(root, out, workers=2))
    wait_for(lambda: any((out / "images").glob("*.jpg")))
    for _ in range(20):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.01)
    done = finish(process)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    root, out = draw_aifenge(tmp_path / "R", samples=400), tmp_path / "D"
    process = start(*aifenge_command(root, out, workers=2))
    wait_for(lambda: any((out / "images").glob("*.jpg")))
    assert len(psutil.Process(process.pid).children()) >= 2
    process.kill()
    process.communicate()
    assert processes_of(process.pid, patience_s=5.0) == []


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.005)
