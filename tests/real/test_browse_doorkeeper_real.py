"""The App as a stranger meets it: the real App and its database, hostile requests, another page, another name."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psutil
import pytest

from labeling.browsing.guard import ADDRESS
from labeling.browsing.mongod import browse_folder, find_mongod
from tests.bench.measuring import CURATE
from tests.labeling.browsing.hostile_requests import SECRET, Ask, bodies, paths, posted, strangers, unneeded
from tests.real.page_condition import wait_until
from tests.real.test_browse_real import PATIENCE_S, address_of, curate, draw, mongods, wait_for

pytest.importorskip("pymongo", reason="the extra browse is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.real, pytest.mark.skipif(find_mongod() is None, reason="no mongod on this machine")]
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
NAME = "first and second"
BROWSER_MS = 180_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The App of two datasets, one of them reached by a link, and a folder beside them."""

    url: str
    first: Path
    second: Path
    outside: Path
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        """The port of the App."""
        return int(urlsplit(self.url).port or 0)

    @property
    def cookie(self) -> str:
        """The cookie that the address gives."""
        return f"curate-browse-{self.port}={parse_qs(urlsplit(self.url).query)['token'][0]}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("doorkeeper")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home / "data"))
        patch.setenv("HOME", str(home))
        for name in ("FIFTYONE_DATABASE_URI", "FIFTYONE_DATABASE_DIR"):
            patch.delenv(name, raising=False)
        (home / "outside").mkdir()
        (home / "outside/secret.png").write_bytes(SECRET)
        first, second = draw(home / "first"), draw(home / "real/second")
        (home / "link").symlink_to(second)
        command = [str(CURATE), "browse", str(first), str(home / "link"), "--no-open", "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            url = address_of(process)
            yield Place(url=url, first=first, second=second, outside=home / "outside", process=process)
        finally:
            process.send_signal(signal.SIGTERM)
            _, error = process.communicate(timeout=PATIENCE_S)
            wait_for(lambda: not mongods(), what="the database to stop")
        assert process.returncode == 0, error


def sent(ask: Ask, *, place: Place) -> tuple[int, dict[str, str], bytes]:
    """Send a request as it is, over a socket."""
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=PATIENCE_S)
    headers = {"Host": f"127.0.0.1:{place.port}"} | ({"Cookie": place.cookie} if ask.has_cookie else {}) | ask.headers
    if ask.body is not None:
        headers["Content-Length"] = str(len(ask.body))
    try:
        connection.putrequest(ask.method, ask.target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value.encode())
        connection.endheaders(ask.body)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def picture(path: Path | str, **more: Any) -> Ask:
    """Return the request for a picture."""
    return Ask(name=str(path), target=f"/media?filepath={quote(str(path))}", **more)


def test_no_hostile_request_is_served(place: Place, tmp_path: Path, record_property: Any) -> None:
    proof = tmp_path / "proof"
    slug = urlsplit(place.url).path.rpartition("/")[2]
    asks = [
        *strangers(port=place.port, dataset=slug),
        *unneeded(dataset=slug),
        *paths(shown=place.first, outside=place.outside),
        *bodies(dataset=NAME, proof=proof),
    ]
    answers = [(ask, *sent(ask, place=place)) for ask in asks]
    assert [(ask.name, status) for ask, status, *_ in answers if status != ask.status] == []
    assert [ask.name for ask, _, _, body in answers if SECRET in body or b"root:" in body] == []
    assert [ask.name for ask, _, headers, _ in answers if "access-control-allow-origin" in headers] == []
    assert not proof.exists()
    record_property("hostile requests", len(answers))
    print(f"{len(answers)} hostile requests, 0 served")


def test_pictures_of_what_is_shown_are_served_whole_in_part_and_by_name(place: Place) -> None:
    for folder in (place.first, place.second):
        for file in ("images/001.png", "masks/001.png", "predictions/001.png"):
            whole = (folder / file).read_bytes()
            status, headers, body = sent(picture(folder / file), place=place)
            assert (status, body, headers["content-type"]) == (200, whole, "image/png")
            assert headers["x-content-type-options"] == "nosniff"
    asked = picture(place.first / "images/001.png", headers={"Range": "bytes=0-9"})
    assert sent(asked, place=place)[::2] == (206, (place.first / "images/001.png").read_bytes()[:10])
    head = picture(place.first / "images/001.png", method="HEAD")
    assert sent(head, place=place)[::2] == (200, b"")
    through_link = place.first.parent / "link/images/001.png"
    assert sent(picture(through_link), place=place)[0] == 200


def test_the_app_names_no_dataset_but_the_one_that_is_shown(place: Place) -> None:
    other = draw(place.first.parent / "other")
    assert curate("browse", other, "--no-serve")["name"] == "other"
    query = '{ datasets(search: "", first: 50) { edges { node { name } } } }'
    _, _, body = sent(posted("datasets", "/graphql", {"query": query}), place=place)
    assert [edge["node"]["name"] for edge in json.loads(body)["data"]["datasets"]["edges"]] == [NAME]
    assert sent(picture(other / "images/001.png"), place=place)[0] == 404


def test_a_websocket_is_refused_with_the_right_cookie_and_with_a_foreign_origin(place: Place) -> None:
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x" * 24,
    }
    for origin in (f"http://127.0.0.1:{place.port}", "http://evil.example"):
        ask = Ask(name="websocket", target="/graphql", headers=upgrade | {"Origin": origin})
        assert sent(ask, place=place)[0] in {400, 403, 405}


