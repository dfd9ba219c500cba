"""The command line: finds the verb, runs it, prints its result. The only place that prints."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any, Final, NoReturn

import click

from curation.errors import CurateError, EnvironmentProblem, Interrupted
from pipelines.command_line.options import Result, RunOptions
from pipelines.command_line.unforeseen import machine_problem, refuse_lost_folder
from pipelines.command_line.verb_command import command_of, give_back_stdout
from pipelines.command_line.verbs import GROUPS, VERBS

OUR_BUG: Final = 70
INTERRUPTED: Final = Interrupted.exit_code
THREADS: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""Read when numpy and torch are imported. Here processes share the cores: numpy's threads would only wait, and threads
of torch that spin while they wait take the cores from those that work (a training beside another took ten times as
long)."""


class LazyGroup(click.Group):
    """Commands by name, each imported when it is called; `inside` is the name of a group in `GROUPS`."""

    def __init__(self, *args: Any, inside: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.inside = f"{inside} " if inside else ""

    def meanings(self) -> dict[str, str]:
        """Return the commands in the order in which they are used, with what each does."""
        found: dict[str, str] = {}
        for name, entry in VERBS.items():
            if name.startswith(self.inside):
                word, _, verb = name.removeprefix(self.inside).partition(" ")
                found.setdefault(word, GROUPS[word] if verb and word in GROUPS else entry.meaning)
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they are used."""
        return list(self.meanings())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb and give its command, or give a group, which imports nothing."""
        if not self.inside and cmd_name in GROUPS:
            return LazyGroup(cmd_name, inside=cmd_name, help=GROUPS[cmd_name], no_args_is_help=True)
        entry = VERBS.get(f"{self.inside}{cmd_name}")
        if entry is None:
            return None
        if not {"-h", "--help"} & set(sys.argv):
            refuse_lost_folder()
        verb = entry.load()
        return command_of(verb, name=cmd_name, show=_show, idle=entry.idle)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; for an unknown one, name those that it may be a slip of."""
        if " ".join(args[:2]) in VERBS and args[0] in VERBS:  # a verb with one more of its own: `browse pull`
            args = [" ".join(args[:2]), *args[2:]]
            return super().resolve_command(ctx, args)
        word, names = args[0], self.list_commands(ctx)
        if word not in names and not word.startswith("-"):
            from difflib import get_close_matches  # only here, so that --help is quick

            meant = [name for name in names if name.startswith(word)] or get_close_matches(word, names)
            ctx.fail(f"there is no command {word!r}" + (f"; did you mean {' or '.join(meant)}?" if meant else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.meanings().items()))


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
    _fill_closed_streams()
    # of what a stopped command leaves to it to clean up, the process that cleans up need not tell
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    for name, value in THREADS.items():
        os.environ.setdefault(name, value)
    threading.excepthook = _on_thread_end  # of this process, which is ours from here on
    try:
        run_command()
    except (KeyboardInterrupt, Interrupted):  # once more, while the first was being told
        os._exit(INTERRUPTED)
    except SystemExit as stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # its reader left, or it was closed
                stream.flush()
        os._exit(stop.code if isinstance(stop.code, int) else 0)


def _fill_closed_streams() -> None:
    """Give standard streams that were closed a file that holds nothing.

    Else the next file that is opened would take their number, and libraries would write their complaints into it.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode))


def run_command() -> NoReturn:
    """Run the command line; raises SystemExit with its code."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        code = curate.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        _exit(error.exit_code, told={"error": error.format_message()})
    except (click.Abort, KeyboardInterrupt, Interrupted):
        _fail("interrupted; run the same command again; it continues where it was", code=INTERRUPTED)
    except CurateError as error:
        _fail_for(error)
    except Exception as error:  # noqa: BLE001 - the last line of defence: say that it is our bug
        if (problem := machine_problem(error)) is not None:
            _fail_for(problem)
        _say(traceback.format_exc())
        _fail(f"this is a bug of curate ({type(error).__name__}); please report it with the lines above", code=OUR_BUG)


def _show(result: Result, run: RunOptions) -> None:
    """Print a result; a reader that does not wait for it changes neither what was done nor the exit code."""
    for warning in result.warnings:
        _say(f"curate: warning: {warning}")
    try:
        if result.output is not None:
            sys.stdout.buffer.write(result.output)
            sys.stdout.buffer.flush()
            if not run.quiet:
                _say(result.summary)
        elif run.json:
            warnings = {"warnings": list(result.warnings)} if result.warnings else {}
            click.echo(json.dumps(result.data | warnings, ensure_ascii=False, indent=2))
        elif not run.quiet:
            click.echo(result.summary)
    except BrokenPipeError:
        pass
    except OSError as error:
        reason = f"the result cannot be written: {(error.strerror or str(error)).lower()}"
        remedy = "free some space, or send it elsewhere; all else is done"
        raise EnvironmentProblem(reason, where="standard output", remedy=remedy) from error
    click.get_current_context().exit(result.exit_code)


def _fail_for(error: CurateError) -> NoReturn:
    told = {"error": error.reason, "where": error.where, "remedy": error.remedy}
    _fail(str(error), code=error.exit_code, told=told)


def _fail(message: str, *, code: int, told: dict[str, str] | None = None) -> NoReturn:
    _say(f"curate: {message}")
    _exit(code, told=told or {"error": message})


def _exit(code: int, *, told: dict[str, str]) -> NoReturn:
    if "--json" in sys.argv:
        with suppress(OSError):
            click.echo(json.dumps({**told, "exit_code": code}, ensure_ascii=False))
    sys.exit(code)


def _say(text: str) -> None:
    with suppress(OSError):  # there may be nobody left to tell
        click.echo(text, err=True)


def _on_thread_end(args: threading.ExceptHookArgs) -> None:
    """End the command for a problem that a thread raises: what the main thread waits for will not come."""
    if not isinstance(args.exc_value, CurateError):
        threading.__excepthook__(args)
        return
    give_back_stdout()
    try:
        _fail_for(args.exc_value)
    except SystemExit:
        sys.stdout.flush()
        os._exit(args.exc_value.exit_code)


def _on_sigterm(number: int, frame: object) -> NoReturn:
    raise Interrupted("SIGTERM")


if __name__ == "__main__":
    main()
