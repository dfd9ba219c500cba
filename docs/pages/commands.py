"""The reference of the commands, made from `VERBS` and from the settings of each verb."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import click

from pipelines.command_line.options import RunOptions
from pipelines.command_line.verb_command import VerbCommand, command_of
from pipelines.command_line.verbs import VERBS, Entry

CHAPTERS: Final = {
    "sources": "From sources",
    "datasets": "Datasets",
    "photos": "Photographs",
    "training": "Models",
    "evaluation": "Measuring",
    "mining": "Mining",
    "labels": "Labels",
    "loop": "The loop",
    "scheduling": "The schedule",
    "experiments": "Experiments",
    "demonstration": "The demo",
    "diagnosis": "This machine",
}
"""How the chapters of `pipelines` are called in the navigation; one that is missing here bears its own name."""
WORKERS_DEFAULT: Final = "one for each processor"


def command_sections() -> list[dict[str, list[dict[str, str]]]]:
    """Return the navigation: the verbs by the chapter in which they stand."""
    found: dict[str, list[dict[str, str]]] = {}
    for name, entry in VERBS.items():
        chapter = entry.module.split(".")[1]
        found.setdefault(CHAPTERS.get(chapter, chapter), []).append({name: f"reference/commands/{page_name(name)}"})
    return [{title: pages} for title, pages in found.items()]


def command_pages() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of the page of each verb, and of the list of all."""
    rows = [f"| [`{name}`]({page_name(name)}) | {cell(entry.meaning)} |" for name, entry in VERBS.items()]
    common = [_row(parameter) for parameter in _run_parameters()]
    yield (
        "reference/commands/index.md",
        "\n".join(
            [
                *("# Commands", "", "`curate COMMAND -h` prints the same in the terminal.", ""),
                *("| command | does |", "|---|---|", *rows, ""),
                *(
                    "## Flags that every command takes",
                    "",
                    "| flag | meaning | default |",
                    "|---|---|---|",
                    *common,
                    "",
                ),
                "Exit codes stand under [Codes](../codes.md).",
                "",
            ]
        ),
    )
    for name, entry in VERBS.items():
        yield f"reference/commands/{page_name(name)}", verb_page(name, entry=entry)


def page_name(verb: str) -> str:
    """Return the file of the page of a verb."""
    return f"{verb.replace(' ', '-')}.md"


def verb_page(name: str, *, entry: Entry) -> str:
    """Return the page of one verb: what it does, how it is called, its flags, and the common ones that count."""
    verb = entry.load()
    command = command_of(verb, name=name, show=lambda result, run: None, idle=entry.idle)
    assert isinstance(command, VerbCommand)
    own = [parameter for parameter in command.params if parameter.name in command.meanings]
    context = click.Context(command, info_name=f"curate {name}")
    usage = " ".join([f"curate {name}", *command.collect_usage_pieces(context)])
    lines = [f"# {name}", "", "```text", usage, "```", "", description(verb.__doc__ or entry.meaning), ""]
    if own:
        lines += ["| argument or flag | meaning | default |", "|---|---|---|"]
        lines += [_row(parameter, meanings=command.meanings) for parameter in own]
    taken = [f"`{_flag(parameter)}`" for parameter in _run_parameters() if parameter.name not in entry.idle]
    lines += ["", f"[Common flags](index.md#flags-that-every-command-takes): {', '.join(taken)}."]
    if entry.idle:
        idle = [f"`{_flag(parameter)}`" for parameter in _run_parameters() if parameter.name in entry.idle]
        lines += ["", f"Taken, without effect here: {', '.join(idle)}."]
    return "\n".join(lines) + "\n"


def description(docstring: str) -> str:
    r"""Return a docstring as Markdown; what follows a `\b` keeps its lines, commands in it are code.

    >>> print(description("Do it.\n\n    \b\n    Example:  curate x -h"))
    Do it.
    <BLANKLINE>
    For example:
    <BLANKLINE>
    ```text
    curate x -h
    ```
    """
    parts = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
        if paragraph.startswith("\b"):
            kept = re.sub(r"^Examples?:[ \n]*", "", paragraph.removeprefix("\b").strip("\n").lstrip())
            parts.append(f"For example:\n\n```text\n{inspect.cleandoc(kept)}\n```")
        else:
            parts.append(html_free(" ".join(paragraph.split())))
    return "\n\n".join(parts)


def html_free(text: str) -> str:
    """Return text in which nothing is taken for a tag or for emphasis."""
    return re.sub(r"([<*_])", r"\\\1", text) if "`" not in text else text.replace("<", "&lt;")


def cell(text: str) -> str:
    """Return text that stands in one cell of a table."""
    return html_free(" ".join(text.split())).replace("|", "\\|")


def _run_parameters() -> list[click.Parameter]:
    from pipelines.command_line.verb_command import _parameters

    return _parameters(RunOptions)


def _flag(parameter: click.Parameter) -> str:
    return parameter.opts[0] if isinstance(parameter, click.Option) else (parameter.name or "").upper()


def _row(parameter: click.Parameter, *, meanings: dict[str, str] | None = None) -> str:
    name = parameter.name or ""
    context = click.Context(click.Command("curate"))
    if isinstance(parameter, click.Argument):
        told = (meanings or {})[name]
        return f"| {_code(parameter.make_metavar(context))} | {cell(told)} | required |"
    assert isinstance(parameter, click.Option)
    meaning, given = split_default(parameter.help or "")
    metavar = "" if parameter.is_flag else f" {parameter.make_metavar(context)}"
    return f"| {_code(parameter.opts[0] + metavar)} | {cell(meaning)} | {cell(given or _default(parameter))} |"


def split_default(text: str) -> tuple[str, str]:
    """Return the meaning of a flag and the default that its text names, "" for none.

    >>> split_default("Cut here.  [default: 50] Larger is person.")
    ('Cut here. Larger is person.', '50')
    """
    before, _, after = text.partition("[default: ")
    given, _, more = after.partition("]")
    return " ".join([*before.split(), *more.split()]), given


def _code(text: str) -> str:
    """Return text as code in a cell, where Markdown would end the cell at a bar."""
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"


def _default(parameter: click.Option) -> str:
    if parameter.name == "workers":
        return WORKERS_DEFAULT
    if parameter.required:
        return "required"
    value: Any = parameter.default
    empty = parameter.is_flag or value in (None, ()) or not parameter.show_default
    return "" if empty else str(value)