def test_what_listens_is_one_port_of_loopback_and_a_socket_file_of_its_user(place: Place) -> None:
    family = [
        psutil.Process(place.process.pid),
        *psutil.Process(place.process.pid).children(recursive=True),
        *mongods(),
    ]
    connections = [one for member in family for one in member.net_connections("inet")]
    assert {(one.laddr.ip, one.laddr.port) for one in connections if one.status == psutil.CONN_LISTEN} == {
        ("127.0.0.1", place.port)
    }
    (mongod,) = mongods()
    listening = Path(json.loads((browse_folder() / ADDRESS).read_bytes())["socket"])
    assert str(listening) in {one.laddr for one in mongod.net_connections("unix")}
    assert stat.S_ISSOCK(listening.stat().st_mode)
    folders = [listening.parent, browse_folder(), browse_folder() / "db"]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 3
    options = mongod.cmdline()
    assert options[options.index("--networkMessageCompressors") + 1] == "disabled"
    assert "--noscripting" in options


def test_the_token_stands_neither_in_a_log_nor_in_what_programs_show_of_themselves(place: Place) -> None:
    token = place.cookie.partition("=")[2].encode()
    logs = [path.read_bytes() for path in browse_folder().glob("*.log")]
    shown = [" ".join(one.cmdline()).encode() for one in psutil.Process(place.process.pid).children(recursive=True)]
    assert len(logs) == 2 and shown
    assert not any(token in text for text in logs + shown)


class Evil(BaseHTTPRequestHandler):
    """A page of somebody else, which asks the App for all that a page can ask for."""

    def __init__(self, port: int, *more: Any) -> None:
        self._app = f"http://127.0.0.1:{port}"
        super().__init__(*more)

    def do_GET(self) -> None:
        body = f"""<!doctype html><title>evil</title>
        <form id=f method=post action={self._app}/graphql enctype=text/plain>
        <input name='{{"query": "{{version}}", "a": "' value='"}}'></form><script>
        const app = "{self._app}", read = []
        const ask = (path, how) => fetch(app + path, how).then(r => r.text()).then(t => read.push(t), () => 0)
        const socket = new Promise(done => {{ const s = new WebSocket(app.replace("http", "ws") + "/graphql")
          s.onopen = () => {{ read.push("socket"); done() }}; s.onerror = done }})
        const picture = new Promise(done => {{ const i = new Image(); i.onload = () => {{ read.push("i"); done() }}
          i.onerror = done; i.src = app + "/media?filepath=/etc/passwd" }})
        const body = JSON.stringify({{query: "{{version}}"}}), method = "POST", credentials = "include"
        Promise.all([socket, picture, ask("/fiftyone", {{credentials}}), ask("/graphql", {{method, body, credentials}}),
          ask("/events", {{method, body, credentials}}), ask("/graphql", {{method, body, credentials,
          headers: {{"Content-Type": "application/json"}}}})]).then(() => document.title = "read " + read.length)
        </script>""".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def evil(place: Place) -> Iterator[int]:
    """Serve a page of somebody else; give its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Evil, place.port))  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def context(place: Place) -> Iterator[Any]:
    """Open a browser that has opened the App, and for which another name means 127.0.0.1."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP evil.example 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        found = browser.new_context(viewport={"width": 1500, "height": 950})
        found.set_default_timeout(BROWSER_MS)
        yield found
        browser.close()


@needs_browser
def test_a_person_tags_in_the_app_and_nothing_that_the_page_asks_for_is_refused(place: Place, context: Any) -> None:
    page = context.new_page()
    refused: list[tuple[str, int]] = []
    page.on("response", lambda one: refused.append((one.url, one.status)) if one.status >= 400 else None)
    page.goto(place.url)
    page.wait_for_url(lambda url: url == f"{place.url.partition('?')[0]}?view=hard")
    page.get_by_text("model_error").first.wait_for()
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    tag_first(page)
    assert refused == []
    assert curate("browse", "pull", place.first, "--dry-run")["datasets"][0]["relabel"] == 1


@needs_browser
def test_another_page_gets_nothing_from_the_browser_that_has_the_cookie(place: Place, evil: int, context: Any) -> None:
    page = context.new_page()
    page.goto(place.url)
    page.wait_for_url(lambda url: url == f"{place.url.partition('?')[0]}?view=hard")
    page.goto("about:blank")
    for host in ("evil.example", "127.0.0.1"):  # another site; and another port of ours, which shares the cookie
        page.goto(f"http://{host}:{evil}/")
        wait_until(page, "document.title.startsWith('read')")
        assert page.title() == "read 0"
        page.evaluate("document.getElementById('f').submit()")
        page.wait_for_url(f"http://127.0.0.1:{place.port}/graphql")
        assert "this request comes from another page" in page.content()
    page.goto(f"http://evil.example:{place.port}/fiftyone")  # a name that was made to mean 127.0.0.1
    assert "this server answers to 127.0.0.1" in page.content()


def tag_first(page: Any) -> None:
    """Give the first sample the tag `relabel`, by the buttons of the App."""
    page.mouse.move(400, 250)
    page.wait_for_timeout(500)
    page.mouse.click(330, 165)
    page.locator('[data-cy="action-tag-sample-labels"]').first.click()
    page.get_by_placeholder("+ tag").first.click()
    page.keyboard.type("relabel")
    page.keyboard.press("Enter")
    with page.expect_response("**/tag") as told:
        page.get_by_text("Apply").first.click()
    assert told.value.status == 200
