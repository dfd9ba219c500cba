"""Pages of the site that are made while it is built: references from the code, notebooks, and files of the root."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from commands import command_pages, command_sections  # noqa: E402 - found by the path that was just given
from references import codes_page, configuration_page, moved_page  # noqa: E402

OF_ROOT: Final = {
    "CONTEXT.md": "project/words.md",
    "SECURITY.md": "project/security.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "README.md": "index.md",
}
"""Files of the root, and where they stand in the site; README has a page of its own there."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put a page for each verb, and one for each choice, into the navigation."""
    for section in config.nav or []:
        for name, parts in section.items() if isinstance(section, dict) else ():
            if name == "Reference":
                parts[0]["Commands"] += command_sections()
            if name == "Project":
                choices = next(part["Choices"] for part in parts if "Choices" in part)
                choices += [f"adr/{path.name}" for path in adr_files()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code and from files outside of docs/."""
    for place, text in made_pages():
        files.append(File.generated(config, place, content=text))
    return files


def made_pages() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each page that no file in docs/ holds."""
    yield from command_pages()
    yield "reference/codes.md", codes_page()
    yield "reference/configuration.md", configuration_page()
    yield "reference/old-imports.md", moved_page(DOCS / "moved.tsv")
    yield "adr/index.md", choices_page()
    for name, place in OF_ROOT.items():
        if name != "README.md":
            yield place, linked((ROOT / name).read_text() + (unreleased() if name == "CHANGELOG.md" else ""))
    for path in sorted((DOCS / "notebooks").glob("*.ipynb")):
        yield f"notebooks/{path.stem}.md", notebook_page(path)


def adr_files() -> list[Path]:
    """Return the records of choices."""
    return sorted((DOCS / "adr").glob("[0-9]*.md"))


def choices_page() -> str:
    """Return the list of choices that were hard."""
    titles = [(path.name, path.read_text().splitlines()[0].lstrip("# ")) for path in adr_files()]
    lines = [f"- [{title}]({name})" for name, title in titles]
    return "# Choices\n\nChoices that were hard, each with what was rejected, and why.\n\n" + "\n".join(lines) + "\n"


def unreleased() -> str:
    """Return the changes that no release holds yet."""
    parts = [path.read_text().strip() for path in sorted((ROOT / "changelog.d").glob("*.md"))]
    return "\n## Not yet released\n\n" + "\n".join(parts) + "\n" if parts else ""


def linked(text: str) -> str:
    """Return Markdown of the root with its links as they are seen from `project/`; other files are named only."""

    def seen(match: re.Match[str]) -> str:
        label, target = match[1], match[2]
        if target in OF_ROOT:
            return f"[{label}](../{OF_ROOT[target]})"
        if target.startswith("docs/") and target.endswith(".md"):
            return f"[{label}](../{target.removeprefix('docs/')})"
        return match[0] if "://" in target else label

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)\)", seen, text)


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown: its texts, and its code; outputs are not kept in it."""
    told: dict[str, Any] = json.loads(path.read_text())
    parts = []
    for cell in told["cells"]:
        text = "".join(cell["source"]).strip()
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    note = (
        f"This page is the notebook `docs/notebooks/{path.name}`; `pip install 'portrait-curate[all,docs]'` runs it.\n"
    )
    head, *rest = parts
    return "\n\n".join([head, note, *rest]) + "\n"
