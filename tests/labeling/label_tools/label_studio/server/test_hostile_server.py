"""Whatever a server answers: a clear end, exit 6 or a quarantine, and nothing written where nothing belongs."""

from __future__ import annotations

import base64
import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import ConfigurationProblem, CurateError, RemoteUnavailable, SecurityRefused
from labeling.label_tools.label_studio.project import project, tasks
from labeling.label_tools.label_studio.project.tasks import list_tasks
from labeling.label_tools.label_studio.pull.status import submitted_since
from labeling.label_tools.label_studio.server import client as calls
from labeling.label_tools.label_studio.server.access import Access
from labeling.label_tools.label_studio.server.client import Client, Patience
from pipelines.command_line.options import RunOptions
from pipelines.labels.pull import PullFlags, pull
from pipelines.labels.push import PushFlags, push
from pipelines.labels.status import StatusFlags, status
from tests.labeling.label_tools.label_studio.drawn import client_of
from tests.labeling.label_tools.label_studio.fake_server import TOKEN, FakeServer, running
from tests.labeling.label_tools.label_studio.mutations import Twist, endless
from tests.labeling.label_tools.label_studio.rounds import Round, box

MUTATIONS = int(os.environ.get("CURATE_MUTATIONS", "60"))
"""For each verb; thousands were tried once."""
QUIET = RunOptions(workers=0, quiet=True)
ALLOWED = {0, 3, 4, 6}
"""Done; some set aside; refused, since a label or a choice means nothing to us; an answer that is none."""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Round]:
    """A project with drafts, submitted and skipped tasks."""
    with running(FakeServer()) as server:
        made = Round(tmp_path_factory.mktemp("hostile"), server)
        made.submit("0001", box(3, 9), verdict="fixed", completed_by=7)
        made.submit("0002", box(2, 8))
        made.submit("0003", was_cancelled=True)
        server.drafts.add(made.tasks["0004"])
        yield made


