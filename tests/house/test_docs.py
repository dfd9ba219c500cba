"""The documentation site: it builds strictly, tells every verb, and no link in it leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import get_type_hints
from urllib.parse import unquote, urlsplit

import pytest

from curation.dataset.dataset import SCHEMA
from curation.quarantine import Code
from pipelines.command_line.options import flags_of
from pipelines.command_line.verbs import VERBS
from tests.places import REPOSITORY

LOADING = {"src", "srcset", "data", "poster"}
"""Attributes whose address is fetched while a page is shown; so is `href` of a link element."""


class Addresses(HTMLParser):
    """What a page links to, what it fetches, and the anchors in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name in {"id", "name"}:
                self.anchors.add(value)
            if name in LOADING or (name == "href" and tag == "link"):
                self.fetched.add(value)
            elif name == "href":
                self.links.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Addresses]:
    found = {}
    for path in site.rglob("*.html"):
        found[path.resolve()] = Addresses()
        found[path.resolve()].feed(path.read_text())
    return found


def test_every_verb_has_a_page_with_all_its_flags(site: Path) -> None:
    for name, entry in VERBS.items():
        page = unescape((site / "reference" / "commands" / f"{name.replace(' ', '-')}.html").read_text())
        assert f"curate {name}" in page
        verb = entry.load()
        for field in flags_of(get_type_hints(verb)["settings"]):
            flag = f"--{field.name.rstrip('_').replace('_', '-')}"
            assert f"<code>{flag}" in page or field.metadata["positional"], f"{name}: {flag}"
    train = unescape((site / "reference" / "commands" / "train.html").read_text())
    assert "<code>--keep [best|last]</code></td>" in train
    assert "<td>0.005</td>" in train


def test_every_link_inside_the_site_leads_somewhere(site: Path, pages: dict[Path, Addresses]) -> None:
    assert len(pages) > 60
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are those of a server
        for address in page.links | page.fetched:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                broken.append(f"{path.relative_to(site)}: {address}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{path.relative_to(site)}: no anchor {address}")
    assert broken == []


def test_no_page_fetches_anything_from_elsewhere(site: Path, pages: dict[Path, Addresses]) -> None:
    assert [address for page in pages.values() for address in page.fetched if urlsplit(address).netloc] == []
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"url\(\s*['\"]?https?:|@import", styles) == []


def test_columns_and_codes_are_told(site: Path) -> None:
    files, codes = ((site / "reference" / f"{name}.html").read_text() for name in ("files", "codes"))
    assert [name for name in SCHEMA.names if f"<code>{name}</code>" not in files] == []
    assert [code for code in Code if f"<code>{code}</code>" not in codes] == []


def test_modules_that_moved_are_where_the_page_says() -> None:
    lines = (REPOSITORY / "docs" / "moved.tsv").read_text().splitlines()
    assert len(lines) > 300
    assert [new for _, new in (line.split("\t") for line in lines) if not (REPOSITORY / new).is_file()] == []
