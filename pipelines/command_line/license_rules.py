"""Which licences are allowed: the file that `--licenses` names, and what is said of samples under restrictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from curation.dataset.licenses import LicenseRules, license_warnings
from models.yaml_files.config import converted, loaded, read_config_text
from pipelines.command_line.options import Result

LICENSES_MEANING: Final = (
    "Keep only samples of which every licence is in this YAML file, under `allow`; see docs/guides/curate.md."
)
FLAG: Final = "--licenses"
HINT: Final = "e.g. `allow: [CC BY, CC0, No known copyright*]`, and `unknown: true` for samples without a licence"


def read_license_rules(path: Path | None) -> LicenseRules | None:
    """Return the rules in a YAML file, None without one.

    Raises ConfigurationProblem naming file, line and key, what was found and what is expected.
    """
    if path is None:
        return None
    source = read_config_text(path, flag=FLAG, hint=HINT)
    return converted(loaded(source), LicenseRules, source=source)


def with_flags(result: Result, *, counts: Mapping[str, int], samples: int) -> Result:
    """Return a result that also tells how many samples are under a licence with restrictions."""
    warnings = license_warnings(counts, samples=samples)
    return replace(result, data=result.data | dict(counts), warnings=(*result.warnings, *warnings))
