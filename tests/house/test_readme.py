"""What README and the guides tell users to type is typed here, in order, on sample data laid out as they assume."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pytest

from curation.sources.demo_sources import write_aifenge_sample, write_coco_sample
from tests.curation.sources.test_celebamask import put
from tests.models.prediction.foreign.tflite_drawn import red_parts, tflite
from tests.models.tiny_onnx import write_tiny_onnx
from tests.places import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
CURATE = Path(sys.executable).with_name("curate")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY)}
GUIDES = (
    *("curate", "train", "models-out", "alpha", "models-in", "predict", "relabel", "teach", "convert"),
    *("editor", "python", "cluster"),
)
PAGES = ("README.md", "docs/first-steps.md", *(f"docs/guides/{name}.md" for name in GUIDES), "docs/reference/files.md")
"""Pages with commands and Python, in an order in which each finds what those before it made."""
DRAWN_FIRST = {"docs/guides/predict.md"}
"""Pages whose Python draws what their commands work on; on the others it goes on from what the commands made."""


NONE: Mapping[str, str] = MappingProxyType({})


def blocks(page: str, *, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (REPOSITORY / page).read_text(), flags=re.DOTALL)


def commands(page: str) -> list[list[str]]:
    lines = [line for block in blocks(page, language="sh") for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line and not line.startswith("#")]


@pytest.fixture
def user_folder(tmp_path: Path) -> Path:
    folder = tmp_path
    annotations, pictures = write_coco_sample(folder / "coco", images=16, seed=1)
    annotations.rename(annotations.with_name("instances_train2017.json"))
    pictures.rename(pictures.with_name("train2017"))
    write_aifenge_sample(folder / "aifenge", images=8, seed=1)
    for own in ("photos", "rooms"):
        shutil.copytree(pictures.with_name("train2017"), folder / own)
    for number in range(10):
        put(folder / "CelebAMask-HQ", number)
    for own, picture in zip(("frames", "masks"), drawn_person(), strict=True):
        (folder / own).mkdir()
        cv2.imwrite(str(folder / own / ("00000.jpg" if own == "frames" else "00000.png")), picture)
    put_foreign_model(folder)
    return folder


def put_foreign_model(folder: Path) -> None:
    """Put a TFLite file that takes what is red for a person, with the card of the guide, and an album that it fits."""
    (folder / "portrait.tflite").write_bytes(tflite(red_parts(size=(256, 256))))
    [card] = blocks("docs/guides/models-in.md", language="yaml")
    (folder / "portrait.yaml").write_text(card)
    for own in ("images", "masks"):
        (folder / "album" / own).mkdir(parents=True)
    for number in range(6):
        for own, picture in zip(("images", "masks"), drawn_person(row=30 + 6 * number), strict=True):
            cv2.imwrite(str(folder / "album" / own / f"{number}.png"), picture)


def drawn_person(*, row: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph and its mask: a disc on noise."""
    rows, columns = np.mgrid[:96, :128]
    mask = np.where(np.hypot(rows - row, columns - 64) < 30, np.uint8(255), np.uint8(0))
    noise = np.random.default_rng(0).integers(0, 80, (96, 128, 3), dtype=np.uint8)
    return np.where(mask[..., None] > 0, np.uint8(200), noise), mask


def run(arguments: Sequence[str], *, folder: Path) -> None:
    finish(start(arguments, folder=folder))


