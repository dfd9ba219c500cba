"""When rounds are due, as a person writes it: five fields of cron, an interval, a time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
PART: Final = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")
INTERVAL: Final = re.compile(r"([1-9]\d*)\s*(minute|hour|day|week)s?")
LONGEST: Final = timedelta(days=3660)
SUNDAY: Final = 7
"""Cron counts Sunday as 0, and as 7 too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One of the five fields of cron: its name, its range, and the words for numbers, from the least on."""

    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()


FIELDS: Final = (
    Field(name="minute", least=0, most=59),
    Field(name="hour", least=0, most=23),
    Field(name="day", least=1, most=31),
    Field(name="month", least=1, most=12, words=MONTHS),
    Field(name="weekday", least=0, most=SUNDAY, words=DAYS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CronRule:
    """Times that fit all fields; each is `*`, or numbers with commas between, weekdays as their short names."""

    minute: str
    hour: str
    day: str
    month: str
    weekday: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The times of rounds: those of any rule, and one interval after the slot before; `told` is how it was written."""

    rules: tuple[CronRule, ...] = ()
    every: timedelta | None = None
    zone: tzinfo = UTC
    told: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether no time is named."""
        return not self.rules and self.every is None


def read_timetable(*, cron: str | None, every: str | None, zone: str) -> Timetable:
    """Give the timetable of a schedule; raises ValueError for what nobody can read."""
    told = [f"{word} {text}" for word, text in (("cron", cron), ("every", every)) if text is not None]
    return Timetable(
        rules=() if cron is None else read_cron(cron),
        every=None if every is None else read_interval(every),
        zone=read_zone(zone),
        told=f"{' and '.join(told)} ({zone})" if told else "",
    )


def read_cron(text: str) -> tuple[CronRule, ...]:
    """Give the rules that crontab(5) means: two where day of month and day of week are both limited, else one.

    Raises ValueError, naming the field.

    >>> read_cron("*/30 3 * * 1-5")
    (CronRule(minute='0,30', hour='3', day='*', month='*', weekday='mon,tue,wed,thu,fri'),)
    """
    words = text.lower().split()
    if len(words) != len(FIELDS):
        raise ValueError(f"cron must have five fields, such as '0 3 * * 1' (Mondays at 3:00) - got {text!r}")
    minutes, hours, days, months, weekdays = (_numbers(word, field=field) for word, field in zip(words, FIELDS))
    weekdays = {number % SUNDAY for number in weekdays}
    has_days, has_weekdays = not words[2].startswith("*"), not words[4].startswith("*")
    if not has_weekdays and min(days) > max(LONGEST_MONTHS[month - 1] for month in months):
        raise ValueError(f"cron must name a day that comes; no such month has {min(days)} days - got {text!r}")
    by_day, by_weekday = _written(days, field=FIELDS[2]), _written(weekdays, field=FIELDS[4])
    rest = {
        "minute": _written(minutes, field=FIELDS[0]),
        "hour": _written(hours, field=FIELDS[1]),
        "month": _written(months, field=FIELDS[3]),
    }
    if has_days and has_weekdays:
        return CronRule(**rest, day=by_day, weekday="*"), CronRule(**rest, day="*", weekday=by_weekday)
    return (CronRule(**rest, day=by_day, weekday=by_weekday),)


def read_interval(text: str) -> timedelta:
    """Give an interval such as `12 hours`; raises ValueError.

    >>> read_interval("90 minutes")
    datetime.timedelta(seconds=5400)
    """
    found = INTERVAL.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"every must be a number of minutes, hours, days or weeks: '12 hours' - got {text!r}")
    number, unit = min(int(found[1]), 10**7), f"{found[2]}s"
    if (length := timedelta(**{unit: number})) > LONGEST:
        raise ValueError(f"every must be {LONGEST.days} days at most - got {text!r}")
    return length


def read_zone(name: str) -> tzinfo:
    """Give a time zone by its name; UTC is there on every machine. Raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"timezone must be the name of a time zone that this machine knows, such as Europe/Berlin - got {name!r}"
        ) from None


def _numbers(word: str, *, field: Field) -> set[int]:
    """Give the numbers that a field names: `*`, `5`, `mon`, `1-5`, `*/15`, `10-40/10`, and lists of these."""
    found: set[int] = set()
    for part in word.split(","):
        match = PART.fullmatch(part)
        if match is None:
            raise ValueError(_unread(part, field=field))
        first, last, step = match.groups()
        if first == "*":
            low, high = field.least, field.most - (field.most == SUNDAY)
        else:
            low = _number(first, field=field, part=part)
            high = _number(last, field=field, part=part) if last else field.most if step else low
        if (first == "*" and last) or low > high or step == "0":
            raise ValueError(_unread(part, field=field))
        found |= set(range(low, high + 1, int(step or 1)))
    return found


def _number(word: str, *, field: Field, part: str) -> int:
    number = field.words.index(word) + field.least if word in field.words else int(word) if word.isdecimal() else -1
    if not field.least <= number <= field.most:
        raise ValueError(_unread(part, field=field))
    return number


def _unread(part: str, *, field: Field) -> str:
    return (
        f"cron must have, as {field.name}, numbers from {field.least} to {field.most}, "
        f"as in 5 or 1-5 or */2 or 1,3 - got {part!r}"
    )


def _written(numbers: set[int], *, field: Field) -> str:
    if len(numbers) == field.most - field.least + (field.most != SUNDAY):
        return "*"
    return ",".join(field.words[number] if field.words is DAYS else str(number) for number in sorted(numbers))
