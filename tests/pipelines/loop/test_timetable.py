"""Timetables: what crontab(5) says, and when slots come, compared with calendars worked by hand."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from pipelines.loop.timetable import Timetable, read_cron, read_interval, read_timetable, read_zone
from pipelines.scheduling.calendar_door import slots_of

SATURDAY = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def slots(cron: str, *, after: datetime = SATURDAY, number: int = 4, zone: str = "UTC") -> list[str]:
    """Return slots after a moment; a rule every minute gives the moment itself a place in the row."""
    timetable = read_timetable(cron=cron, every=None, zone=zone)
    found = islice(slots_of(timetable, first=after.astimezone(timetable.zone)), number + 1)
    return [f"{slot:%a %m-%d %H:%M}" for slot in found][1:]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 3 * * 1", ["Mon 11-23 03:00", "Mon 11-30 03:00", "Mon 12-07 03:00", "Mon 12-14 03:00"]),
        ("0 3 * * 0", ["Sun 11-22 03:00", "Sun 11-29 03:00", "Sun 12-06 03:00", "Sun 12-13 03:00"]),
        ("0 3 * * 7", ["Sun 11-22 03:00", "Sun 11-29 03:00", "Sun 12-06 03:00", "Sun 12-13 03:00"]),
        ("0 3 * * 6-7", ["Sun 11-22 03:00", "Sat 11-28 03:00", "Sun 11-29 03:00", "Sat 12-05 03:00"]),
        ("0 3 * * mon-tue", ["Mon 11-23 03:00", "Tue 11-24 03:00", "Mon 11-30 03:00", "Tue 12-01 03:00"]),
        ("*/20 * * * *", ["Sat 11-21 12:20", "Sat 11-21 12:40", "Sat 11-21 13:00", "Sat 11-21 13:20"]),
        ("50/5 13 * * *", ["Sat 11-21 13:50", "Sat 11-21 13:55", "Sun 11-22 13:50", "Sun 11-22 13:55"]),
        # Both days limited: either will do, as crontab(5) has it
        ("0 0 25 * 5", ["Wed 11-25 00:00", "Fri 11-27 00:00", "Fri 12-04 00:00", "Fri 12-11 00:00"]),
        ("0 0 29 2 *", ["Tue 02-29 00:00"]),  # 2028
        ("5,10 0 1 JAN,mar *", ["Fri 01-01 00:05", "Fri 01-01 00:10", "Mon 03-01 00:05", "Mon 03-01 00:10"]),
    ],
)
def test_slots_of_cron_come_when_crontab_says(cron: str, expected: list[str]) -> None:
    assert slots(cron, number=len(expected)) == expected


@pytest.mark.parametrize(
    ("month", "day", "expected"),
    [
        (3, 27, ["Sat 03-27 12:30", "Sun 03-28 12:30", "Mon 03-29 12:30"]),  # clocks put forward at night
        (10, 30, ["Sat 10-30 12:30", "Sun 10-31 12:30", "Mon 11-01 12:30"]),  # clocks put back
    ],
)
def test_a_slot_keeps_its_hour_when_clocks_change(month: int, day: int, expected: list[str]) -> None:
    morning = datetime(2027, month, day, 8, tzinfo=BERLIN)
    assert slots("30 12 * * *", after=morning, number=3, zone="Europe/Berlin") == expected


def test_an_interval_is_as_long_when_clocks_change() -> None:
    timetable = Timetable(every=timedelta(hours=12), zone=BERLIN)
    found = list(islice(slots_of(timetable, first=datetime(2027, 3, 27, 20, tzinfo=BERLIN)), 4))
    steps = [after.astimezone(UTC) - before.astimezone(UTC) for before, after in pairwise(found)]
    assert steps == [timedelta(hours=12)] * 3


def test_the_first_slot_of_an_interval_is_one_interval_from_now() -> None:
    (first,) = islice(slots_of(read_timetable(cron=None, every="12 hours", zone="UTC")), 1)
    assert abs(first - datetime.now(UTC) - timedelta(hours=12)) < timedelta(seconds=10)


def test_of_cron_and_interval_the_first_comes() -> None:
    timetable = read_timetable(cron="0 15 * * *", every="2 hours", zone="UTC")
    found = [f"{slot:%H:%M}" for slot in islice(slots_of(timetable, first=SATURDAY), 5)]
    assert found == ["12:00", "14:00", "15:00", "17:00", "19:00"]
    assert timetable.text == "cron 0 15 * * * and every 2 hours (UTC)"


@pytest.mark.parametrize(
    ("cron", "named"),
    [
        ("often", "five fields"),
        ("@daily", "five fields"),
        ("60 * * * *", "minute, numbers from 0 to 59"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day, numbers from 1"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "weekday"),
        ("* * * * someday", "weekday"),
        ("5-1 * * * *", "got '5-1'"),
        ("*/0 * * * *", "got '*/0'"),
        ("*-5 * * * *", "got '*-5'"),
        ("1,,2 * * * *", "got ''"),
        ("0 0 L * ?", "day"),
        ("0 0 31 2,4 *", "a day that comes"),
        ("0 0 ² * *", "day"),
    ],
)
def test_a_cron_that_nobody_can_read_is_refused(cron: str, named: str) -> None:
    with pytest.raises(ValueError, match=rf"cron must .*{re.escape(named)}"):
        read_cron(cron)


@pytest.mark.parametrize("text", ["now and then", "0 hours", "1.5 hours", "5 seconds", "", f"{9**30} weeks"])
def test_an_interval_that_nobody_can_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="every must be"):
        read_interval(text)


@pytest.mark.parametrize("name", ["Mars/Base", "../../etc/passwd", "", "Europe", "\0"])
def test_a_time_zone_that_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="timezone must be the name of a time zone"):
        read_zone(name)


def test_utc_is_known_without_a_list_of_time_zones() -> None:
    assert read_zone("UTC") is UTC
