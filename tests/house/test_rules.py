"""The rules of the house that no linter knows, checked on every file that is tracked or about to be."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from tests.places import REPOSITORY

ROOMS = ("curation", "models", "labeling", "reports", "pipelines")
MAX_LINES = 300
MAX_BODY_LINES = 40
MAX_POSITIONAL = 3
MAX_PARAMETERS = 6
"""Five, and one more where all but the first go by keyword."""
WRITERS = {
    "curation/remote/kept_files.py",
    "curation/storage/open_unfollowed.py",
    "curation/storage/files.py",
    "curation/storage/journal.py",
    "pipelines/diagnosis/doctor.py",
}
"""The only files that write: two below a dataset folder, one into a temporary folder to see whether that works."""
EXEMPT = {
    "opens a path for writing": WRITERS,
    "writes past the atomic writer": WRITERS,
    # messages between a process and those that it started itself
    "pickle": {"curation/building/processes.py", "curation/cluster/spool.py"},
}
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".json", ".cfg", ".html", ".j2", ""}

FORBIDDEN = {
    "opens a path for writing": r"""\bopen\([^)\n]*["'][rb]*[wax]b?\+?["']""",
    "writes past the atomic writer": r"\.write_(bytes|text)\(",
    "np.save": r"\bnp\.savez?(_compressed|txt)?\(|\.tofile\(",
    "to_parquet or to_csv on a path": r"\.to_(parquet|csv|json|pickle)\(\s*[^)\s]",
    "cv2 on a path": r"\bcv2\.im(read|write)(multi)?\(",
    "pickle": r"^\s*(import|from) (pickle|cPickle|dill|cloudpickle|marshal|shelve)\b|allow_pickle=True",
    "eval or exec": r"(?<![\w.\"`])(eval|exec)\(",
    "yaml.load": r"\byaml\.(unsafe_|full_)?load\(",
    "no limit on pixels": r"MAX_IMAGE_PIXELS\s*=\s*None",
    "truncated images": r"LOAD_TRUNCATED_IMAGES",
    "bare except": r"^\s*except\s*:",
    "pairs by order": r"zip\(sorted\(",
    "a global seed": r"\b(np\.random|random)\.seed\(",
    "removes the workspace by force": r"ignore_errors=True",
}
PRIVATE = {
    "a path of one machine": r"(?<![\w.}/])/(work|home|root|Users)/[A-Za-z]",
    "an address of one network": r"https?://(localhost|127\.0\.0\.1|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)[^\s\"'`)]*/simple",
    "an index of its own": r"--(extra-)?index-url|--find-links|PIP_INDEX_URL|UV_INDEX_URL|trusted-host",
    "an internal host": r"\b[\w-]+\.(internal|corp|lan|intra)\b(?!\w|\()",
}


@lru_cache
def files() -> tuple[Path, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return tuple(path for name in sorted(listed) if (path := REPOSITORY / name).is_file())


def python_files(*, with_tests: bool) -> list[Path]:
    rooms = (*ROOMS, "tests") if with_tests else ROOMS
    return [path for path in files() if path.suffix == ".py" and path.relative_to(REPOSITORY).parts[0] in rooms]


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a body without its docstring: what a reader has to hold in mind."""
    body = function.body
    first = body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    if is_docstring and len(body) == 1:
        return 0
    return (body[-1].end_lineno or 0) - body[1 if is_docstring else 0].lineno + 1


def found(pattern: str, path: Path) -> list[str]:
    compiled = re.compile(pattern)
    lines = enumerate(path.read_text().splitlines(), start=1)
    return [f"{name_of(path)}:{number}: {line.strip()}" for number, line in lines if compiled.search(line)]


def test_files_are_short() -> None:
    long = {
        name_of(path): n
        for path in python_files(with_tests=True)
        if (n := len(path.read_text().splitlines())) >= MAX_LINES
    }
    assert long == {}


def test_functions_are_short() -> None:
    long = {
        f"{name_of(path)}:{function.name}": body_lines(function)
        for path in python_files(with_tests=True)
        for function in functions(path)
        if body_lines(function) >= MAX_BODY_LINES
    }
    assert long == {}


def test_functions_have_few_parameters_and_few_of_them_by_position() -> None:
    wrong = []
    for path in python_files(with_tests=False):
        for function in functions(path):
            by_position = [*function.args.posonlyargs, *function.args.args]
            if by_position and by_position[0].arg in {"self", "cls"}:
                by_position = by_position[1:]
            number = len(by_position) + len(function.args.kwonlyargs)
            # An `__init__` only stores what the errors of this house tell
            if (number > MAX_PARAMETERS and function.name != "__init__") or len(by_position) > MAX_POSITIONAL:
                wrong.append(f"{name_of(path)}:{function.lineno}: {function.name}")
    assert wrong == []


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_no_code_breaks_the_rule(rule: str) -> None:
    exempt = EXEMPT.get(rule, set())
    broken = [
        line
        for path in python_files(with_tests=False)
        if name_of(path) not in exempt
        for line in found(FORBIDDEN[rule], path)
    ]
    assert broken == []


@pytest.mark.parametrize("rule", PRIVATE)
def test_no_text_tells_of_the_machine_it_was_written_on(rule: str) -> None:
    readable = [path for path in files() if path.suffix in TEXT and path != Path(__file__)]
    assert [line for path in readable for line in found(PRIVATE[rule], path)] == []


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("opens a path for writing", 'with path.open("wb") as stream:'),
        ("opens a path for writing", "open(name, 'w', encoding='utf-8')"),
        ("writes past the atomic writer", "target.write_text(page)"),
        ("np.save", "np.savez_compressed(path, mask)"),
        ("to_parquet or to_csv on a path", "frame.to_parquet(path)"),
        ("cv2 on a path", "mask = cv2.imread(str(path))"),
        ("pickle", "import pickle"),
        ("eval or exec", "value = eval(text)"),
        ("yaml.load", "yaml.load(text)"),
        ("no limit on pixels", "Image.MAX_IMAGE_PIXELS = None"),
        ("truncated images", "ImageFile.LOAD_TRUNCATED_IMAGES = True"),
        ("bare except", "    except:"),
        ("pairs by order", "for a, b in zip(sorted(images), sorted(masks)):"),
        ("a global seed", "np.random.seed(0)"),
        ("removes the workspace by force", "shutil.rmtree(out, ignore_errors=True)"),
    ],
)
def test_the_rule_would_notice(rule: str, line: str) -> None:
    assert re.search(FORBIDDEN[rule], line)
