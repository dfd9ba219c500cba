"""The doorkeeper in front of the App: what it refuses never reaches the App, and what passes is what was checked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote_to_bytes

import pytest
from bson import json_util
from bson.errors import InvalidId

from labeling.browsing.doorkeeper import Doorkeeper, Shown
from labeling.browsing.requests import Refused, checked_body
from labeling.browsing.serving import TOKEN
from tests.labeling.browsing.hostile_requests import SECRET, Ask, bodies, paths, posted, strangers, unneeded

pytest.importorskip("graphql", reason="the extra browse is not installed")
PORT = 5151
VALUE = "right-token"
COOKIE = f"curate-browse-{PORT}={VALUE}"


class App:
    """Stands for the App: notes what reaches it."""

    def __init__(self) -> None:
        self.scopes: list[MutableMapping[str, Any]] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            self.bodies.append((await receive()).get("body", b""))
            headers = [(b"access-control-allow-origin", b"*"), (b"cross-origin-resource-policy", b"cross-origin")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"app"})


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Make the folder of a dataset, and one beside it that nobody may see."""
    shown, outside = tmp_path / "shown", tmp_path / "outside"
    for folder in (shown / "images", outside, tmp_path / "shown-other"):
        folder.mkdir(parents=True)
    (shown / "images/001.png").write_bytes(b"picture")
    for file in (outside / "secret.png", tmp_path / "shown-other/secret.png", shown / "dataset.json"):
        file.write_bytes(SECRET)
    return shown, outside


def sent(
    ask: Ask, *, shown: Path, app: App | None = None, doorkeeper: Doorkeeper | None = None
) -> tuple[int, dict[str, list[str]], bytes]:
    """Put a request to a doorkeeper; give status, headers and body of the answer."""
    settings = Shown(port=PORT, token=VALUE, once="", name="d", folders=(str(shown.resolve()),))
    doorkeeper = doorkeeper or Doorkeeper(app or App(), shown=settings)
    headers = {"Host": f"127.0.0.1:{PORT}"} | ({"Cookie": COOKIE} if ask.has_cookie else {}) | ask.headers
    path, _, query = ask.target.partition("?")
    scope = {
        "type": "http",
        "method": ask.method,
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items() if value is not None],
    }
    messages: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": ask.body or b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    asyncio.run(doorkeeper(scope, receive, send))
    told: dict[str, list[str]] = {}
    for name, value in messages[0]["headers"]:
        told.setdefault(name.decode(), []).append(value.decode())
    return messages[0]["status"], told, b"".join(one.get("body", b"") for one in messages[1:])


def test_nothing_hostile_reaches_the_app(folders: tuple[Path, Path], tmp_path: Path) -> None:
    shown, outside = folders
    asks = [
        *strangers(port=PORT, dataset="d"),
        *unneeded(dataset="d"),
        *paths(shown=shown, outside=outside),
        *bodies(dataset="d", proof=tmp_path / "proof"),
    ]
    app = App()
    answers = [(ask, *sent(ask, shown=shown, app=app)) for ask in asks]
    no_host = {"no host": 403}  # a server of HTTP refuses it before the doorkeeper
    wrong = [(ask.name, status) for ask, status, *_ in answers if status != no_host.get(ask.name, ask.status)]
    assert wrong == []
    assert app.scopes == []
    assert len(answers) > 180
    assert all(len(body.splitlines()) == 1 and SECRET not in body for *_, body in answers), "one plain sentence each"
    assert all(headers["x-content-type-options"] == ["nosniff"] for _, _, headers, _ in answers)


@pytest.mark.parametrize("host", ["127.0.0.1:5151", "localhost:5151", "LOCALHOST:5151"])
def test_the_own_page_passes_by_either_name(folders: tuple[Path, Path], host: str) -> None:
    origin = f"http://{host}"
    ask = posted(
        "own", "/tagging", {"dataset": "d"}, headers={"Host": host, "Origin": origin, "Sec-Fetch-Site": "same-origin"}
    )
    assert sent(ask, shown=folders[0])[0] == 200


