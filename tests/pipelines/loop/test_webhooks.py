"""Webhooks, with a server that answers as it is told to; the address never shows."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.loop.config import NotifySection
from pipelines.loop.webhooks import TRIES, notify, text_of
from tests.pipelines.loop.webhook import Hook, listening

SECRET = "T0KEN-of-nobody-else"
NAME = "CURATE_WEBHOOK_URL"
SECTION = NotifySection(webhooks=(NAME,))
TOLD: dict[str, object] = {
    "outcome": "promoted",
    "model": "portrait",
    "round": 3,
    "sentence": "Better by 0.01.",
    "report": Path("rounds/3/report.html"),
    "miou": 0.93,
    "extra": "is not sent",
}


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with listening() as held:
        monkeypatch.setenv(NAME, f"{held.url}/{SECRET}")
        yield held


def told(event: Any = "success", section: NotifySection = SECTION) -> tuple[str, ...]:
    return notify(section, event=event, told=TOLD, pause_s=0.01)


def test_a_webhook_gets_the_round_and_a_line_for_people(hook: Hook) -> None:
    assert told() == ()
    assert hook.paths == [f"/{SECRET}"]
    assert hook.bodies == [
        {
            "event": "success",
            "text": "portrait, round 3: promoted. Better by 0.01.",
            "outcome": "promoted",
            "model": "portrait",
            "round": 3,
            "sentence": "Better by 0.01.",
            "report": "rounds/3/report.html",
            "miou": 0.93,
        }
    ]


def test_what_is_not_known_and_what_is_no_number_is_null(hook: Hook) -> None:
    assert notify(SECTION, event="failure", told={"miou": float("nan")}) == ()
    assert hook.bodies[0]["miou"] is None
    assert hook.bodies[0]["round"] is None
    assert hook.bodies[0]["text"] == "curate: failure."


def test_events_that_nobody_wants_are_not_told(hook: Hook) -> None:
    assert told("success", NotifySection(webhooks=(NAME,), events=("failure",))) == ()
    assert hook.bodies == []


def test_a_server_that_fails_is_tried_again(hook: Hook) -> None:
    hook.codes = [500, 429, 200]
    assert told() == ()
    assert len(hook.bodies) == TRIES


@pytest.mark.parametrize(
    ("code", "times", "problem"),
    [
        (503, TRIES, "it answers 503"),
        (404, 1, "it answers 404"),
        (302, 1, "it answers 302, a redirect, which is not followed"),
        (307, 1, "it answers 307, a redirect, which is not followed"),
    ],
)
def test_a_server_that_refuses_is_a_warning(hook: Hook, code: int, times: int, problem: str) -> None:
    hook.codes = [code]
    assert told() == (f"the webhook {NAME} could not be called: {problem}",)
    assert len(hook.paths) == times
    assert "/elsewhere" not in hook.paths


@pytest.mark.parametrize(
    "address",
    [
        "",
        SECRET,
        f"https://{SECRET}:no-port/x",
        f"http://[{SECRET}/x",
        f"ftp://example.org/{SECRET}",
        f"file:///etc/{SECRET}",
        f"http:///{SECRET}",
        f"http://127.0.0.1/{SECRET} with spaces",
        f"http://127.0.0.1/{SECRET}\x7f",
        f"http://user:{SECRET}@127.0.0.1/",
        f"http://127.0.0.1/ü{SECRET}",
    ],
)
def test_a_bad_address_is_a_warning_that_holds_nothing_of_it(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(NAME, address)
    (warning,) = told()
    assert NAME in warning
    said = capfd.readouterr()
    for text in (warning, caplog.text, said.out, said.err):
        assert SECRET not in text
        assert "user" not in text


def test_a_variable_that_is_not_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    assert told() == (f"the webhook {NAME} could not be called: the variable is not set",)


def test_a_server_that_is_away_is_a_warning_without_its_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv(NAME, f"http://127.0.0.1:{port}/{SECRET}")
    (warning,) = told()
    assert "cannot be reached (ConnectionRefusedError)" in warning
    assert SECRET not in warning + caplog.text
    assert str(port) not in warning


def test_a_server_that_does_not_answer_is_waited_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.loop.webhooks.TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(NAME, f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}")
        (warning,) = told()
    assert "cannot be reached (TimeoutError)" in warning


def test_a_failing_webhook_does_not_keep_others_from_being_told(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST", "nothing")
    (warning,) = told("refusal", NotifySection(webhooks=("FIRST", NAME)))
    assert "FIRST" in warning
    assert hook.bodies[0]["event"] == "refusal"


def test_the_text_for_people_mentions_nobody_and_keeps_its_lines() -> None:
    text = text_of("failure", told={"sentence": "<!channel>\n\x1b[31mred", "outcome": "nothing_to_do"})
    assert text == "curate: nothing to do. ‹!channel›\n\\x1b[31mred"
