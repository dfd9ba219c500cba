"""What all pages share: templates that escape every text, and the policy that lets nothing run but our own script."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES: Final = Path(__file__).parent / "templates"


def page_templates() -> Environment:
    """Give the templates of pages."""
    return Environment(
        autoescape=True,
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def policy_hash(name: str) -> str:
    """Give the hash by which a page's policy knows an inline script or style (CSP level 2, hash-source)."""
    digest = hashlib.sha256((TEMPLATES / name).read_bytes()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
