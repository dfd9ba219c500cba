"""When rounds are due, as a person writes it: five fields of cron, an interval, a time zone."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
PART: Final = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")
INTERVAL: Final = re.compile(r"([1-9]\d*)\s*(minute|hour|day|week)s?")
LONGEST: Final = timedelta(days=3660)
MOST_DAYS: Final = 366 * 41
"""So long may it be from one 29 February on a given weekday to the next: over 2100, forty years."""
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
    """Times that fit all fields, weekdays from 0, Sunday; of the two kinds of days, with `either_day` one will do.

    `in_real_hours` says that the hour was written with `*` or a step: then such a time comes as often as clocks show
    it, twice in an hour that comes twice, and never in one that is skipped.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    in_real_hours: bool

    def is_on(self, day: date) -> bool:
        """Tell whether the rule names this day."""
        is_day, is_weekday = day.day in self.days, day.isoweekday() % SUNDAY in self.weekdays
        fits = is_day or is_weekday if self.either_day else is_day and is_weekday
        return fits and day.month in self.months


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The times of rounds: those of a rule, and one interval after the last slot; `text` is how it was written."""

    rule: CronRule | None = None
    every: timedelta | None = None
    zone: tzinfo = UTC
    text: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether no time is named."""
        return self.rule is None and self.every is None


def read_timetable(*, cron: str | None, every: str | None, zone: str) -> Timetable:
    """Return the timetable of a schedule; raises ValueError for text that is no timetable."""
    told = [f"{word} {text}" for word, text in (("cron", cron), ("every", every)) if text is not None]
    return Timetable(
        rule=None if cron is None else read_cron(cron),
        every=None if every is None else read_interval(every),
        zone=read_zone(zone),
        text=f"{' and '.join(told)} ({zone})" if told else "",
    )


def read_cron(text: str) -> CronRule:
    """Return the rule that crontab(5) means; where day of month and day of week are both limited, either will do.

    Raises ValueError, naming the field.

    >>> rule = read_cron("*/30 3 * * 1-5")
    >>> rule.minutes, rule.hours, sorted(rule.weekdays)
    ((0, 30), (3,), [1, 2, 3, 4, 5])
    """
    words = text.lower().split()
    if len(words) != len(FIELDS):
        raise ValueError(f"cron must have five fields, such as '0 3 * * 1' (Mondays at 3:00) - got {text!r}")
    minutes, hours, days, months, weekdays = (_numbers(word, field=field) for word, field in zip(words, FIELDS))
    weekdays = {number % SUNDAY for number in weekdays}
    has_days, has_weekdays = not words[2].startswith("*"), not words[4].startswith("*")
    if not has_weekdays and min(days) > max(LONGEST_MONTHS[month - 1] for month in months):
        raise ValueError(f"cron must name a day that comes; no such month has {min(days)} days - got {text!r}")
    return CronRule(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(weekdays),
        either_day=has_days and has_weekdays,
        in_real_hours="*" in words[1] or "/" in words[1],
    )


def next_time(rule: CronRule, *, after: datetime, zone: tzinfo) -> datetime | None:
    """Return the first time of a rule later than `after`, in UTC; None where none comes in forty years.

    A time that clocks skip comes when they have been put forward, and one that they show twice, the first time only:
    so cron(8) has it, for all but what it runs at any hour, see `CronRule`.

    >>> berlin = ZoneInfo("Europe/Berlin")
    >>> evening = datetime(2026, 3, 28, 20, tzinfo=berlin)
    >>> next_time(read_cron("30 2 * * *"), after=evening, zone=berlin).astimezone(berlin).isoformat()
    '2026-03-29T03:00:00+02:00'
    """
    # from the day before: a time that was skipped at midnight comes a day later
    first = after.astimezone(zone).date() - timedelta(days=1)
    for number in range(MOST_DAYS):
        day = first + timedelta(days=number)
        found = []
        for one in (day, day + timedelta(days=1)):  # clocks put back after midnight show the day before again
            times = _times(rule, one, zone)
            found += times[bisect_right(times, after) :][:1]
        if found:
            return min(found)
    return None


@lru_cache(maxsize=8)
def _times(rule: CronRule, day: date, zone: tzinfo) -> list[datetime]:
    """Return the times of a rule on a day as clocks show it, in UTC, in order."""
    found: set[datetime] = set()
    if rule.is_on(day):
        for wall in (datetime.combine(day, time(hour, minute)) for hour in rule.hours for minute in rule.minutes):
            if not rule.in_real_hours:
                while _is_skipped(wall, zone=zone):
                    wall += timedelta(minutes=1)
                found.add(wall.replace(tzinfo=zone).astimezone(UTC))
            elif not _is_skipped(wall, zone=zone):
                found |= {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(found)


def _is_skipped(wall: datetime, *, zone: tzinfo) -> bool:
    """Tell whether clocks are put forward over this time."""
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != wall


def read_interval(text: str) -> timedelta:
    """Return an interval such as `12 hours`; raises ValueError.

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
    """Return a time zone by its name; UTC is there on every machine. Raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"timezone must be the name of a time zone that this machine knows, such as Europe/Berlin - got {name!r}"
        ) from None


def _numbers(word: str, *, field: Field) -> set[int]:
    """Return the numbers that a field names: `*`, `5`, `mon`, `1-5`, `*/15`, `10-40/10`, and lists of these."""
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
