"""The verbs: one file per command, the command line, and the same verbs as functions.

    import pipelines as curate

    persons = curate.coco_person(annotations="instances.json", images="train2017", out="persons").dataset

The types stand in `__init__.pyi`. A verb is imported when it is first named, so that this costs nothing.
"""

from __future__ import annotations


def __getattr__(name: str) -> object:
    """Return a verb as a function, or the names of all of them; Python asks here for what is not imported yet."""
    from pipelines.command_line.verbs import FUNCTIONS

    if name == "__all__":
        return sorted(FUNCTIONS)
    if name not in FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipelines.command_line.verb_function import verb_function

    function = globals()[name] = verb_function(name)
    return function


def __dir__() -> list[str]:
    """Return the names of the verbs."""
    from pipelines.command_line.verbs import FUNCTIONS

    return sorted(FUNCTIONS)
