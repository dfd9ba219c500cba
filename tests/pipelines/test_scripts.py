"""Scripts without a main guard, from a file and from standard input, and notebooks: with workers, and with Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from curation.dataset.manifest_files import MANIFEST
from curation.sources.demo_sources import write_coco_sample
from tests.models.prediction.drawn_models import red_model, write_onnx
from tests.pipelines.commands import draw_aifenge
from tests.places import REPOSITORY

SCRIPT = """
import pipelines as curate
from curation import read_dataset
from models import load_model

made = curate.coco_person(annotations="coco/annotations/instances_sample2017.json", images="coco/sample2017",
                          out="persons", workers=2)
probability = load_model("red.onnx").predict(read_dataset("persons")[0].image)
print(len(made.dataset), probability.shape, probability.dtype)
"""
STOPPED = """
import pipelines as curate
try:
    curate.aifenge(root="aifenge", out="portraits", workers=2)
except KeyboardInterrupt:
    print("stopped")
made = curate.aifenge(root="aifenge", out="portraits", workers=2)
print(len(made.dataset))
"""
PHOTOGRAPHS = 400
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    write_coco_sample(folder / "coco", images=8, seed=0)
    write_onnx(folder, red_model(), name="red")
    return folder


@pytest.mark.parametrize("way", ["a file", "standard input"])
def test_a_flat_script_runs_with_workers(folder: Path, way: str) -> None:
    (folder / "script.py").write_text(SCRIPT)
    command, text = ([sys.executable, "script.py"], "") if way == "a file" else ([sys.executable, "-"], SCRIPT)
    for _ in range(2):  # made, and found made
        done = subprocess.run(
            command, input=text, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stderr) == (0, "")
        number, *shape = done.stdout.split(maxsplit=1)
        assert int(number) > 0 and shape[0].endswith("float32\n")


def wait_for(is_so: Callable[[], bool], *, seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.005)


def works(out: Path) -> bool:
    return not (out / MANIFEST).exists() and any((out / "masks").glob("*.png"))


def test_ctrl_c_in_a_script_leaves_nothing_behind_and_the_next_call_goes_on(tmp_path: Path) -> None:
    draw_aifenge(tmp_path / "aifenge", samples=PHOTOGRAPHS)
    script = subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: works(tmp_path / "portraits"))
    workers = psutil.Process(script.pid).children(recursive=True)
    os.killpg(script.pid, signal.SIGINT)
    said, complaints = script.communicate(timeout=120)
    assert (script.returncode, said.split(), complaints) == (0, ["stopped", str(PHOTOGRAPHS)], "")
    assert psutil.wait_procs(workers, timeout=10)[1] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_notebook_runs_is_interrupted_and_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipykernel", reason="the extra `docs` is not installed")
    from jupyter_client.manager import KernelManager

    draw_aifenge(folder / "aifenge", samples=PHOTOGRAPHS)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    kernel = KernelManager(transport="ipc", ip=str(folder / "kernel"))
    kernel.start_kernel(cwd=str(folder))
    client = kernel.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        shown: list[dict[str, str]] = []

        def run(code: str) -> dict[str, object]:
            def hear(message: dict[str, dict[str, dict[str, str]]]) -> None:
                if "data" in message["content"]:
                    shown.append(message["content"]["data"])

            return client.execute_interactive(code, output_hook=hear, timeout=120)["content"]  # type: ignore[no-any-return]

        assert run(SCRIPT)["status"] == "ok"
        assert run("made")["status"] == "ok"
        assert "data:image/webp" in shown[-1]["text/html"] and shown[-1]["text/plain"].startswith("<Result of")
        code = STOPPED.partition("made =")[0].replace("portraits", "stopped")
        waiting = client.execute(code + "\nassert not __import__('pathlib').Path('stopped/manifest.parquet').exists()")
        wait_for(lambda: works(folder / "stopped"))
        kernel.interrupt_kernel()
        assert client.get_shell_msg(timeout=60)["parent_header"]["msg_id"] == waiting
        last = run("n = len(curate.aifenge(root='aifenge', out='stopped', workers=2).dataset)\nn")
        assert last["status"] == "ok" and shown[-1]["text/plain"] == str(PHOTOGRAPHS)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
