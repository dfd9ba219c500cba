"""A real Label Studio tells the schedule how many labels are new."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from labeling.label_tools.label_studio.project.project import the_project
from labeling.label_tools.label_studio.project.tasks import list_tasks
from labeling.label_tools.label_studio.pull.status import submitted_since
from labeling.label_tools.label_studio.push.push import push
from labeling.label_tools.label_studio.server.client import Client
from labeling.label_tools.label_studio.stand_in import submit
from tests.labeling.label_tools.label_studio.drawn import draw_dataset, push_of
from tests.real.label_studio_server import serving

pytestmark = pytest.mark.real


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with serving(tmp_path / "server") as access, Client(access) as found:
        yield found


@pytest.mark.nightly  # a minute of processor; test_round_real.py pulls from such a server and goes on
def test_new_labels_are_those_that_were_submitted_since_the_last_round(client: Client, tmp_path: Path) -> None:
    title = f"test {uuid.uuid4().hex[:8]}"
    assert submitted_since(None, client=client, title=title) == 0
    push(dataclasses.replace(push_of(draw_dataset(tmp_path / "D", samples=4)), title=title), client=client)
    project = the_project(client, title=title)
    try:
        before = datetime.now(UTC) - timedelta(seconds=1)
        for task in list(list_tasks(client, project=project.id))[:3]:
            result = client.get(f"/api/tasks/{task.id}/", kind=dict)["predictions"][0]["result"]
            submit(client, task=task.id, body={"result": result})
        after = datetime.now(UTC) + timedelta(seconds=1)
        assert submitted_since(None, client=client, title=title) == 3
        assert submitted_since(before, client=client, title=title) == 3
        assert submitted_since(after, client=client, title=title) == 0
        # The server leaves out what is older itself: a poll costs one short page
        assert list(list_tasks(client, project=project.id, since=after)) == []
        assert len(list(list_tasks(client, project=project.id, since=before))) >= 3
    finally:
        client.delete(f"/api/projects/{project.id}/")
