"""A cluster of several raylets on this machine keeps to what the local engine does, and says who is unfit, and why."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from curation.cluster.shards import ROWS
from tests.curation.cluster.scenarios import (
    LIMIT_BYTES,
    gives_what_the_local_engine_gives,
    refuses_another_code,
    works_around_the_unfit,
    works_where_a_gpu_is,
)
from tests.places import REPOSITORY
from tests.raylets import HAS_RAY, Raylets, kill, raylets

pytestmark = pytest.mark.skipif(not HAS_RAY, reason="the extra ray is not installed")
JOINING = """
import sys
from curation.cluster.ray_door import join
from curation.errors import CurateError
try:
    join(sys.argv[1]).leave()
except CurateError as problem:
    print(problem.exit_code, problem)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Raylets]:
    with raylets(nodes=2) as found:
        yield found


def test_a_cluster_gives_what_the_local_engine_gives(cluster: Raylets, tmp_path: Path) -> None:
    cluster.drive(gives_what_the_local_engine_gives, tmp_path, **{ROWS: "5"})


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ("import ray; ray.__version__ = '2.1.0'", 5, ("Ray: 2.1.0", "other versions")),
        ("import sys; sys.version_info = (3, 10, 1, 'final', 0)", 5, ("Python: 3.10.1", "other versions")),
    ],
)
def test_another_ray_or_python_is_refused_and_both_versions_are_named(
    cluster: Raylets, change: str, code: int, said: tuple[str, ...]
) -> None:
    joining = JOINING.replace("import sys\n", f"import ray\n{change}\nimport sys\n", 1)
    done = _python(joining, "", env=cluster.joined())
    assert done.stdout.startswith(f"{code} ")
    for text in (*said, f"Ray: {version('ray')} Python: {platform.python_version()}"):
        assert text in done.stdout


def test_who_has_no_token_is_told_where_it_comes_from(cluster: Raylets, tmp_path: Path) -> None:
    env = {**cluster.joined(), "RAY_AUTH_TOKEN": "", "HOME": str(tmp_path)}
    done = _python(JOINING, cluster.client, env=env)
    assert done.stdout.startswith("7 ")
    assert "copy the token of the cluster to ~/.ray/auth_token" in done.stdout


def test_a_cluster_that_does_not_start_here_is_told_as_that(cluster: Raylets) -> None:
    env = {**cluster.joined(), "RAY_ADDRESS": "", "RAY_TMPDIR": "/proc/none"}
    done = _python(JOINING, "", env=env)
    assert done.stdout.startswith("5 ")
    assert "Ray did not start here" in done.stdout


def test_a_wrong_address_is_told_at_once(cluster: Raylets) -> None:
    began = time.monotonic()
    done = _python(JOINING, "ray://127.0.0.1:1", env=cluster.joined())
    assert done.stdout.startswith("6 ray://127.0.0.1:1: no Ray cluster answers")
    assert time.monotonic() - began < 60


def _python(code: str, address: str, *, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, address], env=env, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )


@pytest.mark.nightly
def test_machines_that_are_unfit_get_no_work(cluster: Raylets, tmp_path: Path) -> None:
    """Of three more machines, one has other code, one does not see the data, and the disk of one is full."""
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("this user may not hide a folder from a process (unshare -m)")
    data = tmp_path / "data"
    data.mkdir()
    (data / "there").write_bytes(b"there")
    foreign = _added(cluster, PYTHONPATH=str(_changed_code(tmp_path / "other")))
    cluster.drive(refuses_another_code, data, **{ROWS: "5"})
    kill(foreign)
    gpu = _added(cluster, gpus=1)
    cluster.drive(works_where_a_gpu_is, **{ROWS: "5"})
    kill(gpu)
    hide = ("unshare", "-m", "sh", "-c", f'mount -t tmpfs none {data} && exec "$@"', "sh")
    for within in (hide, ("prlimit", f"--fsize={LIMIT_BYTES}")):
        _added(cluster, within=within)
    cluster.drive(works_around_the_unfit, data, **{ROWS: "5"})


def _changed_code(folder: Path) -> Path:
    for room in ("curation", "models", "labeling", "reports", "pipelines", "tests"):
        shutil.copytree(REPOSITORY / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "curation/errors.py").open("a") as stream:
        stream.write("\n# another state\n")
    return folder


def _added(cluster: Raylets, *, gpus: int = 0, within: tuple[str, ...] = (), **variables: str) -> Any:
    node = cluster.add(gpus=gpus, within=within, **variables)
    cluster.wait(nodes=len(cluster.nodes))
    return node
