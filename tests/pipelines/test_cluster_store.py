"""Several machines work from an object store: two raylets that share a cache, and two that train together."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import pipelines as curate
from curation.cluster.shards import ROWS
from curation.remote.places import CACHE
from models.model_files import WEIGHTS
from tests.models.data.discs import disc_dataset
from tests.models.tiny_onnx import write_tiny_onnx
from tests.object_store import objects, upload
from tests.pipelines.commands import CURATE, draw_aifenge, finish, start
from tests.pipelines.test_object_stores import made_alike
from tests.raylets import HAS_RAY, Raylets, free_port, raylets

pytestmark = pytest.mark.nightly
PATIENCE_S = 900.0


def test_two_machines_that_train_from_a_store_each_with_its_cache_learn_what_they_learn_from_a_disk(
    bucket: str, tmp_path: Path
) -> None:
    disc_dataset(tmp_path / "discs", [f"t{n}" for n in range(9)], rows={"t8": {"split": "val"}})
    address = upload(tmp_path / "discs", f"{bucket}/discs")
    flags = ("--network", "unet_shufflenet", "--input-size", "32x32", "--batch-size", 4, "--epochs", 2)

    def trained(data: object, out: Path) -> bytes:
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        command = ("train", "--data", data, *flags, "--device", "cpu", "--nodes", 2, "--workers", 0, "--out", out)
        both = [
            start(*command, variables=place | {"NODE_RANK": rank, CACHE: tmp_path / f"cache-{rank}"}) for rank in (0, 1)
        ]
        ended = [finish(one) for one in both]
        assert [one.returncode for one in ended] == [0, 0], ended[0].stderr
        return (out / WEIGHTS).read_bytes()

    assert trained(address, tmp_path / "store") == trained(tmp_path / "discs", tmp_path / "disk")
    kept = [sorted(path.name for path in (tmp_path / f"cache-{rank}").rglob("images/*.png")) for rank in (0, 1)]
    assert kept[0] != kept[1], "each fetched what it read"


def made(*arguments: object, cluster: Raylets) -> None:
    """Run a command on the cluster."""
    command = [*CURATE, *map(str, arguments), "--engine", "ray"]
    done = subprocess.run(
        command,
        env=cluster.joined(**{ROWS: "5"}),
        cwd=cluster.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode in {0, 3}, done.stderr


@pytest.mark.skipif(not HAS_RAY, reason="the extra ray is not installed")
def test_a_cluster_reads_from_a_store_and_publishes_there_what_this_machine_makes(bucket: str, tmp_path: Path) -> None:
    root = draw_aifenge(tmp_path / "aifenge", samples=20)
    next((root / "matting").rglob("*.png")).unlink()  # its photograph is set aside
    address = upload(root, f"{bucket}/aifenge")
    model = write_tiny_onnx(tmp_path / "red.onnx")
    curate.aifenge(root=root, out=tmp_path / "people", workers=0)
    people = f"{bucket}/people"
    with raylets(nodes=1) as cluster:
        cluster.add(**{CACHE: str(tmp_path / "another")})  # the paths that it gets lie in the cache of the command
        cluster.wait(nodes=2)
        made("aifenge", "--root", address, "--out", people, cluster=cluster)
        made_alike(people, tmp_path / "people", names={str(root): address})
        made("merge", people, "--where", "person_area > 0.2", "--out", f"{bucket}/large", cluster=cluster)
        for verb in ("evaluate", "mine"):
            made(verb, "--model", model, "--data", people, "--out", f"{bucket}/{verb}", cluster=cluster)
    curate.merge([people], where="person_area > 0.2", out=f"{bucket}/here/large", workers=0)
    for verb in ("evaluate", "mine"):
        getattr(curate, verb)(model=model, data=people, out=f"{bucket}/here/{verb}", workers=0)
    for name in ("large", "evaluate", "mine"):
        here, there = objects(f"{bucket}/here/{name}"), objects(f"{bucket}/{name}")
        assert len(here) > 3
        assert there == here, name
