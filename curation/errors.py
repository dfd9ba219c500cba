"""The errors a user can meet, each with the exit code of the command that meets it."""

from __future__ import annotations

from curation.image_uri import told_place


class CurateError(Exception):
    """What stops a command: where it happened, why, and what to do next."""

    exit_code = 70

    def __init__(self, reason: str, *, where: object = None, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = "" if where is None else told_place(where)
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the message as it is shown: one line for the cause, one for the remedy."""
        return f"{self.cause}\n  what to do: {self.remedy}" if self.remedy else self.cause

    @property
    def cause(self) -> str:
        """Where it happened, and why, in one line."""
        return f"{self.where}: {self.reason}" if self.where else self.reason


class InputRefused(CurateError):
    """The input has the wrong structure, or too much of it is broken."""

    exit_code = 4


class EnvironmentProblem(CurateError):
    """This machine stands in the way: disk full, no permission, workspace in use."""

    exit_code = 5


class RemoteUnavailable(CurateError):
    """A server cannot be reached; the work so far is kept."""

    exit_code = 6


class ConfigurationProblem(CurateError):
    """A setting or a credential is missing or wrong."""

    exit_code = 7


class SecurityRefused(CurateError):
    """The input tries something that is never allowed."""

    exit_code = 8


class Interrupted(CurateError):
    """Ctrl-C or SIGTERM; the next run continues from here."""

    exit_code = 130
