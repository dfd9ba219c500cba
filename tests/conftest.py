"""What holds for every test: threads wait as they do under the command line, so that tests side by side are quick."""

from __future__ import annotations

import os

from pipelines.command_line.cli import THREADS
from tests.object_store import bucket as bucket
from tests.object_store import s3_server as s3_server
from tests.object_store import trouble as trouble

for name, value in THREADS.items():
    os.environ.setdefault(name, value)
