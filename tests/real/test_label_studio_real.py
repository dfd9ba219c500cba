"""A real Label Studio: masks survive to the pixel, through its API and its page, and faults lose and double nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from label_studio_sdk.converter.brush import decode_rle

from curation.dataset.dataset import read_dataset
from curation.errors import ConfigurationProblem, RemoteUnavailable
from curation.images.pixels import decode_mask
from labeling.label_tools.label_studio.check_round_trip import check_server
from labeling.label_tools.label_studio.project.project import the_project
from labeling.label_tools.label_studio.project.tasks import fetch_answers, list_tasks
from labeling.label_tools.label_studio.pull.pull import pull
from labeling.label_tools.label_studio.push.push import push
from labeling.label_tools.label_studio.server.access import Access, read_running, read_secrets
from labeling.label_tools.label_studio.server.client import Client, Patience
from tests.labeling.label_tools.label_studio.drawn import draw_dataset, push_of
from tests.labeling.label_tools.label_studio.fake_server import one_in
from tests.real.label_studio_projects import portraits, submit_all, whole
from tests.real.label_studio_server import chromium, proxy

ROUND_TRIP = int(os.environ.get("CURATE_ROUND_TRIP", "12"))
"""Of the 200 portraits; all of them take minutes, since each is submitted by a call of its own."""
FAULTY_PUSHES = int(os.environ.get("CURATE_FAULTY_PUSHES", "20"))
pytestmark = pytest.mark.real


@pytest.mark.parametrize("images", ["local", "upload"])
def test_masks_that_are_hard_to_carry_come_back_equal(client: Client, images: Any) -> None:
    if images == "local" and client.access.files is None:
        pytest.skip("the server is not one of `curate label serve`")
    before = everything(client)
    found = check_server(client, images=images)
    assert [one.reason for one in found] == [""] * len(found)
    assert everything(client) == before


@pytest.mark.parametrize("broken", ["/import", "/annotations/", "/api/tasks"])
def test_a_check_that_fails_leaves_nothing_behind(access: Access, client: Client, broken: str) -> None:
    before = everything(client)

    def fault(method: str, path: str) -> str:
        return "500 before" if path.partition("?")[0].endswith(broken) else ""

    with proxy(access.url, fault=fault) as address:
        reached = Access(url=address, token=access.token, files=access.files)
        with Client(reached, patience=Patience(limit_s=0.0)) as faulty, pytest.raises(RemoteUnavailable):
            check_server(faulty, images="auto")
    assert everything(client) == before


def everything(client: Client) -> tuple[set[int], set[str]]:
    """Return the projects of a server, and the folders of its pictures."""
    projects = client.get("/api/projects", kind=dict, page_size=1000)["results"]
    files = client.access.files
    folders = set() if files is None or not files.is_dir() else {one.name for one in files.iterdir()}
    return {one["id"] for one in projects}, folders


def test_real_portraits_come_back_to_the_pixel(client: Client, title: str, tmp_path: Path) -> None:
    dataset = portraits(tmp_path, limit=ROUND_TRIP)
    assert push(whole(dataset, title=title), client=client).sent == ROUND_TRIP
    submit_all(client, title=title, turned=True)
    assert pull(dataset, client=client, title=title).applied.written == ROUND_TRIP
    assert pull(read_dataset(dataset.folder), client=client, title=title).applied.written == 0
    for row in read_dataset(dataset.folder).table.to_pylist():
        old, new = (dataset.path(name).read_bytes() for name in (f"masks/{row['id']}.png", row["mask"]))
        assert row["mask"] == f"masks/{row['id']}.v1.png"
        assert np.array_equal(decode_mask(new, file=""), decode_mask(old, file="")[::-1])


def test_faults_lose_no_task_and_double_none(access: Access, client: Client, title: str, tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path, samples=FAULTY_PUSHES)
    with proxy(access.url, fault=one_in(10, seed=0), delay_s=25.0) as address:
        patience = Patience(limit_s=900.0, timeout_s=20.0)
        with Client(Access(url=address, token=access.token), patience=patience) as faulty:
            pushes = [dataclasses.replace(push_of(dataset), title=title, rows=[row]) for row in push_of(dataset).rows]
            for one in pushes:
                push(one, client=faulty)
    uids = [task.uid for task in list_tasks(client, project=the_project(client, title=title).id)]
    assert len(uids) == len(set(uids)) == FAULTY_PUSHES


def test_a_stranger_gets_nothing_from_our_server(access: Access) -> None:
    with httpx.Client(base_url=access.url, trust_env=False, timeout=120) as stranger:
        assert stranger.get("/", headers={"Host": "evil.example.org"}).status_code == 400
        assert stranger.get("/api/projects").status_code == 401
        stranger.get("/user/signup/")
        form = {"email": "a@example.org", "password": "12345678", "allow_newsletters": "false"}
        form["csrfmiddlewaretoken"] = stranger.cookies.get("csrftoken") or ""
        assert stranger.post("/user/signup/", data=form).status_code == 403
    with Client(Access(url=access.url, token="0" * 40)) as wrong, pytest.raises(ConfigurationProblem, match="legacy"):
        wrong.get("/api/projects", kind=dict)


def test_our_server_listens_on_loopback_alone_and_its_files_are_its_users(access: Access) -> None:
    assert access.files is not None
    folder = access.files.parent
    running = read_running(folder)
    assert running is not None
    family = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
    connections = [one for member in family for one in member.net_connections("inet")]
    assert {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "secrets.json")] == [0o700, 0o600]
    secrets = read_secrets(folder)
    shown = " ".join(word for member in family for word in member.cmdline())
    assert secrets.password not in shown and secrets.token not in shown
    with httpx.Client(base_url=access.url, trust_env=False, timeout=120) as other_page:
        answer = other_page.get("/api/version", headers={"Origin": "http://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


def test_a_personal_token_opens_the_api_too(access: Access, client: Client) -> None:
    answer = client.post("/api/token/", kind=dict, outage=client.outage(), json={})
    with Client(Access(url=access.url, token=answer["token"])) as personal:
        assert personal.get("/api/projects", kind=dict)["count"] >= 0
    changed = Access(url=access.url, token=answer["token"][:-4] + "AAAA")
    with Client(changed) as wrong, pytest.raises(ConfigurationProblem, match="personal"):
        wrong.get("/api/projects", kind=dict)


def test_a_person_submits_and_paints_in_the_real_page(client: Client, title: str, tmp_path: Path) -> None:
    if client.access.files is None:
        pytest.skip("the server is not one of `curate label serve`")
    dataset = portraits(tmp_path, limit=2)
    project = push(whole(dataset, title=title), client=client).project
    code = [sys.executable, str(Path(__file__).with_name("label_studio_page.py")), chromium()]
    secrets = read_secrets(client.access.files.parent)
    told = {"url": client.access.url, "project": project.id, "email": secrets.email, "password": secrets.password}
    done = subprocess.run([*code, str(tmp_path)], input=json.dumps(told), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert pull(dataset, client=client, title=title).broken == []
    first, second = read_dataset(dataset.folder).table.to_pylist()
    assert (first["label_status"], first["label_version"]) == ("right", 0)
    assert (second["label_status"], second["label_version"]) == ("fixed", 1)
    painted = decode_mask(dataset.path(second["mask"]).read_bytes(), file="")
    before = decode_mask(dataset.path(f"masks/{second['id']}.png").read_bytes(), file="")
    assert 0 < np.count_nonzero(painted != before) < painted.size / 2
    task = next(task for task in list_tasks(client, project=project.id) if task.sample_id == second["id"])
    (annotation,) = fetch_answers(client, project=project.id, tasks=[task.id])[task.id].annotations or []
    union = np.zeros(painted.shape, bool)
    for region in annotation.result or []:
        if region["type"] == "brushlabels":
            union |= decode_rle(region["value"]["rle"]).reshape(*painted.shape, 4)[..., 3] >= 128
    assert np.array_equal(union, painted > 0)
