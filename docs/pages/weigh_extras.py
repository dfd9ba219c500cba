"""Prints what each extra weighs: packages and megabytes beyond the base, as they are installed here.

`python docs/pages/weigh_extras.py`
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

PROJECT: Final = Path(__file__).resolve().parents[2] / "pyproject.toml"
GPU: Final = ("nvidia-", "triton", "cuda-")
"""How the packages begin that torch needs for GPUs alone."""


def main() -> None:
    """Print a table."""
    told = tomllib.loads(PROJECT.read_text())["project"]
    base = installed(told["dependencies"])
    print(f"{'base':8} {len(base):4} packages {megabytes(base):6,.0f} MB")
    for name, wanted in told["optional-dependencies"].items():
        more = {key: value for key, value in installed(wanted).items() if key not in base}
        gpu = {key: value for key, value in more.items() if key.startswith(GPU)}
        print(f"{name:8} {len(more):4} packages {megabytes(more):6,.0f} MB, for GPUs alone {megabytes(gpu):6,.0f} MB")


def installed(wanted: list[str]) -> dict[str, Distribution]:
    """Return the packages that requirements need, with those that these need, as far as they are installed."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(one) for one in wanted]
    while waiting:
        one = waiting.pop()
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        for extra in {"", *one.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:
                print(f"not installed, and not weighed: {name}", file=sys.stderr)
                continue
            inner = [Requirement(text) for text in found[name].requires or []]
            waiting += [each for each in inner if each.marker is None or each.marker.evaluate({"extra": extra})]
    return found


def megabytes(packages: dict[str, Distribution]) -> float:
    """Return the size of the files of packages."""
    files = [file.locate() for package in packages.values() for file in package.files or []]
    return sum(Path(file).stat().st_size for file in files if Path(file).exists()) / 1e6


if __name__ == "__main__":
    main()
