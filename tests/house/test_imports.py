"""The direction of imports, one door for each heavy package, and a command line that starts at once."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipelines.command_line.cli import VERBS
from tests.places import REPOSITORY

MAY_IMPORT = {
    "curation": set(),
    "models": {"curation"},
    "labeling": {"curation", "models"},
    "reports": {"curation", "models"},
    "pipelines": {"curation", "models", "labeling", "reports"},
}
ROOMS = tuple(MAY_IMPORT)
ONE_FILE = (
    "fiftyone",
    "label_studio_sdk",
    "mlflow",
    "albumentations",
    "pycocotools",
    "pymatting",
    "apscheduler",
    "ray",
    "obstore",
)
ONE_ROOM = {"torch": "models", "torchvision": "models", "lightning": "models", "timm": "models", "fiftyone": "labeling"}
CODECS = {"imread", "imwrite", "imdecode", "imencode", "imreadmulti", "imdecodemulti", "VideoCapture"}
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "core", "base", "misc"}
HELP_S = 0.3


def sources() -> list[Path]:
    return sorted(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py"))


@cache
def imported_modules(path: Path) -> tuple[str, ...]:
    """Return the modules that a file imports, anywhere in it: also those for type checks and inside functions."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def files_by_package() -> dict[str, set[str]]:
    """Give, for each top-level package, the files that import it."""
    found = defaultdict(set)
    for path in sources():
        for module in imported_modules(path):
            found[module.partition(".")[0]].add(str(path.relative_to(REPOSITORY)))
    return found


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a new Python holds after it ran some code."""
    program = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_imports_go_one_way() -> None:
    wrong = [
        f"{path.relative_to(REPOSITORY)} imports {module}"
        for path in sources()
        for module in imported_modules(path)
        for room in [path.relative_to(REPOSITORY).parts[0]]
        if (target := module.partition(".")[0]) in ROOMS and target != room and target not in MAY_IMPORT[room]
    ]
    assert wrong == []


def test_code_does_not_import_tests() -> None:
    assert files_by_package().get("tests", set()) == set()


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part for path in sources() for part in path.relative_to(REPOSITORY).with_suffix("").parts}
    assert parts & EMPTY_NAMES == set()


@pytest.mark.parametrize("package", ONE_FILE)
def test_a_heavy_package_has_one_door(package: str) -> None:
    doors = files_by_package().get(package, set())
    assert len(doors) <= 1, doors


@pytest.mark.parametrize("package", ONE_ROOM)
def test_a_heavy_package_stays_in_its_room(package: str) -> None:
    rooms = {file.partition("/")[0] for file in files_by_package().get(package, set())}
    assert rooms <= {ONE_ROOM[package]}


def codec_calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            name = node.attr
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if name in CODECS or (owner in {"Image", "PIL"} and name in {"open", "frombytes"}):
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno}: {owner}.{name}"
        elif isinstance(node, ast.ImportFrom) and node.module == "cv2":
            yield from (f"{path}: from cv2 import {alias.name}" for alias in node.names if alias.name in CODECS)


def test_only_the_pixel_door_decodes_and_encodes_images() -> None:
    doors = {"curation/images/pixels.py"}
    assert [
        call for path in sources() if str(path.relative_to(REPOSITORY)) not in doors for call in codec_calls(path)
    ] == []


def test_help_imports_nothing_heavy() -> None:
    loaded = loaded_by("from pipelines.command_line.cli import curate\ncurate.main(['--help'], standalone_mode=False)")
    assert loaded & {"torch", "fiftyone", "pandas", "pyarrow", "numpy", "cv2", "skimage", "pycocotools"} == set()


def test_the_rooms_themselves_import_nothing() -> None:
    loaded = loaded_by("import pipelines, curation, models; assert len(dir(pipelines)) > 40")
    assert loaded & {"click", "msgspec", "numpy", "pyarrow", "pandas", "cv2", "torch"} == set()


def test_no_command_imports_torch_or_fiftyone() -> None:
    present = [
        entry.module for entry in VERBS.values() if (REPOSITORY / f"{entry.module.replace('.', '/')}.py").exists()
    ]
    assert present
    loaded = loaded_by("\n".join(f"import {module}" for module in present))
    assert loaded & {"torch", "torchvision", "lightning", "fiftyone", "label_studio_sdk", "mlflow", "ray"} == set()


def test_scoring_with_a_model_of_persons_imports_no_torch() -> None:
    """It takes half a gigabyte; networks of classes alone are read with what needs it."""
    names = ("evaluation.evaluate_models", "mining.mine_datasets", "labels.prelabel_pool")
    loaded = loaded_by("\n".join(f"import pipelines.{name}" for name in names))
    assert loaded & {"torch", "torchvision", "lightning"} == set()


def fastest(*arguments: str, times: int) -> float:
    """Return the processor seconds of the fastest of some starts: what else the machine does only adds."""
    taken = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(taken)


def test_help_is_there_at_once() -> None:
    bare = fastest("-c", "import click", times=7)
    with_help = fastest("-m", "pipelines.command_line.cli", "--help", times=7)
    print(f"curate --help: {with_help:.3f} s, {with_help / bare:.2f} times a bare `import click` ({bare:.3f} s)")
    assert with_help < HELP_S
    assert with_help < 3 * bare
