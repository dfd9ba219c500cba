"""The chapters of each room: no circle of files, no import that runs up, and no folder too long to look over."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import networkx as nx
import pytest

from tests.places import REPOSITORY

ROOT = ""
"""The files that stand directly in a room."""
CHAPTERS = {
    "curation": (
        *(
            ROOT,
            "remote",
            "storage",
            "images",
            "labels",
            "dataset",
            "building",
            "cluster",
            "operations",
            "duplicates",
            "sources",
        ),
        *("exchange", "matting", "fusion", "photos", "videos"),
    ),
    "models": (
        *(
            "yaml_files",
            ROOT,
            "metrics",
            "losses",
            "networks",
            "faces",
            "data",
            "registry",
            "prediction",
            "training",
            "evaluation",
        ),
        *("export", "benchmark"),
    ),
    "labeling": ("verdicts", ROOT, "teachers", "browsing", "selection", "label_tools"),
    "reports": (ROOT, "page", "datasets", "rounds", "experiments"),
    "pipelines": (
        *(
            "command_line",
            ROOT,
            "sources",
            "exchange",
            "datasets",
            "photos",
            "training",
            "evaluation",
            "labels",
            "mining",
            "loop",
        ),
        *("scheduling", "experiments", "demonstration", "diagnosis"),
    ),
}
"""Of each room its chapters; each may import from itself and from those before it."""
MAX_MODULES = 18
"""So many files, `__init__.py` aside, are looked over at once in a folder."""


def module_of(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_of(path): path for room in CHAPTERS for path in sorted((REPOSITORY / room).rglob("*.py"))}


def targets(module: str) -> set[str]:
    """Return the modules of ours that a module imports, anywhere in it: also for types, and inside functions."""
    found = set()
    for node in ast.walk(ast.parse(SOURCES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= named & SOURCES.keys() or {node.module}
    return (found & SOURCES.keys()) - {module}


def chapter_of(module: str) -> tuple[str, str]:
    parts = SOURCES[module].relative_to(REPOSITORY).parts
    return parts[0], parts[1] if len(parts) > 2 else ROOT


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = nx.DiGraph((module, target) for module in SOURCES for target in targets(module))
    assert [sorted(circle) for circle in nx.strongly_connected_components(graph) if len(circle) > 1] == []


@pytest.mark.parametrize("room", CHAPTERS)
def test_a_chapter_imports_only_those_before_it(room: str) -> None:
    order = CHAPTERS[room]
    wrong = []
    for module in SOURCES:
        here, chapter = chapter_of(module)
        if here != room or module == room:  # the door of a room leads into all its chapters
            continue
        for target in targets(module):
            there, other = chapter_of(target)
            if there == room and order.index(other) > order.index(chapter):
                wrong.append(f"{module} imports {target}")
    assert wrong == []


@pytest.mark.parametrize("room", CHAPTERS)
def test_every_chapter_is_there_and_in_the_order(room: str) -> None:
    there = {path.parent.name for path in (REPOSITORY / room).glob("*/__init__.py")}
    assert there == set(CHAPTERS[room]) - {ROOT}


def test_no_folder_holds_more_than_can_be_looked_over() -> None:
    numbers = Counter(path.parent for path in SOURCES.values() if path.name != "__init__.py")
    assert {str(folder.relative_to(REPOSITORY)): n for folder, n in numbers.items() if n > MAX_MODULES} == {}
