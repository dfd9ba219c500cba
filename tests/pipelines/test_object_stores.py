"""Commands with addresses of an object store make what they make of the same data on the disk, and say so."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import signal
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import pipelines as curate
from curation.errors import ConfigurationProblem, CurateError, EnvironmentProblem, InputRefused, RemoteUnavailable
from curation.remote.limit import VARIABLE
from curation.remote.object_store import PATIENCE, ObjectStore
from curation.remote.output import CLAIM
from curation.remote.places import CACHE
from curation.sources.demo_sources import write_aifenge_sample
from curation.storage.image_places import VARIABLE as IMAGES_FROM
from pipelines.command_line.cli import curate as cli
from pipelines.command_line.options import Result
from pipelines.command_line.remote_paths import ADDRESSES
from pipelines.command_line.verbs import FUNCTIONS, VERBS
from tests.models.data.discs import disc_dataset
from tests.object_store import Trouble, keys, objects, upload
from tests.pipelines.commands import draw_aifenge, finish, start
from tests.places import REPOSITORY

SAMPLES = 6
IMAGES = 8
"""Of the training: six that train, two that judge; each is read once in an epoch."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = draw_aifenge(tmp_path / "aifenge", samples=SAMPLES)
    next((found / "matting").rglob("*.png")).unlink()  # its photograph is set aside
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def made_alike(address: str, folder: Path, *, names: dict[str, str]) -> None:
    """Assert that the same was made, but for `names`, the addresses by their paths, and the ids of runs."""
    here, there = contents(folder), objects(address)
    assert there.keys() == here.keys()
    for name, data in here.items():
        if name in {"dataset.json", "quarantine.jsonl"}:
            for path, other in names.items():
                data = data.replace(path.encode(), other.encode())
        if name == "dataset.json":
            one, other = json.loads(data), json.loads(there[name])
            assert {**one, "run": "", "quarantine_lines": 0} == {**other, "run": "", "quarantine_lines": 0}
        else:
            assert there[name] == data, name


def test_a_source_and_a_data_set_in_a_store_are_those_of_the_disk(bucket: str, root: Path, tmp_path: Path) -> None:
    address = upload(root, f"{bucket}/aifenge")
    local = curate.aifenge(root=root, out=tmp_path / "people", workers=0)
    remote = curate.aifenge(root=address, out=f"{bucket}/people", workers=0)
    made_alike(f"{bucket}/people", tmp_path / "people", names={str(root): address})
    assert remote.summary == local.summary.replace(str(tmp_path), bucket) + " --out gallery.html"
    assert remote.data["out"] == f"{bucket}/people"
    assert remote.exit_code == local.exit_code == 3
    again = curate.aifenge(root=address, out=f"{bucket}/people", workers=0)
    assert again.summary == remote.summary
    assert [sample.id for sample in remote.dataset] == [sample.id for sample in local.dataset]


@pytest.mark.parametrize("left", [0.7, 0.0])
def test_a_command_killed_while_it_publishes_leaves_nothing_or_all_and_goes_on(
    bucket: str, root: Path, tmp_path: Path, trouble: Trouble, left: float
) -> None:
    curate.aifenge(root=root, out=tmp_path / "people", workers=0)
    files = len(contents(tmp_path / "people"))
    at, sent = 1 + round((1 - left) * files), itertools.count()  # the claim comes before all files
    arguments = ("aifenge", "--root", root, "--out", f"{bucket}/people", "--workers", 0)

    def kill(request: str) -> None:
        if request.startswith("PUT") and next(sent) == at:
            os.killpg(process.pid, signal.SIGKILL)

    trouble.heard = kill
    process = start(*arguments)
    assert finish(process).returncode == -signal.SIGKILL
    trouble.heard = None
    there = keys(f"{bucket}/people")
    assert 1 < len(there) <= files + 1
    assert "dataset.json" not in there or len(there) == files + 1
    curate.aifenge(root=root, out=f"{bucket}/people", workers=0)
    made_alike(f"{bucket}/people", tmp_path / "people", names={})


