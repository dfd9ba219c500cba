"""A real Label Studio: a task cannot be submitted without an answer, shows both masks, and one key takes the other."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.dataset.dataset import Dataset, read_dataset
from curation.images.pixels import decode_mask
from labeling.answers import MEANINGS, Answer
from labeling.findings import findings_of
from labeling.label_tools.label_studio.project.label_config import CONFIG, CONFIG_HASH, KEYS
from labeling.label_tools.label_studio.project.project import the_project
from labeling.label_tools.label_studio.project.tasks import list_tasks
from labeling.label_tools.label_studio.pull.pull import pull
from labeling.label_tools.label_studio.push.push import push
from labeling.label_tools.label_studio.server.access import read_secrets
from labeling.label_tools.label_studio.server.client import Client
from labeling.label_tools.label_studio.stand_in import submit
from pipelines.command_line.options import RunOptions
from pipelines.sources.pairs import PairsFlags, pairs
from tests.labeling.label_tools.label_studio.drawn import draw_dataset, push_of
from tests.labeling.label_tools.label_studio.rounds import box, drawn_result
from tests.labeling.label_tools.label_studio.server.test_responses import FORMER, with_predictions
from tests.places import REPOSITORY
from tests.real.label_studio_server import chromium

TALL = (1600, 700)
WINDOW_PX = 900
FORMER_CONFIG = (
    REPOSITORY / "tests" / "labeling" / "label_tools" / "label_studio" / "server" / "former_config.xml"
).read_text()
pytestmark = pytest.mark.real


def ellipse(x: int) -> np.ndarray:
    return np.asarray(cv2.ellipse(np.zeros(TALL, np.uint8), (x, 900), (200, 500), 0, 0, 360, 255, -1), np.uint8)


def tall_portrait(folder: Path) -> Dataset:
    """Draw a person on a picture that is far higher than a window, with a prediction beside the label."""
    photo = np.full((*TALL, 3), (200, 220, 190), np.uint8)
    photo[ellipse(380) > 0] = (80, 120, 160)
    for name, picture in (("images", photo), ("masks", ellipse(350))):
        (folder / "source" / name).mkdir(parents=True)
        cv2.imwrite(str(folder / "source" / name / "tall.png"), picture)
    flags = PairsFlags(images=folder / "source" / "images", masks=folder / "source" / "masks", out=folder / "tall")
    pairs(flags, run=RunOptions(workers=0, quiet=True))
    (folder / "tall" / "predictions").mkdir()
    cv2.imwrite(str(folder / "tall" / "predictions" / "tall.png"), ellipse(380))
    return read_dataset(folder / "tall")


def test_a_person_must_answer_and_takes_the_other_mask_by_one_key(client: Client, title: str, tmp_path: Path) -> None:
    if client.access.files is None:
        pytest.skip("the server is not one of `curate label serve`")
    dataset = tall_portrait(tmp_path)
    findings = findings_of(dataset, scores=None)
    plan = dataclasses.replace(push_of(dataset), title=title, findings=findings, images="auto", image_url="")
    project = push(plan, client=client).project
    secrets = read_secrets(client.access.files.parent)
    told = {"url": client.access.url, "project": project.id, "email": secrets.email, "password": secrets.password}
    told |= {"answers": True, "key": KEYS[Answer.OTHER]}
    code = [sys.executable, str(Path(__file__).with_name("label_studio_page.py")), chromium(), str(tmp_path)]
    done = subprocess.run(code, input=json.dumps(told), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    # the instructions open by themselves, with pictures, and say first what must be selected
    assert seen["instructions"].index("First select the blue mask") < seen["instructions"].index("Choose one answer")
    assert all(meaning in seen["instructions"] for meaning in MEANINGS.values())
    assert seen["pictures"] == 3
    # the answers and their keys stand in the window beside the whole picture
    assert [text for text, _ in seen["answers"]] == [f"{one}[{KEYS[one]}]" for one in Answer]
    for place in [place for _, place in seen["answers"]] + [seen["picture"]]:
        assert place["y"] >= 0 and place["y"] + place["height"] <= WINDOW_PX
    # both masks are there, and the key of the instructions selects the one to start from
    assert seen["regions"] == ["person", "other mask"]
    assert [text.split()[-1] for text in seen["selected"]] == ["person"]
    # without an answer nothing is submitted; a stroke that was undone is none
    assert (seen["refused"], seen["posted"]) == (1, 0)
    pulled = pull(dataset, client=client, title=title)
    assert (pulled.unanswered, pulled.broken, pulled.applied.written) == ([], [], 1)
    (row,) = read_dataset(dataset.folder).table.to_pylist()
    assert np.array_equal(decode_mask(dataset.path(row["mask"]).read_bytes(), file=""), ellipse(380))


def test_a_stroke_before_an_answer_that_leaves_it_out_is_told_till_it_is_mended(
    client: Client, title: str, tmp_path: Path
) -> None:
    dataset = with_predictions(draw_dataset(tmp_path, samples=3))
    plan = dataclasses.replace(push_of(dataset), title=title, findings=findings_of(dataset, scores=None))
    project = push(plan, client=client).project
    tasks = list(list_tasks(client, project=project.id))
    stroke = box(0, 2)
    for task, verdict in zip(tasks, (Answer.RIGHT, Answer.OTHER, Answer.AMBIGUOUS), strict=True):
        predictions = client.get(f"/api/tasks/{task.id}/", kind=dict)["predictions"]
        (start,) = [one["result"] for one in predictions if one["model_version"] == "start"]
        submit(client, task=task.id, body={"result": [*start, *drawn_result(stroke, verdict=verdict)]})
    pulled = pull(dataset, client=client, title=title)
    assert pulled.contradicted == [task.sample_id for task in tasks[:2]]
    assert [one.file for one in pulled.broken] == [f"{client.access.url}, task {task.id}" for task in tasks[:2]]
    assert (pulled.applied.written, pulled.applied.set_aside, pulled.answers) == (0, 1, {"ambiguous": 1})
    for task in tasks[:2]:
        (made,) = client.get(f"/api/tasks/{task.id}/annotations/", kind=list)
        result = [one for one in made["result"] if one["type"] != "choices"] + drawn_result(verdict=Answer.FIXED)
        client.patch(f"/api/annotations/{made['id']}/", body={"result": result})
    pulled = pull(read_dataset(dataset.folder), client=client, title=title)
    assert (pulled.contradicted, pulled.applied.written) == ([], 2)


def test_what_was_pushed_before_is_pulled_and_its_project_gets_the_new_page(
    client: Client, title: str, tmp_path: Path
) -> None:
    dataset = with_predictions(draw_dataset(tmp_path, samples=3))
    plan = dataclasses.replace(push_of(dataset), title=title, findings=findings_of(dataset, scores=None))
    project = push(dataclasses.replace(plan, rows=[], prefill="prediction"), client=client).project
    body = {"label_config": FORMER_CONFIG, "show_instruction": False}
    client.patch(f"/api/projects/{project.id}/", body=body)
    assert the_project(client, title=title).config == FORMER
    push(dataclasses.replace(plan, rows=plan.rows[:2], prefill="prediction"), client=client)
    again = the_project(client, title=title)
    whole = client.get(f"/api/projects/{project.id}/", kind=dict)
    assert (again.config, whole["label_config"], whole["show_instruction"]) == (CONFIG_HASH, CONFIG, True)
    for task in list_tasks(client, project=project.id):
        (start,) = [
            one["result"]
            for one in client.get(f"/api/tasks/{task.id}/", kind=dict)["predictions"]
            if one["model_version"] == "start"
        ]
        submit(client, task=task.id, body={"result": start})
    pulled = pull(dataset, client=client, title=title)
    assert (sorted(pulled.unanswered), pulled.applied.written) == (["0000", "0001"], 0)
