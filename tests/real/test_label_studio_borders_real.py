"""A real Label Studio: what people touched is never deleted, what they drew is read, and a mad answer is no bug."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import CurateError
from curation.images.pixels import decode_mask
from labeling.label_tools.label_studio.check_round_trip import check_server
from labeling.label_tools.label_studio.project.label_config import CONFIG
from labeling.label_tools.label_studio.project.project import the_project
from labeling.label_tools.label_studio.project.tasks import Task, by_sample, fetch_answers, list_tasks
from labeling.label_tools.label_studio.pull.pull import pull
from labeling.label_tools.label_studio.push.doubles import AS_MADE, settle_doubles
from labeling.label_tools.label_studio.push.push import push
from labeling.label_tools.label_studio.server.access import Access, read_secrets
from labeling.label_tools.label_studio.server.client import Client, Patience
from labeling.label_tools.label_studio.stand_in import submit
from tests.labeling.label_tools.label_studio.drawn import draw_dataset, push_of
from tests.labeling.label_tools.label_studio.mutations import Twist
from tests.real.label_studio_projects import answer, portraits, submit_all, whole
from tests.real.label_studio_server import chromium, proxy

MUTATIONS = int(os.environ.get("CURATE_REAL_MUTATIONS", "12"))
pytestmark = pytest.mark.real


def import_again(client: Client, *, project: int) -> list[list[Task]]:
    """Import every task of a project once more, and give the tasks of each sample."""
    known = [client.get(f"/api/tasks/{task.id}/", kind=dict) for task in list_tasks(client, project=project)]
    again = [{"data": task["data"]} for task in known]
    client.post(f"/api/projects/{project}/import", kind=dict, outage=client.outage(), json=again)
    return list(by_sample(list_tasks(client, project=project)).values())


def test_no_double_with_a_draft_a_skip_or_a_change_is_deleted(client: Client, title: str, tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path, samples=5)
    project = push(dataclasses.replace(push_of(dataset), title=title), client=client).project.id
    pairs = import_again(client, project=project)
    drafted, skipped, submitted, changed, _ = (second.id for _, second in pairs)
    known = {first.uid: first.id for first, _ in pairs}

    def touch(path: str, **body: Any) -> None:
        client.post(path, kind=dict, outage=client.outage(), json=body)

    time.sleep(AS_MADE.total_seconds())  # nobody changes a task sooner, and the times of the server do not tell
    touch(f"/api/tasks/{drafted}/drafts", result=[], lead_time=1.0)
    touch(f"/api/tasks/{skipped}/annotations/", result=[], was_cancelled=True)
    touch(f"/api/tasks/{submitted}/annotations/", result=[])
    client.patch(f"/api/tasks/{changed}/", body={"meta": {"note": "look again"}})
    settled = settle_doubles(client, project=project, known=known, after=max(known.values()))
    there = {task.id for task in list_tasks(client, project=project)}
    assert there == {*known.values(), drafted, skipped, submitted, changed}
    assert settled.doubled == 4


def test_a_draft_that_comes_between_the_last_look_and_the_deletion_saves_its_task(
    access: Access, client: Client, title: str, tmp_path: Path
) -> None:
    dataset = draw_dataset(tmp_path, samples=3)
    project = push(dataclasses.replace(push_of(dataset), title=title), client=client).project.id
    pairs = import_again(client, project=project)
    known = {first.uid: first.id for first, _ in pairs}
    saved = []

    def meanwhile(method: str, path: str) -> str:
        if path.startswith("/api/dm/actions"):
            task = pairs[len(saved)][1].id
            body = {"result": [], "lead_time": 1.0}
            saved.append(client.post(f"/api/tasks/{task}/drafts", kind=dict, outage=client.outage(), json=body))
        return ""

    with proxy(access.url, fault=meanwhile) as address, Client(Access(url=address, token=access.token)) as late:
        settled = settle_doubles(late, project=project, known=known, after=max(known.values()))
    assert (len(saved), settled.doubled) == (3, 3)
    assert len(list(list_tasks(client, project=project))) == 6


def test_what_was_drawn_with_other_tools_comes_back(client: Client, title: str, tmp_path: Path) -> None:
    """Through the server as it is: polygon, ellipse, rectangle and brush in one task; a key point sets one aside."""
    dataset = draw_dataset(tmp_path, samples=2)
    project = push(dataclasses.replace(push_of(dataset), title=title), client=client).project
    tools = "".join(
        f'<{tag} name="{tag}" toName="image"><Label value="person"/></{tag}>'
        for tag in ("PolygonLabels", "EllipseLabels", "RectangleLabels", "KeyPointLabels")
    )
    client.patch(f"/api/projects/{project.id}/", body={"label_config": CONFIG.replace("</View>", f"{tools}</View>")})
    size = {"original_width": 20, "original_height": 24, "image_rotation": 0, "to_name": "image"}

    def region(tag: str, **value: Any) -> dict[str, Any]:
        type_ = tag.lower()
        return {"id": tag, "from_name": tag, "type": type_, "value": value | {type_: ["person"]}} | size

    polygon = region("PolygonLabels", points=[[0, 0], [50, 0], [50, 25], [0, 25]], closed=True)
    rectangle = region("RectangleLabels", x=50, y=50, width=25, height=12.5, rotation=90)
    ellipse = region("EllipseLabels", x=80, y=20, radiusX=10, radiusY=100 / 12, rotation=0)
    point = region("KeyPointLabels", x=1, y=1, width=1)
    first, second = (task.id for task in list_tasks(client, project=project.id))
    submit(client, task=first, body={"result": [polygon, rectangle, ellipse, answer("fixed")]})
    submit(client, task=second, body={"result": [polygon, point, answer("fixed")]})
    pulled = pull(dataset, client=client, title=title)
    assert pulled.unread_tools == ["KeyPointLabels (KeyPointLabels)"]
    assert [one.reason for one in pulled.broken] == ["a region of type keypointlabels is not read"]
    row = read_dataset(dataset.folder).table.to_pylist()[0]
    truth = np.zeros((24, 20), np.uint8)
    truth[:6, :10] = 255
    truth[12:17, 7:10] = 255  # 5 wide and 3 high, turned to the left of its corner and below it
    rows, columns = np.mgrid[:24, :20] + 0.5
    truth[(rows - 4.8) ** 2 + (columns - 16) ** 2 <= 4] = 255
    assert np.array_equal(decode_mask(dataset.path(row["mask"]).read_bytes(), file=""), truth)


def test_shapes_that_are_drawn_in_the_real_page_are_in_the_mask(client: Client, title: str, tmp_path: Path) -> None:
    if client.access.files is None:
        pytest.skip("the server is not one of `curate label serve`")
    dataset = portraits(tmp_path, limit=1)
    project = push(dataclasses.replace(whole(dataset, title=title), prefill="none"), client=client).project
    tags = {"PolygonLabels": "8", "EllipseLabels": "9", "RectangleLabels": "0", "BitmaskLabels": "q"}
    tools = "".join(
        f'<{tag} name="{tag}" toName="image"><Label value="person" hotkey="{key}"/></{tag}>'
        for tag, key in tags.items()
    )
    config = CONFIG.replace("</View>", f"{tools}</View>").replace("<Image ", '<Image smoothing="false" ')
    client.patch(f"/api/projects/{project.id}/", body={"label_config": config})
    code = [sys.executable, str(Path(__file__).with_name("label_studio_page.py")), chromium()]
    secrets = read_secrets(client.access.files.parent)
    told = {"url": client.access.url, "project": project.id, "email": secrets.email, "password": secrets.password}
    given = json.dumps(told | {"shapes": True})
    done = subprocess.run([*code, str(tmp_path)], input=given, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    pulled = pull(dataset, client=client, title=title)
    assert (pulled.broken, pulled.unread_tools, pulled.applied.written) == ([], [], 1)
    (row,) = read_dataset(dataset.folder).table.to_pylist()
    mask = decode_mask(dataset.path(row["mask"]).read_bytes(), file="")
    size = np.array([row["width"], row["height"]])
    seen = {key: np.array(points) * size for key, points in json.loads(done.stdout).items()}
    truth = np.zeros(mask.shape, np.uint8)  # as OpenCV draws it, from where the mouse was
    cv2.fillPoly(truth, [np.rint(seen["8"] - 0.5).astype(np.int32)], 255)
    middle, radii = seen["9"][0] - 0.5, np.abs(seen["9"][1] - seen["9"][0])
    cv2.ellipse(truth, np.rint(middle).astype(int).tolist(), np.rint(radii).astype(int).tolist(), 0, 0, 360, 255, -1)
    (left, top), (right, bottom) = np.rint(seen["0"]).astype(int)
    truth[top:bottom, left:right] = 255
    (task,) = list_tasks(client, project=project.id)
    (annotation,) = fetch_answers(client, project=project.id, tasks=[task.id])[task.id].annotations or []
    (line,) = [one["value"]["imageDataURL"] for one in annotation.result or [] if one["type"] == "bitmasklabels"]
    alpha = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(line.partition(",")[2]))))[..., 3]
    assert np.count_nonzero(alpha) > 100
    assert np.array_equal(mask[alpha > 127], np.full(np.count_nonzero(alpha > 127), 255))
    truth |= np.where(alpha > 127, np.uint8(255), np.uint8(0))
    outline = cv2.morphologyEx(truth, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    assert not ((mask != truth) & (outline == 0)).any()  # they differ by two pixels at an edge, if at all
    assert np.count_nonzero(mask != truth) < 0.05 * np.count_nonzero(truth)


@pytest.mark.parametrize("verb", ["check", "push", "pull"])
def test_a_real_answer_with_one_thing_changed_is_never_our_bug(
    access: Access, client: Client, title: str, tmp_path: Path, verb: str
) -> None:
    dataset = draw_dataset(tmp_path, samples=3)
    push(dataclasses.replace(push_of(dataset), title=title), client=client)
    submit_all(client, title=title, turned=True)
    listed = list_tasks(client, project=the_project(client, title=title).id)
    before = {task.uid: task.id for task in listed}
    others = {one["id"] for one in client.get("/api/projects", kind=dict, page_size=1000)["results"]}
    for seed in range(MUTATIONS):
        twist = Twist(seed, first={"check": 25, "push": 4, "pull": 3}[verb])
        with proxy(access.url, twist=twist) as address:
            reached = Access(url=address, token=access.token, files=access.files)
            with Client(reached, patience=Patience(limit_s=0.0)) as mad:
                try:
                    if verb == "check":
                        check_server(mad, images="upload")
                    elif verb == "push":
                        push(dataclasses.replace(push_of(dataset), title=title), client=mad)
                    else:
                        pull(read_dataset(dataset.folder), client=mad, title=title)
                except CurateError as error:
                    assert error.exit_code in {4, 6, 7}, twist.told
                except Exception as error:
                    raise AssertionError(f"seed {seed}, {twist.told}") from error
    after = {one["id"]: one["title"] for one in client.get("/api/projects", kind=dict, page_size=1000)["results"]}
    assert others <= after.keys()
    for id_, name in after.items():
        if id_ not in others and name.startswith("curate check"):  # of a check that ended in the middle
            client.delete(f"/api/projects/{id_}/")
    now = by_sample(list_tasks(client, project=the_project(client, title=title).id))
    assert before == {uid: tasks[0].id for uid, tasks in now.items()}  # a listing that hides a task may double it