def test_workers_fetch_for_themselves(bucket: str, root: Path, tmp_path: Path) -> None:
    address = upload(root, f"{bucket}/aifenge")
    curate.aifenge(root=address, out=tmp_path / "people", workers=2)
    curate.aifenge(root=root, out=tmp_path / "local", workers=0)
    here, there = contents(tmp_path / "local"), contents(tmp_path / "people")
    changed = {name for name in here if here[name] != there[name]}
    assert changed == {"dataset.json", "quarantine.jsonl"}


def test_data_sets_in_a_store_are_looked_at_split_and_joined(bucket: str, root: Path, tmp_path: Path) -> None:
    curate.aifenge(root=root, out=tmp_path / "people", workers=0)
    disc_dataset(tmp_path / "discs", ["d1", "d2"])
    people, discs = (upload(tmp_path / name, f"{bucket}/{name}") for name in ("people", "discs"))
    curate.split(people, val=0.5, test=0.0)
    curate.split(tmp_path / "people", val=0.5, test=0.0)
    made_alike(people, tmp_path / "people", names={})
    assert curate.stats(people, verify=True).summary == curate.stats(tmp_path / "people", verify=True).summary.replace(
        str(tmp_path), bucket
    )
    curate.merge([people, discs], out=f"{bucket}/both", workers=0)
    curate.merge([tmp_path / "people", tmp_path / "discs"], out=tmp_path / "both", workers=0)
    made_alike(f"{bucket}/both", tmp_path / "both", names={})


def test_a_command_that_cannot_take_an_address_refuses_it(bucket: str) -> None:
    with pytest.raises(ConfigurationProblem, match="--root takes no address"):
        curate.hf(root=f"{bucket}/data", out="out")
    with pytest.raises(ConfigurationProblem, match="--out is missing"):
        curate.gallery(f"{bucket}/data")
    assert set(ADDRESSES) <= {VERBS[name].module.rpartition(".")[2] for name in FUNCTIONS.values()}


def test_a_data_set_that_is_not_replaced_is_told_with_what_helps(bucket: str, root: Path) -> None:
    address = upload(root, f"{bucket}/aifenge")
    curate.aifenge(root=address, out=f"{bucket}/people", workers=0)
    for flags in ({"trimap_kernel": "8"}, {"overwrite": True}):
        with pytest.raises(InputRefused) as refused:
            curate.aifenge(root=address, out=f"{bucket}/people", workers=0, **flags)
        assert refused.value.where == f"{bucket}/people"
        assert "--overwrite" not in refused.value.remedy
    assert CLAIM not in keys(f"{bucket}/people")


@pytest.mark.parametrize(
    ("answer", "kind"), [((400, "ExpiredToken"), ConfigurationProblem), ((503, "SlowDown"), RemoteUnavailable)]
)
def test_a_store_that_fails_midway_stops_the_command_which_then_goes_on(
    bucket: str,
    root: Path,
    trouble: Trouble,
    monkeypatch: pytest.MonkeyPatch,
    *,
    answer: tuple[int, str],
    kind: type[CurateError],
) -> None:
    address = upload(root, f"{bucket}/aifenge")
    with monkeypatch.context() as patch:
        patch.setenv(PATIENCE, "0.2")
        fails_after(4, patch, trouble=trouble, answer=answer)
        with pytest.raises(kind) as stopped:
            curate.aifenge(root=address, out=f"{bucket}/people", workers=0)
    assert stopped.value.where.startswith(address)
    trouble.set(0, "", times=0)
    assert keys(f"{bucket}/people") == [CLAIM]
    trouble.requests.clear()
    curate.aifenge(root=address, out=f"{bucket}/people", workers=0)
    again = [line for line in trouble.requests if line.startswith("GET") and address.removeprefix("s3:/") in line]
    assert len([line for line in again if "list-type" not in line]) < 2 * SAMPLES - 1


def fails_after(number: int, patch: pytest.MonkeyPatch, *, trouble: Trouble, answer: tuple[int, str]) -> None:
    """Let the store be in trouble from the `number`-th object on that is read."""
    read, left = ObjectStore.read, iter(range(number))

    def counted(self: ObjectStore, key: str, **how: object) -> bytes:
        if next(left, None) is None:
            trouble.set(*answer)
        return read(self, key, **how)  # type: ignore[arg-type]

    patch.setattr(ObjectStore, "read", counted)


