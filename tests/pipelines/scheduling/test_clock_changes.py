"""Slots where clocks change, against a reading of crontab(5) and cron(8) minute by minute, and days worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest

from pipelines.loop.timetable import read_timetable
from pipelines.scheduling.calendar_door import slots_of

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # clocks change at midnight
    "Asia/Beirut",  # forward at midnight, back to the day before
    "Australia/Lord_Howe",  # by half an hour
    "Asia/Kolkata",
)
CRONS = (
    *("0 0 * * *", "30 0 * * *", "30 1 * * *", "30 2 * * *", "0,30 2 * * *", "*/20 2 * * *", "59 23 * * *"),
    *("0 * * * *", "30 * * * *", "*/30 * * * *", "0 */2 * * *", "15 1/3 * * *"),
    *("0 0 1 * *", "0 0 1,15 * *", "0 0 1,15 * 5", "0 0 */5 * *", "0 0 */2 * 1", "0 3 * * 0", "45 1 * 3,4,9-11 7"),
)
START, DAYS = datetime(2026, 1, 1, tzinfo=UTC), 4 * 365
MINUTE = timedelta(minutes=1)


def numbers(word: str, *, least: int, most: int) -> set[int]:
    found: set[int] = set()
    for part in word.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        begin = least if low == "*" else int(low)
        end = most if low == "*" or (step and not high) else int(high or low)
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


@cache
def minutes_around_changes(zone: str) -> tuple[tuple[tuple[datetime, datetime], ...], ...]:
    """Return (UTC, what clocks show) for every minute of two days around each clock change, or of two days."""
    place = ZoneInfo(zone)
    offsets = [(START + timedelta(hours=hour)).astimezone(place).utcoffset() for hour in range(24 * DAYS)]
    changes = [hour for hour in range(1, len(offsets)) if offsets[hour] != offsets[hour - 1]] or [24]
    found = []
    for hour in changes:
        moments = [START + timedelta(hours=hour - 24) + number * MINUTE for number in range(2 * 24 * 60)]
        found.append(tuple((moment, moment.astimezone(place).replace(tzinfo=None, fold=0)) for moment in moments))
    return tuple(found)


def truth(cron: str, *, zone: str) -> list[datetime]:
    """Return the minutes in which cron would run a job, as it reads the clock once a minute."""
    minute, hour, day, month, weekday = cron.split()
    m, h = numbers(minute, least=0, most=59), numbers(hour, least=0, most=23)
    d, o = numbers(day, least=1, most=31), numbers(month, least=1, most=12)
    w = {number % 7 for number in numbers(weekday, least=0, most=6)}
    is_any_hour = "*" in hour or "/" in hour

    def fits(shown: datetime) -> bool:
        if shown.minute not in m or shown.hour not in h or shown.month not in o:
            return False
        is_day, is_weekday = shown.day in d, (shown.weekday() + 1) % 7 in w
        both = day.startswith("*") or weekday.startswith("*")
        return (is_day and is_weekday) if both else (is_day or is_weekday)

    found = []
    for window in minutes_around_changes(zone):
        latest = window[0][1] - MINUTE
        for moment, shown in window:
            jumped = [latest + number * MINUTE for number in range(1, (shown - latest) // MINUTE)]
            is_first = shown > latest and (fits(shown) or any(map(fits, jumped)))
            if fits(shown) if is_any_hour else is_first:
                found.append(moment)
            latest = max(latest, shown)
    return found


def slots_within(cron: str, *, zone: str) -> list[datetime]:
    """Return the slots that lie in the minutes of the truth."""
    timetable = read_timetable(cron=cron, every=None, zone=zone)
    found = []
    for window in minutes_around_changes(zone):
        slots = islice(slots_of(timetable, first=window[0][0] - MINUTE), 1, None)
        last = window[-1][0]
        found += [slot.astimezone(UTC) for slot in takewhile(lambda slot, last=last: slot <= last, slots)]
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", CRONS)
def test_around_every_clock_change_of_four_years_slots_come_as_cron_has_them(cron: str, zone: str) -> None:
    assert slots_within(cron, zone=zone) == truth(cron, zone=zone)


@pytest.mark.parametrize(
    ("zone", "cron", "first", "expected"),
    [
        # a month whose midnights were lost, and a month that was skipped whole
        ("Europe/Berlin", "0 0 * * *", "2026-03-29", ["03-29 00:00 +0100", "03-30 00:00 +0200", "03-31 00:00 +0200"]),
        ("Europe/Berlin", "0 0 1 * *", "2026-03-02", ["04-01 00:00 +0200", "05-01 00:00 +0200", "06-01 00:00 +0200"]),
        ("America/New_York", "0 0 1 * *", "2026-10-02", ["11-01 00:00 -0400", "12-01 00:00 -0500"]),
        # skipped: once, when clocks have been put forward
        ("Europe/Berlin", "30 2 * * *", "2026-03-28", ["03-28 02:30 +0100", "03-29 03:00 +0200", "03-30 02:30 +0200"]),
        ("Europe/Berlin", "0,30 2 29 * *", "2026-03-28", ["03-29 03:00 +0200", "04-29 02:00 +0200"]),
        ("Asia/Beirut", "0 0 * * *", "2026-03-28T01:00", ["03-29 01:00 +0300", "03-30 00:00 +0300"]),
        ("America/Santiago", "0 0 * * 0", "2026-09-05", ["09-06 01:00 -0300", "09-13 00:00 -0300"]),
        # twice: the first of the two, and at any hour both
        ("Europe/Berlin", "30 2 * * *", "2026-10-24", ["10-24 02:30 +0200", "10-25 02:30 +0200", "10-26 02:30 +0100"]),
        (
            "Europe/Berlin",
            "30 * 25 10 *",
            "2026-10-25",
            ["10-25 00:30 +0200", "10-25 01:30 +0200", "10-25 02:30 +0200", "10-25 02:30 +0100", "10-25 03:30 +0100"],
        ),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04", ["04-04 01:45 +1100", "04-05 01:45 +1100"]),
        (
            "Australia/Lord_Howe",
            "45 */1 5 4 *",
            "2026-04-05",
            ["04-05 00:45 +1100", "04-05 01:45 +1100", "04-05 01:45 +1030"],
        ),
        ("UTC", "0 0 29 2 *", "2026-03-01", ["02-29 00:00 +0000"]),
    ],
)
def test_days_worked_by_hand(zone: str, cron: str, first: str, expected: list[str]) -> None:
    before = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(zone)) - timedelta(seconds=1)
    timetable = read_timetable(cron=cron, every=None, zone=zone)
    found = islice(slots_of(timetable, first=before), 1, 1 + len(expected))
    assert [f"{slot:%m-%d %H:%M %z}" for slot in found] == expected
