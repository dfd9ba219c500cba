"""What README tells users to type is typed here, in order, on sample data laid out as README assumes."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from curation.sample_data import write_aifenge_sample, write_coco_sample

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CURATE = Path(sys.executable).with_name("curate")


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]
    return [shlex.split(line) for line in lines]


@pytest.fixture
def user_folder(tmp_path: Path) -> Path:
    annotations, pictures = write_coco_sample(tmp_path / "coco", images=16, seed=1)
    annotations.rename(annotations.with_name("instances_train2017.json"))
    pictures.rename(pictures.with_name("train2017"))
    write_aifenge_sample(tmp_path / "aifenge", images=8, seed=1)
    for own in ("photos", "rooms"):
        shutil.copytree(pictures.with_name("train2017"), tmp_path / own)
    return tmp_path


def test_every_command_of_the_readme_runs(user_folder: Path) -> None:
    assert len(commands()) >= 8
    for program, *arguments in commands():
        assert program == "curate"
        quick = ["--epochs", "1"] if arguments[0] == "train" else []
        done = subprocess.run(
            [CURATE, *arguments, *quick, "--workers", "1"], cwd=user_folder, capture_output=True, text=True, timeout=300
        )
        assert done.returncode in {0, 3}, f"{arguments}: {done.stderr}"
    assert (user_folder / "look.html").stat().st_size > 10_000
    assert (user_folder / "training" / "manifest.parquet").exists()
    assert not (user_folder / "small").exists()


def test_the_python_of_the_readme_runs(user_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(user_folder)
    for program, *arguments in commands():
        if arguments[0] in {"aifenge", "coco-person", "merge"} and "--dry-run" not in arguments:
            subprocess.run([program and CURATE, *arguments, "--workers", "1"], capture_output=True, timeout=120)
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert len(names["samples"]) > 0  # type: ignore[arg-type]


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    blocks = "".join(re.findall(r"```\n(.*?)```", README, flags=re.DOTALL))
    targets = set(re.findall(r"^make (\w+)", blocks, flags=re.MULTILINE))
    assert {"demo", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_picture_of_the_readme_is_there() -> None:
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / name).stat().st_size > 1000


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_knows_how_to_run_the_demo() -> None:
    told = subprocess.run(
        ["make", "-n", "-o", ".venv/.ready", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "curate demo" in told.stdout
