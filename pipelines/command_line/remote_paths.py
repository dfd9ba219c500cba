"""Addresses of object stores in the flags of a command: each becomes a path of this machine while the command runs.

What is read is fetched as it is read; what is made is published when the command has ended well. A command in which an
address can do nothing refuses it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from curation.errors import ConfigurationProblem, CurateError

if TYPE_CHECKING:
    from curation.remote.output import Output
    from pipelines.command_line.options import Result, RunOptions

Use = Literal["file", "folder", "dataset", "output", "change"]
OUT: Final[Mapping[str, Use]] = {"out": "output"}
ROOT: Final[Mapping[str, Use]] = {"root": "folder", **OUT}
COCO: Final[Mapping[str, Use]] = {"annotations": "file", "images": "folder", "keypoints": "file", **OUT}
ADDRESSES: Final[Mapping[str, Mapping[str, Use]]] = {
    "coco_person": COCO,
    "coco_background": COCO,
    "aifenge": ROOT,
    "celebamask": ROOT,
    "portrait2000": ROOT,
    "images": ROOT,
    "pairs": {"images": "folder", "masks": "folder", "alphas": "folder", **OUT},
    "stats": {"datasets": "dataset"},
    "gallery": {"datasets": "dataset"},
    "split": {"dataset": "change"},
    "merge": {"datasets": "dataset", **OUT},
    "fuse": {"foregrounds": "dataset", "backgrounds": "dataset", **OUT},
    "train": {"data": "dataset", "val": "dataset", "backgrounds": "dataset"},
    "evaluate": {"data": "dataset", **OUT},
    "mine": {"data": "dataset", **OUT},
}
"""Of each verb the flags that take an address, and what lies there."""
NEEDED: Final[Mapping[str, str]] = {"gallery": "out"}
"""What must be given where it is usually a file in the data set."""


@contextmanager
def at_hand(settings: Any, *, verb: str, run: RunOptions) -> Iterator[Any]:
    """Give the settings of a verb with paths in place of addresses; when the block ends well, publish what it made.

    Raises ConfigurationProblem for an address where none is taken; what is raised inside names addresses again.
    """
    addresses = dict(_addresses(settings))
    if not addresses:
        yield settings
        return
    uses = ADDRESSES.get(verb, {})
    for field, (address, *_) in addresses.items():
        if field not in uses:
            remedy = f"copy it to this machine first; addresses are taken by {_takers()}"
            raise ConfigurationProblem(f"--{field.replace('_', '-')} takes no address", where=address, remedy=remedy)
    if (needed := NEEDED.get(verb)) and getattr(settings, needed) is None:
        raise ConfigurationProblem(f"--{needed} is missing", remedy=f"give --{needed} with a path on this machine")
    with ExitStack() as stack, telling_addresses():
        outputs: list[Output] = []
        lent = {
            field: _lent(getattr(settings, field), use=uses[field], outputs=outputs, stack=stack, run=run)
            for field in addresses
        }
        yield dataclasses.replace(settings, **lent)
        for output in outputs:
            _publish(output, run=run)


@contextmanager
def telling_addresses() -> Iterator[None]:
    """Name addresses, not the paths that stand for them, in what is raised in the block."""
    try:
        yield
    except CurateError as error:
        from curation.remote.places import told

        for name in ("reason", "where", "remedy"):
            setattr(error, name, told(getattr(error, name), is_published=False))
        raise


def with_addresses(result: Result) -> Result:
    """Return a result that names addresses, not the paths that stand for them."""
    from curation.remote.places import all_told, told

    summary = re.sub(r"(curate gallery \S+://\S+)$", r"\1 --out gallery.html", told(result.summary), flags=re.MULTILINE)
    told_of: dict[str, Any] = {"summary": summary, "data": all_told(result.data)}
    return dataclasses.replace(result, **told_of, warnings=tuple(map(told, result.warnings)))


def _addresses(settings: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield the fields that hold addresses, and these; what lies on this machine under such a name is a path."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        found = [one for path in (value if isinstance(value, tuple) else (value,)) if (one := _address(path))]
        if found:
            yield field.name, found


def _address(value: object) -> str | None:
    if not isinstance(value, Path) or ":" not in str(value) or value.exists():
        return None
    from curation.remote.object_store import address_of

    return address_of(str(value))


def _lent(value: Any, *, use: Use, outputs: list[Output], stack: ExitStack, run: RunOptions) -> Any:
    if isinstance(value, tuple):
        return tuple(_lent(one, use=use, outputs=outputs, stack=stack, run=run) for one in value)
    address = _address(value)
    if address is None:
        return value
    if use in {"output", "change"} and not run.dry_run:
        return stack.enter_context(_begun(address, use=use, outputs=outputs, run=run))
    from curation.remote.mirrored import mirrored_dataset, mirrored_file, mirrored_folder
    from curation.remote.places import home_of

    if use == "output":  # of a dry run, which makes nothing
        return home_of(address, kind="output") / address.rpartition("/")[2]
    ways: dict[str, Callable[[str], Path]] = {"file": mirrored_file, "folder": mirrored_folder}
    return ways.get(use, mirrored_dataset)(address)


def _publish(output: Output, *, run: RunOptions) -> None:
    from curation.remote.output import made_files, publish
    from pipelines.command_line.progress import progress_bar  # here: most commands publish nothing

    number = sum(1 for _ in made_files(output.folder))
    with progress_bar("publish", total=number, run=run, unit="file") as show:
        publish(output, told=show)


@contextmanager
def _begun(address: str, *, use: Use, outputs: list[Output], run: RunOptions) -> Iterator[Path]:
    """Hold an address for one command of this machine; a command that made nothing leaves nothing there."""
    from curation.remote.output import begin_change, begin_output, give_up
    from curation.remote.places import home_of
    from curation.storage.claimed_folder import lock_file
    from curation.storage.lock import exclusive

    home = home_of(address, kind="output")
    try:
        with exclusive(lock_file(home)):
            output = begin_change(address) if use == "change" else begin_output(address, overwrite=run.overwrite)
            outputs.append(output)
            try:
                yield output.folder
            except BaseException as error:
                if output.published is not None and isinstance(error, CurateError) and "--overwrite" in error.remedy:
                    error.remedy = "choose another --out: what was published is not replaced"
                give_up(output)
                raise
    finally:
        with suppress(OSError):
            home.rmdir()  # where nothing was made, nothing is kept


def _takers() -> str:
    return ", ".join(name.replace("_", "-") for name in ADDRESSES)
