"""Webhooks are called with the result of a round. Their addresses are secrets, and are never shown, even in part."""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from curation.errors import CurateError
from curation.quarantine import BadRecord, printable
from curation.storage.files import read_file, write_durable
from pipelines.loop.config import NotifySection

TIMEOUT_S: Final = 5.0
TRIES: Final = 3
PAUSE_S: Final = 1.0
FIELDS: Final = ("outcome", "model", "round", "sentence", "report", "miou")
SERVER_FAULT: Final = 500
TOO_MANY: Final = 429
REDIRECTS: Final = range(300, 400)
NUMBERS: Final = re.compile(r"\d+")
"""One more broken file is no other failure."""
FAILURE: Final = "told-failure.txt"
"""In the workspace: the failure that was told last."""
INERT: Final = str.maketrans("<>", "‹›")
"""Between these, chat programs read mentions and links, such as <!channel>."""

Event = Literal["success", "refusal", "failure"]


def notify(
    section: NotifySection, *, event: Event, told: Mapping[str, object], pause_s: float = PAUSE_S
) -> tuple[str, ...]:
    """Post the result of a round, as JSON, to every webhook that wants such an event; gives a warning for each fault.

    `told` holds any of outcome, model, round, sentence, report and miou. `text` is the same for people, which is what
    chat programs show. Nothing is raised: a round is none the worse for a webhook.
    """
    if event not in section.events:
        return ()
    body = {"event": event, "text": text_of(event, told=told)} | {name: told.get(name) for name in FIELDS}
    content = msgspec.json.encode(body, enc_hook=str)
    problems = {
        name: _post(os.environ.get(name, "").strip(), content=content, pause_s=pause_s) for name in section.webhooks
    }
    return tuple(f"the webhook {name} could not be called: {problem}" for name, problem in problems.items() if problem)


def notify_failure(section: NotifySection, *, told: Mapping[str, object], workspace: Path) -> tuple[str, ...]:
    """Post a failure as `notify` does, but the same one once, until another is told or `forget_failure` is called."""
    file, text = workspace / FAILURE, NUMBERS.sub("#", text_of("failure", told=told)).encode()
    with suppress(BadRecord):
        if read_file(file) == text:
            return ()
    warnings = notify(section, event="failure", told=told)
    if not warnings:
        with suppress(CurateError):  # the failure to report may be a full disk
            write_durable(file, text)
    return warnings


def forget_failure(workspace: Path) -> None:
    """Let the next failure be told, also the same one: a round ended otherwise."""
    with suppress(OSError):
        (workspace / FAILURE).unlink()


def text_of(event: Event, *, told: Mapping[str, object]) -> str:
    """Return the lines for people.

    >>> text_of("success", told={"model": "portrait", "round": 3, "outcome": "promoted", "sentence": "Better by 0.01."})
    'portrait, round 3: promoted. Better by 0.01.'
    """
    model = f"{told.get('model') or 'curate'}"
    number = f", round {told['round']}" if told.get("round") is not None else ""
    outcome = f"{told.get('outcome') or event}".replace("_", " ")
    sentence = f" {told['sentence']}" if told.get("sentence") else ""
    lines = f"{model}{number}: {outcome}.{sentence}".splitlines()
    return "\n".join(map(printable, lines)).translate(INERT)


def _post(address: str, *, content: bytes, pause_s: float) -> str:
    """Send, again where that may help, and give the problem in words that hold nothing of the address."""
    if not address:
        return "the variable is not set"
    try:
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked below
            address, data=content, headers={"Content-Type": "application/json", "User-Agent": "curate"}, method="POST"
        )
        parts = urlsplit(address)
    except ValueError:
        return "the variable holds no address"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "the variable holds no address of http or https"
    problem = ""
    for number in range(TRIES):
        time.sleep(number * pause_s)
        problem, may_pass = _tried(request)
        if not may_pass:
            break
    return problem


def _tried(request: urllib.request.Request) -> tuple[str, bool]:
    """Return the problem, empty where there is none, and whether it may pass."""
    # Of the library's errors only the kind is reported: their texts hold the address, or parts of it
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S):
            return "", False
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in REDIRECTS:
            return f"it answers {error.code}, a redirect, which is not followed", False
        return f"it answers {error.code}", error.code >= SERVER_FAULT or error.code == TOO_MANY
    except urllib.error.URLError as error:
        return f"it cannot be reached ({type(error.reason).__name__})", True
    except (OSError, http.client.HTTPException) as error:
        return f"it cannot be reached ({type(error).__name__})", not isinstance(error, http.client.InvalidURL)
    except ValueError:
        return "the variable holds no address", False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None