def start(arguments: Sequence[str], *, folder: Path, variables: Mapping[str, str] = NONE) -> subprocess.Popen[str]:
    # what has learnt for one epoch has no mIoU to lose
    quick = {"train": ["--epochs", "1"], "export": ["--max-loss", "1"], "benchmark": ["--runs", "5"]}
    command = [CURATE, *arguments, *quick.get(arguments[0], []), "--workers", "1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env={**os.environ, **variables}, text=True, **pipes)


def finish(process: subprocess.Popen[str]) -> None:
    with process:
        _, said = process.communicate(timeout=300)
    assert process.returncode in {0, 3}, f"{process.args}: {said}"


def run_python(page: str, *, folder: Path) -> None:
    """Run all Python of a page as one script."""
    if script := "\n".join(blocks(page, language="python")):
        command = [sys.executable, "-"]
        done = subprocess.run(command, input=script, cwd=folder, env=ENVIRONMENT, text=True, capture_output=True)
        assert done.returncode == 0, f"{page}: {done.stderr}"


def test_the_page_on_predictions_runs_on_what_it_draws(tmp_path: Path) -> None:
    """The whole walk through all pages takes minutes; here `model` says that what is red is a person."""
    page = "docs/guides/predict.md"
    run_python(page, folder=tmp_path)
    model = str(write_tiny_onnx(tmp_path / "model.onnx"))
    for _, *arguments in commands(page):
        run([model if word == "model" else word for word in arguments], folder=tmp_path)
    assert sorted(path.name for path in (tmp_path / "predicted" / "masks").glob("[!.]*")) == [
        "clip.mp4",
        *(f"photo-{number}.png" for number in (0, 20, 40)),
    ]
    assert (tmp_path / "on-white" / "cutouts" / "clip.mp4").exists()
    assert (tmp_path / "layers" / "cutouts" / "clip.mov").exists()


def walk(pages: Sequence[str], *, folder: Path) -> int:
    """Run each different command and all Python of pages, one after the other, but those that end with `&` beside the
    ones that follow; return the number of commands.
    """
    seen: set[tuple[str, ...]] = set()
    for page in pages:
        if page in DRAWN_FIRST:
            run_python(page, folder=folder)
        behind: list[subprocess.Popen[str]] = []
        for words in commands(page):
            variables = dict(word.split("=") for word in takewhile(lambda word: "=" in word, words))
            program, *arguments = words[len(variables) :]
            assert program == "curate"
            if tuple(words) in seen:
                continue
            seen.add(tuple(words))
            if words[-1] == "&":
                behind.append(start(arguments[:-1], folder=folder, variables=variables))
            else:
                finish(start(arguments, folder=folder, variables=variables))
        for process in behind:
            finish(process)
        if page not in DRAWN_FIRST:
            run_python(page, folder=folder)
    return len(seen)


@pytest.mark.parametrize("pages", [PAGES[:3], pytest.param(PAGES, marks=pytest.mark.nightly)], ids=["first", "all"])
def test_every_command_and_all_python_of_readme_and_guides_runs(pages: Sequence[str], user_folder: Path) -> None:
    number = walk(pages, folder=user_folder)
    assert (user_folder / "hard.html").stat().st_size > 10_000
    assert (user_folder / "training" / "manifest.parquet").exists()
    if pages == PAGES:
        assert number >= 20
        assert (user_folder / "look.html").stat().st_size > 10_000
        assert (user_folder / "stages.schema.json").exists()
    assert not (user_folder / "small").exists()


def test_every_page_with_commands_or_python_is_run() -> None:
    pages = [str(path.relative_to(REPOSITORY)) for path in sorted((REPOSITORY / "docs").rglob("*.md"))]
    shown = {page for page in pages if commands(page) or blocks(page, language="python")}
    # a DAG of Airflow; a manifest of more than a million rows; with its server in tests/pipelines/test_object_stores.py
    not_run = {"docs/guides/schedule.md", "docs/scale.md", "docs/guides/object-stores.md"}
    assert shown - not_run == set(PAGES) - {"README.md"}


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^`?make (\w+)", README, flags=re.MULTILINE))
    assert {"demo", "test", "docs"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_links_of_the_readme_lead_somewhere() -> None:
    for name in re.findall(r"\[[^]]*\]\(([^)#:]+)\)", README):
        assert (REPOSITORY / name).exists(), name
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (REPOSITORY / name).stat().st_size > 1000


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_knows_how_to_run_the_demo() -> None:
    told = subprocess.run(
        ["make", "-n", "-o", ".venv/.ready", "demo"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "curate demo" in told.stdout
