"""The commands of browsing as they are typed, without FiftyOne: what they refuse, and what they only tell."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from curation.dataset.dataset import write_dataset
from curation.errors import EnvironmentProblem
from pipelines.command_line.cli import curate
from pipelines.command_line.options import RunOptions
from pipelines.labels.browse import BrowseFlags, browse
from pipelines.labels.browse_database import browsing_database
from pipelines.labels.browse_pull import PullFlags, browse_pull
from tests.labeling.browsing.test_fiftyone_dataset import dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    drawn = dataset(tmp_path / "d", "1", "2")
    drawn.folder.mkdir()
    write_dataset(drawn.folder, card=drawn.card, table=drawn.table, quarantine=[])
    return drawn.folder


def typed(*words: str) -> Any:
    return CliRunner().invoke(curate, list(words))


def test_browse_takes_datasets_and_has_a_command_of_its_own(folder: Path) -> None:
    shown = typed("browse", str(folder), "--dry-run", "--json")
    assert json.loads(shown.stdout)["samples"] == 2
    assert "curate browse pull" in typed("browse", "pull", "-h").stdout
    assert "Read the tags" in typed("browse", "pull", "-h").stdout


def test_help_lists_browse_once() -> None:
    commands = typed("-h").stdout.partition("Commands:")[2].splitlines()
    assert sum(line.split()[:1] == ["browse"] for line in commands) == 1


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_cannot_be_is_refused(folder: Path, port: int) -> None:
    with pytest.raises(click.UsageError):
        BrowseFlags(datasets=(folder,), port=port)


def test_without_fiftyone_the_remedy_names_the_extra_and_the_way_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for verb, flags in ((browse, BrowseFlags(datasets=(folder,))), (browse_pull, PullFlags(datasets=(folder,)))):
        verb_of: Any = verb
        with pytest.raises(EnvironmentProblem) as caught:
            verb_of(flags, run=RunOptions())
        assert "portrait-curate[browse]" in caught.value.remedy
        assert "curate gallery" in caught.value.remedy
    with pytest.raises(EnvironmentProblem), browsing_database(run=RunOptions()):
        pass
