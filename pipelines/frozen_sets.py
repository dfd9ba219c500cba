"""The test sets of a workspace, frozen: `test-sets.json` holds the hash of each manifest since it was first used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from curation.errors import InputRefused
from curation.files import make_folder, read_file, write_durable
from curation.quarantine import BadRecord, Code
from models.gate import refuse_changed_sets

FROZEN: Final = "test-sets.json"


def freeze(workspace: Path, *, found: Mapping[str, str]) -> dict[str, str]:
    """Hold test sets, name to SHA-256 of the manifest, against those that are frozen; freeze those that are new.

    Gives all that are frozen. Raises InputRefused naming both hashes when one changed, and when one is left out.
    """
    if held_against(workspace, found=found) != found:
        make_folder(workspace)
        text = msgspec.json.format(msgspec.json.encode(dict(found), order="deterministic"), indent=2)
        write_durable(workspace / FROZEN, text + b"\n")
    return dict(found)


def held_against(workspace: Path, *, found: Mapping[str, str]) -> dict[str, str]:
    """Return the test sets that are frozen, none where nothing is; raises as `freeze` does, and changes nothing."""
    frozen = _read(workspace / FROZEN)
    refuse_changed_sets(frozen, found=found)
    return frozen


def _read(file: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(read_file(file), type=dict[str, str])
    except BadRecord as problem:
        if problem.code == Code.MISSING_FILE:
            return {}
        raise InputRefused(problem.reason, where=file, remedy=problem.hint) from problem
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        remedy = "restore the file; without it, nobody knows whether rounds can be compared"
        raise InputRefused(f"damaged: {error}", where=file, remedy=remedy) from error
