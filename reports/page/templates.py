"""What all pages share: templates that escape every text, and the policy that lets nothing run but our own script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from curation.dataset.card import tool_version
from curation.errors import InputRefused
from curation.quarantine import QuarantineRecord

MARK: Final = b"<!doctype html>\n<!-- curate "
"""Every page of ours begins so; its kind follows."""
TEMPLATES: Final = Path(__file__).parents[1] / "templates"
PAIR_STYLES: Final = ("gallery.css", "static.css")
REPORT_STYLES: Final = (*PAIR_STYLES, "report.css")
RECORDS_SHOWN: Final = 200


def page_templates() -> Environment:
    """Return the templates of pages."""
    return Environment(
        autoescape=True,
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered_page(template: str, *, styles: Sequence[str] = REPORT_STYLES, **values: Any) -> str:
    """Return a page without scripts from one of our templates, which includes the `styles`."""
    hashes = [policy_hash(name) for name in styles]
    return page_templates().get_template(template).render(**values, tool_version=tool_version(), style_hashes=hashes)


def with_records(records: Sequence[QuarantineRecord]) -> dict[str, Any]:
    """Return what a page tells of inputs that are broken: the first of them, and how many more there are."""
    shown = msgspec.to_builtins(records[:RECORDS_SHOWN])
    return {"quarantine": shown, "quarantine_more": max(0, len(records) - RECORDS_SHOWN)}


def refuse_other_page(out: Path, *, kind: str = "", name: str = "report") -> None:
    """Raise InputRefused where a file is no page of ours (of this kind), so that it would be lost; or has no folder."""
    mark = MARK + kind.encode()
    if out.is_dir() or (out.exists() and not _begins(out, mark=mark)):
        reason = f"this is not a {name}, and is not overwritten"
        raise InputRefused(reason, where=out, remedy="choose another --out")
    if not out.parent.is_dir():
        raise InputRefused("there is no such folder", where=out.parent, remedy="make it, or choose another --out")


def _begins(file: Path, *, mark: bytes) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(mark)) == mark


def policy_hash(name: str) -> str:
    """Return the hash by which a page's policy knows an inline script or style (CSP level 2, hash-source)."""
    digest = hashlib.sha256((TEMPLATES / name).read_bytes()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