def test_the_token_becomes_a_cookie_that_no_script_reads_and_the_page_leads_on(folders: tuple[Path, Path]) -> None:
    ask = Ask(
        name="open",
        target=f"/datasets/my%20set?{TOKEN}={VALUE}",
        has_cookie=False,
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    app = App()
    status, headers, body = sent(ask, shown=folders[0], app=app)
    assert status == 200
    assert headers["set-cookie"] == [f"{COOKIE}; Path=/; HttpOnly; SameSite=Strict"]
    assert headers["referrer-policy"] == ["no-referrer"]
    assert headers["cache-control"] == ["no-store"]
    assert b'url=/datasets/my%20set"' in body
    assert VALUE.encode() not in body
    assert app.scopes == []


@pytest.mark.parametrize("path", ["//evil.example", "/%5Cevil.example", "/assets/a.js"])
def test_the_page_after_the_token_leads_nowhere_else(folders: tuple[Path, Path], path: str) -> None:
    _, _, body = sent(Ask(name="open", target=f"{path}?{TOKEN}={VALUE}", has_cookie=False), shown=folders[0])
    assert b'url=/"' in body


def test_the_page_after_the_token_holds_no_markup_of_the_address(folders: tuple[Path, Path]) -> None:
    asked = f"/datasets/%22%3E%3Cscript%3E?{TOKEN}={VALUE}"
    _, _, body = sent(Ask(name="open", target=asked, has_cookie=False), shown=folders[0])
    assert b"<script" not in body
    assert b'url=/datasets/%22%3E%3Cscript%3E"' in body


def test_a_picture_is_asked_for_by_the_path_that_was_checked(folders: tuple[Path, Path], tmp_path: Path) -> None:
    shown, _ = folders
    (tmp_path / "other name").symlink_to(shown)
    wanted = f"{tmp_path}/other name/../other name/images/001.png"
    app = App()
    status, headers, body = sent(
        Ask(name="p", target=f"/media?filepath={quote(wanted)}"), shown=tmp_path / "other name", app=app
    )
    assert (status, body) == (200, b"app")
    assert parse_qs(app.scopes[0]["query_string"].decode()) == {"filepath": [str(shown.resolve() / "images/001.png")]}
    assert "access-control-allow-origin" not in headers
    assert headers["cross-origin-resource-policy"] == ["same-origin"]
    assert headers["content-security-policy"][0].startswith("default-src 'none'; sandbox")


def test_what_was_read_is_passed_on_not_what_was_sent(folders: tuple[Path, Path]) -> None:
    app = App()
    ask = posted(
        "twice", "/tagging?x=1", b'{"dataset": "other", "dataset": "d"}', headers={"Content-Type": "text/plain"}
    )
    assert sent(ask, shown=folders[0], app=app)[0] == 200
    assert app.bodies == [json.dumps({"dataset": "d"}).encode()]
    passed = dict(app.scopes[0]["headers"])
    assert (passed[b"content-type"], passed[b"content-length"]) == (b"application/json", b"16")
    assert app.scopes[0]["query_string"] == b""


def test_what_the_page_of_the_app_sends_passes(folders: tuple[Path, Path]) -> None:
    spaces = {"_cls": "Space", "children": [{"_cls": "Panel", "type": "Samples"}]}
    stages = [
        {"_cls": "fiftyone.core.stages.SortBy", "kwargs": [["field_or_expr", "miou"], ["reverse", False]]},
        {"_cls": "fiftyone.core.stages.Match", "kwargs": [["filter", {"$expr": {"$lt": ["$miou", 0.8]}}]]},
    ]
    filters = {"verdict.label": {"values": ["a.b"], "exclude": False}, "_CLS": "str"}
    query = "query q($v: BSONArray, $n: String!, $f: JSON) { samples(dataset: $n, view: $v, filters: $f) { total } }"
    asks = [
        posted("graphql", "/graphql", {"query": query, "variables": {"v": stages, "n": "d", "f": filters}}),
        posted(
            "spaces",
            "/graphql",
            {"query": "mutation m($s: BSON!) { setSpaces(spaces: $s) }", "variables": {"s": spaces}},
        ),
        posted("tag", "/tag", {"dataset": "d", "view": stages, "filters": filters, "changes": {"relabel": True}}),
        posted(
            "events",
            "/events",
            {"initializer": {"dataset": "d", "view": None}, "events": ["refresh"], "subscription": "a"},
        ),
        posted("home", "/events", {"initializer": {"dataset": None}, "events": [], "subscription": "a"}),
    ]
    assert [sent(ask, shown=folders[0])[0] for ask in asks] == [200] * len(asks)


def test_a_body_without_end_is_refused(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.browsing.doorkeeper.LARGEST_BODY", 10)
    assert sent(posted("large", "/tag", b"x" * 11), shown=folders[0])[0] == 413


def test_a_websocket_is_closed_and_the_life_of_the_server_is_passed_on(tmp_path: Path) -> None:
    app = App()
    doorkeeper = Doorkeeper(app, shown=Shown(port=PORT, token=VALUE, once="", name="d", folders=(str(tmp_path),)))
    told: list[Any] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message)

    asyncio.run(doorkeeper({"type": "websocket", "path": "/"}, receive, send))
    assert (told, app.scopes) == ([{"type": "websocket.close", "code": 1008}], [])
    asyncio.run(doorkeeper({"type": "lifespan"}, receive, send))
    assert app.scopes == [{"type": "lifespan"}]


def test_what_a_started_browser_is_given_opens_once(tmp_path: Path) -> None:
    shown = Shown(port=PORT, token=VALUE, once="once", name="d", folders=(str(tmp_path),))
    doorkeeper = Doorkeeper(App(), shown=shown)
    ask = Ask(name="open", target=f"/?{TOKEN}=once", has_cookie=False)
    told = [sent(ask, shown=tmp_path, doorkeeper=doorkeeper) for _ in range(2)]
    assert [status for status, *_ in told] == [200, 403]
    assert told[0][1]["set-cookie"][0].startswith(COOKIE)
    assert (
        sent(
            Ask(name="cookie", target="/fiftyone", has_cookie=False, headers={"Cookie": COOKIE.replace(VALUE, "once")}),
            shown=tmp_path,
            doorkeeper=doorkeeper,
        )[0]
        == 403
    )
    assert (
        sent(Ask(name="no code", target=f"/?{TOKEN}=", has_cookie=False), shown=tmp_path, doorkeeper=doorkeeper)[0]
        == 403
    )


def test_the_token_stands_in_no_log() -> None:
    assert VALUE not in repr(Shown(port=PORT, token=VALUE, once="", name="d", folders=()))


@pytest.mark.parametrize("kind", sorted(json_util._PARSERS))
def test_no_object_of_mongodbs_json_passes_that_the_app_would_read_as_a_text(kind: str) -> None:
    body = json.dumps({"dataset": {kind: "other"}}).encode()
    try:
        read = json_util.loads(body)["dataset"]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, InvalidId):
        return  # the App refuses it itself
    if isinstance(read, str):
        with pytest.raises(Refused, match="browsing does not need this"):
            checked_body(body, path="/values", name="d")
