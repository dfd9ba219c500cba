"""The command line: finds the verb, runs it, prints its result. The only place that prints."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import click

from curation.errors import CurateError, Interrupted
from pipelines.options import Result, RunOptions, command_of

OUR_BUG: Final = 70
INTERRUPTED: Final = Interrupted.exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a verb lives. It is imported only when it is called, so that `--help` is quick."""

    module: str
    function: str
    meaning: str


VERBS: Final[dict[str, Entry]] = {
    "coco-person": Entry(
        module="pipelines.coco_person",
        function="coco_person",
        meaning="Images with large persons from COCO, with merged person masks.",
    ),
    "coco-background": Entry(
        module="pipelines.coco_background",
        function="coco_background",
        meaning="Person-free images from COCO, for fusion.",
    ),
    "aifenge": Entry(
        module="pipelines.aifenge", function="aifenge", meaning="AiFenGe cut-out PNGs to alphas, masks and trimaps."
    ),
    "celebamask": Entry(
        module="pipelines.celebamask",
        function="celebamask",
        meaning="CelebAMask-HQ part masks to person masks and class maps.",
    ),
    "portrait2000": Entry(
        module="pipelines.portrait2000",
        function="portrait2000",
        meaning='"Automatic Portrait Matting" pairs to alphas, masks and trimaps.',
    ),
    "pairs": Entry(module="pipelines.pairs", function="pairs", meaning="Any folder of images and masks or alphas."),
    "stats": Entry(
        module="pipelines.stats", function="stats", meaning="What is in a dataset; --verify checks its files."
    ),
    "split": Entry(
        module="pipelines.split", function="split", meaning="Split a dataset by group into train, val, test."
    ),
    "merge": Entry(module="pipelines.merge", function="merge", meaning="Join datasets into one."),
    "gallery": Entry(module="pipelines.gallery", function="gallery", meaning="One HTML contact sheet to look at."),
    "demo": Entry(module="pipelines.demo", function="demo", meaning="The main job on sample data, from nothing."),
    "doctor": Entry(
        module="pipelines.doctor", function="doctor", meaning="What works on this machine, and how to mend the rest."
    ),
}


class LazyGroup(click.Group):
    """Commands by name, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the verbs in the order in which they are used."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb and give its command."""
        entry = VERBS.get(cmd_name)
        if entry is None:
            return None
        verb = getattr(importlib.import_module(entry.module), entry.function)
        return command_of(verb, name=cmd_name, show=_show)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.meaning) for name, entry in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="portrait-curate", prog_name="curate")
def curate() -> None:
    """Curate, label and improve training data for portrait segmentation.

    \b
    Start with:  curate demo          the main job on sample data
                 curate COMMAND -h    what a command does
    """


def main() -> NoReturn:
    """Run the command line and exit with its code.

    Everything is written and every worker has ended when the command ends, so the process leaves without taking itself
    apart: that takes a while with a million records, and native threads of libraries have aborted in it.
    """
    try:
        run_command()
    except SystemExit as stop:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(stop.code if isinstance(stop.code, int) else 0)


def run_command() -> NoReturn:
    """Run the command line; raises SystemExit with its code."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        code = curate.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        if "--json" in sys.argv:
            click.echo(json.dumps({"error": error.format_message(), "exit_code": error.exit_code}))
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt, Interrupted):
        _fail("interrupted; run the same command again, it goes on where it was", code=INTERRUPTED)
    except CurateError as error:
        _fail(str(error), code=error.exit_code, error=error)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe left; there is nobody to tell
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the last line of defence: say that it is our bug
        traceback.print_exc()
        _fail(f"this is a bug of curate ({type(error).__name__}); please report it with the lines above", code=OUR_BUG)


def _show(result: Result, run: RunOptions) -> None:
    if run.json:
        click.echo(json.dumps(result.data, ensure_ascii=False, indent=2))
    elif not run.quiet:
        click.echo(result.summary)
    click.get_current_context().exit(result.exit_code)


def _fail(message: str, *, code: int, error: CurateError | None = None) -> NoReturn:
    click.echo(f"curate: {message}", err=True)
    if "--json" in sys.argv:
        told: dict[str, Any] = {"error": error.reason if error else message, "exit_code": code}
        if error is not None:
            told |= {"where": error.where, "remedy": error.remedy}
        click.echo(json.dumps(told, ensure_ascii=False))
    sys.exit(code)


def _on_sigterm(number: int, frame: object) -> NoReturn:
    raise Interrupted("SIGTERM")


if __name__ == "__main__":
    main()
