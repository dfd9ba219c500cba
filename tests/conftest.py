"""What holds for every test: threads wait as they do under the command line, so that tests side by side are quick."""

from __future__ import annotations

import os

from pipelines.command_line.cli import THREADS

for name, value in THREADS.items():
    os.environ.setdefault(name, value)