def test_a_changed_file_of_a_data_set_is_told_by_its_sha256(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disc_dataset(tmp_path / "discs", ["d1", "d2"])
    address = upload(tmp_path / "discs", f"{bucket}/discs")
    ObjectStore(address).write("images/d1.png", (tmp_path / "discs/images/d2.png").read_bytes())
    ObjectStore(address).delete("masks/d2.png")
    found = curate.stats(address, verify=True, workers=0)
    told = {(one["code"], one["file"]) for one in found.data["datasets"][0]["problems"]}
    assert told >= {("CHECKSUM", f"{address}/images/d1.png"), ("MISSING_FILE", f"{address}/masks/d2.png")}
    ObjectStore(address).write("manifest.parquet", b"other")
    monkeypatch.setenv(CACHE, str(tmp_path / "another"))  # in the first lies the manifest that the card names
    with pytest.raises(InputRefused, match="SHA-256"):
        curate.stats(address)


def test_a_training_on_a_store_is_that_on_the_disk_bit_for_bit_also_when_it_is_resumed(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disc_dataset(tmp_path / "discs", [f"t{number}" for number in range(6)])
    disc_dataset(tmp_path / "judge", ["v1", "v2"])
    discs, judge = (upload(tmp_path / name, f"{bucket}/{name}") for name in ("discs", "judge"))
    monkeypatch.setenv(VARIABLE, "0.00002")  # 20 kB: all that is read does not fit
    monkeypatch.setattr("models.data.images.room_to_keep", lambda: 0)  # so each epoch reads again

    def train(data: object, val: object, out: str) -> Result:
        told = {"network": "unet_shufflenet", "input_size": "32x32", "epochs": 2, "batch_size": 2, "workers": 0}
        return curate.train(data=data, val=val, out=tmp_path / out, **told)

    train(tmp_path / "discs", tmp_path / "judge", "local")
    with monkeypatch.context() as patch:
        read, left = ObjectStore.read, iter(range(IMAGES + 2))

        def ends(self: ObjectStore, key: str, **how: object) -> bytes:
            if key.startswith("images/") and next(left, None) is None:
                raise EnvironmentProblem("the machine is taken away")
            return read(self, key, **how)  # type: ignore[arg-type]

        patch.setattr(ObjectStore, "read", ends)
        with pytest.raises(EnvironmentProblem, match="taken away"):
            train(discs, judge, "remote")
    assert any((tmp_path / "remote/checkpoints").iterdir())
    result = train(discs, judge, "remote")
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("local", "remote"))
    assert one.keys() == other.keys()
    assert all((one[name] == other[name]).all() for name in one)
    assert str(tmp_path / "cache") not in (tmp_path / "remote/config.yaml").read_text() + result.summary


def test_the_doctor_looks_at_a_store(bucket: str, trouble: Trouble) -> None:
    checks = curate.doctor(store=f"{bucket}/data").data["checks"]
    assert [one["is_fine"] for one in checks if one["name"].startswith("store")] == [True] * 4
    assert keys(bucket) == []
    trouble.set(403, "AccessDenied", method="PUT")
    found = curate.doctor(store=f"{bucket}/data")
    assert found.exit_code == 5
    assert "writing here is not allowed" in found.summary


def test_the_commands_of_the_guide_do_what_it_says(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    upload(write_aifenge_sample(tmp_path / "sample", images=6, seed=1), f"{bucket}/aifenge")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(IMAGES_FROM, f"{bucket}/aifenge")
    guide = (REPOSITORY / "docs/guides/object-stores.md").read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", guide, flags=re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 8
    for line in lines:
        _, *arguments = shlex.split(line.replace("s3://bucket", bucket))
        assert cli.main([*arguments, "--workers", "0"], standalone_mode=False) in {0, 3}, line
    assert f"{bucket}/people: 5 samples" in capfd.readouterr().out
    assert {"people/dataset.json", "results/metrics.json"} < set(keys(bucket))
    named = re.findall(r"`([a-z0-9-]+)`", "".join(re.findall(r"^\| (`.*?) \|", guide, flags=re.MULTILINE)))
    assert {name.replace("-", "_") for name in named} >= ADDRESSES.keys()
