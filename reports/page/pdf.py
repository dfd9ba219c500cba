"""A page as PDF, printed by a browser of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from curation.errors import EnvironmentProblem
from curation.quarantine import BadRecord
from curation.storage.files import read_file, write_durable

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
VARIABLE: Final = "CURATE_BROWSER"
TIMEOUT_S: Final = 180
MAX_BYTES: Final = 1 << 30
QUIET: Final = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-extensions",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)
"""Nothing is looked up and nothing is fetched: the page holds all that it shows."""


def write_pdf(page: Path, *, out: Path) -> None:
    """Print an HTML page to the file `out`.

    Raises EnvironmentProblem when there is no browser, or it does not print.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="curate-") as folder:
        printed = Path(folder) / "page.pdf"
        # the sandbox of the browser does not work for root, and the page runs nothing that would have to be held in it
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [browser, *QUIET, *sandbox, f"--user-data-dir={folder}/profile", f"--print-to-pdf={printed}"]
        try:
            done = subprocess.run(
                [*command, page.resolve().as_uri()], capture_output=True, timeout=TIMEOUT_S, check=False
            )
            data = read_file(printed, max_bytes=MAX_BYTES)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_printed(browser, str(error)) from error
        except BadRecord as problem:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise _not_printed(browser, "".join(last) or f"exit code {done.returncode}") from problem
    if not data.startswith(b"%PDF-"):
        raise _not_printed(browser, "what it wrote is no PDF")
    write_durable(out, data)


def find_browser() -> str:
    """Return the program of a browser that can print. Raises EnvironmentProblem where there is none."""
    named = os.environ.get(VARIABLE, "").strip()
    found = next((path for name in ([named] if named else BROWSERS) if (path := shutil.which(name))), None)
    if found is None:
        looked = named or ", ".join(BROWSERS)
        raise EnvironmentProblem(
            f"there is no browser to print the PDF with (looked for {looked})",
            remedy=f"install chromium, or name a browser with {VARIABLE}; or print the HTML page from any browser",
        )
    return found


def _not_printed(browser: str, reason: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"the browser did not print the page: {reason}",
        where=browser,
        remedy=f"name another browser with {VARIABLE}, or print the HTML page by hand; the page itself is written",
    )