@pytest.fixture
def known(labelled: Round, monkeypatch: pytest.MonkeyPatch) -> Round:
    monkeypatch.setenv("LABEL_STUDIO_URL", labelled.server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
    return labelled


def code_of(command: Callable[[], Any]) -> int:
    """Return the exit code of a command; any other exception fails the test, as it would end with 70."""
    try:
        return int(command().exit_code)
    except CurateError as error:
        assert error.reason and str(error.where)
        return error.exit_code


def commands(folder: Path) -> dict[str, Callable[[], Any]]:
    flags: dict[str, Any] = {"dataset": folder, "project": "drawn", "patience": 0.0}
    images = {"images": "url", "image_url": "https://pictures.example.org/"}
    return {
        "push": lambda: push(PushFlags(**flags, **images), run=QUIET),
        "pull": lambda: pull(PullFlags(**flags), run=QUIET),
        "status": lambda: status(StatusFlags(**flags), run=QUIET),
    }


@pytest.mark.parametrize("verb", ["push", "pull", "status"])
def test_no_answer_ends_with_our_bug_or_writes_outside(known: Round, tmp_path: Path, verb: str) -> None:
    server, before = known.server, dict(known.server.tasks)
    codes: Counter[int] = Counter()
    for seed in range(MUTATIONS):
        place = tmp_path / f"{verb}{seed}"
        shutil.copytree(known.dataset.folder, place / "in" / "drawn")
        twist = Twist(seed, first=3 if verb != "push" else 5)
        if verb == "push":  # has something to send, and a double to settle
            server.tasks = {id_: task for id_, task in before.items() if id_ != known.tasks["0005"]}
        server.twist = twist
        try:
            code = code_of(commands(place / "in" / "drawn")[verb])
        except BaseException as error:
            raise AssertionError(f"seed {seed}, {twist.told}") from error
        finally:
            server.twist = lambda method, path, content: content
            gone = {id_ for id_ in before if id_ not in server.tasks} - {known.tasks["0005"]}
            server.tasks = dict(before)
        assert code in ALLOWED, (seed, twist.told)
        assert not gone, (seed, twist.told)
        assert [one.name for one in place.iterdir()] == ["in"], (seed, twist.told)
        assert {one.name for one in (place / "in").iterdir()} == {"drawn"}, (seed, twist.told)
        assert len(read_dataset(place / "in" / "drawn")) == len(known.dataset)
        codes[code] += 1
        shutil.rmtree(place)
    assert codes[6] > MUTATIONS / 4, codes  # the mutations do reach what is read


def test_an_annotation_whose_number_is_a_path_is_refused_and_nothing_is_written(known: Round, tmp_path: Path) -> None:
    victim = tmp_path / "victim.png"
    victim.write_bytes(b"mine")
    for bad in ("../../../victim", str(tmp_path / "victim")):
        folder = tmp_path / "in" / "drawn"
        shutil.copytree(known.dataset.folder, folder)
        known.server.twist = lambda method, path, content, bad=bad: content.replace(  # type: ignore[misc]
            b'"annotations": [{"id": ', b'"annotations": [{"id": "%b", "was": ' % bad.encode()
        )
        assert code_of(commands(folder)["pull"]) == 6
        known.server.twist = lambda method, path, content: content
        assert victim.read_bytes() == b"mine"
        assert [one.name for one in tmp_path.glob("*.png")] == ["victim.png"]
        assert list(folder.glob("masks/*.v*")) == []
        shutil.rmtree(folder)


def test_a_journal_that_names_another_file_is_not_believed(tmp_path: Path) -> None:
    victim = tmp_path / "victim.png"
    victim.write_bytes(b"mine")
    with running(FakeServer()) as server:
        made = Round(tmp_path / "round", server)
        made.submit("0001", box(3, 9))
        made.pull()
        (journal,) = made.dataset.path("labeling").glob("came-*")
        header, line = journal.read_bytes().splitlines()
        text = line[9:].replace(b'"staged":"', b'"staged":"../../../victim.png","was":"')
        assert text != line[9:]
        journal.write_bytes(header + b"\n%08x %b\n" % (zlib.crc32(text), text))
        pulled = made.pull()
    assert pulled.read == 1  # the line is none of ours: the sample is asked for again
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("grows", [False, True])
def test_a_server_that_pages_for_ever_is_left(known: Round, grows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LISTED", 3)
    monkeypatch.setattr(tasks, "MAX_TASKS", 60)
    row = {"updated_at": "2030-01-01T00:00:00Z", "total_annotations": 0, "cancelled_annotations": 0, "data": {}}
    known.server.twist = endless(
        lambda number: {"tasks": [{"id": 1 + one + 3 * number * grows} | row for one in range(3)]}
    )
    with client_of(known.server.url) as client:
        with pytest.raises(RemoteUnavailable, match="more than 60 tasks" if grows else "in order"):
            list(list_tasks(client, project=1))
        with pytest.raises(RemoteUnavailable):
            submitted_since(None, client=client, title="drawn")
    known.server.twist = lambda method, path, content: content


@pytest.mark.parametrize("grows", [False, True])
def test_projects_without_end_are_left(known: Round, grows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "MAX_PAGES", 20)
    numbers = iter(range(1, 10**9))

    def twist(method: str, path: str, content: bytes) -> bytes:
        entry = b'{"id": %d, "title": "other"}' % (next(numbers) if grows else 1)
        return b'{"count": 1000000, "results": [%b]}' % entry

    known.server.twist = twist
    with client_of(known.server.url) as client, pytest.raises(RemoteUnavailable, match="pages"):
        project.find_project(client, title="drawn")
    known.server.twist = lambda method, path, content: content


def test_a_project_that_is_made_and_never_listed_is_made_once() -> None:
    server = FakeServer(twist=lambda method, path, content: b'{"count": 0, "results": []}')
    with running(server), client_of(server.url) as client, pytest.raises(RemoteUnavailable, match="is not there"):
        project.open_project(client, title="drawn")
    assert len(server.projects) == 1


def test_an_answer_without_end_is_left(known: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "LARGEST_ANSWER", 1000)
    known.server.twist = lambda method, path, content: b" " * 2000 + content
    with client_of(known.server.url) as client, pytest.raises(RemoteUnavailable, match="more than 1,000 bytes"):
        project.find_project(client, title="drawn")
    known.server.twist = lambda method, path, content: content


@pytest.mark.parametrize("status_code", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["get", "post", "get_bytes"])
def test_a_redirect_takes_the_token_nowhere(status_code: int, method: str) -> None:
    with running(FakeServer()) as elsewhere:
        server = FakeServer(redirect=f"{elsewhere.url}/api/projects", fault=lambda *_: f"status {status_code}")
        with running(server), client_of(server.url) as client:
            options = {"get": {"kind": dict}, "post": {"kind": dict, "outage": client.outage(), "json": {}}}
            with pytest.raises(ConfigurationProblem, match="sends us to") as caught:
                getattr(client, method)("/api/projects", **options.get(method, {}))
        assert elsewhere.requests == []
        assert elsewhere.url in caught.value.reason and TOKEN not in str(caught.value)


@pytest.mark.parametrize("path", ["https://elsewhere.example.org/x", "//elsewhere.example.org/x", "api/projects"])
def test_no_path_leads_to_another_server(path: str) -> None:
    with client_of("http://127.0.0.1:9") as client, pytest.raises(SecurityRefused, match="no path of the server"):
        client.get_bytes(path)


@pytest.mark.parametrize("access", [7, "a\nb: c", "", None, "ü", ["x"]])
def test_a_short_token_that_is_none_is_refused(access: Any) -> None:
    server = FakeServer(twist=lambda method, path, content: json.dumps({"access": access}).encode())
    server.fault = lambda method, path: "status 200"
    with running(server):
        reached = Access(url=server.url, token="a.b.c")
        with Client(reached, patience=Patience(limit_s=0)) as client, pytest.raises(RemoteUnavailable):
            client.get("/api/projects", kind=dict)


@pytest.mark.parametrize("claims", [b"[]", b"7", b'{"exp": "soon"}', b"{}", b"\xff"])
def test_a_short_token_that_tells_no_end_is_used_for_a_while(claims: bytes) -> None:
    token = f"a.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c"
    made = calls.Token(Access(url="http://127.0.0.1:9", token="a.b.c"))
    made.renew(calls.AccessToken(access=token))
    assert made.header == f"Bearer {token}"
    assert not made.is_ending()
