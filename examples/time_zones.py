"""What the examples ask the time-zone tables in `data/`: pure functions, no workflow in sight."""

from __future__ import annotations

import math
from calendar import monthrange, weekday
from collections import Counter
from datetime import date
from itertools import combinations, pairwise
from pathlib import Path
from typing import TypeAlias

DATA = Path(__file__).parent / "data"
QUARTER_HOUR = 900
LAST_YEAR = 2037
EPOCH = date(1970, 1, 1).toordinal()
MONTHS = ("January", "February", "March", "April", "May", "June",
          "July", "August", "September", "October", "November", "December")  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Row: TypeAlias = list[str]
"""The fields of a line of a table, as text."""
History: TypeAlias = dict[str, dict[str, list[Row]]]
"""`{"rules": {name: rows}, "zones": {name: rows}}`, one row a daylight-saving rule or a stretch of a zone's past."""

Change: TypeAlias = tuple[int, int]
"""When a clock was changed, in seconds since 1970 (UTC), and its offset from UTC in seconds from then on."""


def table(name: str) -> list[Row]:
    """Return the rows of one of the tab-separated tables."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def leap_seconds(first_year: int) -> list[str]:
    """Return the days of the decade from `first_year` that ended in a leap second, in ISO form."""
    rows = [(int(year), _month(month), int(day)) for _, year, month, day, *_ in table("leapseconds")]
    return [date(*row).isoformat() for row in rows if first_year <= row[0] < first_year + 10]


def history() -> History:
    """Return the rules and the past of every zone, as the compact file has them."""
    rules: dict[str, list[Row]] = {}
    zones: dict[str, list[Row]] = {}
    current: list[Row] = []
    for line in (DATA / "tzdata.zi").read_text(encoding="utf-8").splitlines():
        kind, *fields = line.split()
        if kind == "R":
            rules.setdefault(fields[0], []).append(fields[1:])
        elif kind == "Z":
            current = zones[fields[0]] = [fields[1:]]
        elif kind not in {"#", "L"}:
            current.append([kind, *fields])
    return {"rules": rules, "zones": zones}


def transitions(zone: str, past: History) -> list[Change]:
    """Return every change of a zone's clock, in order.

    Source: the manual page of `zic`, the compiler of these tables.
    """
    changes: list[Change] = []
    start = -(2**62)
    for offset_text, rule, _, *until in past["zones"][zone]:
        offset = _seconds(offset_text)
        end = _moment(*until) if until else None
        save = 0 if rule in past["rules"] else _seconds(rule)  # else a fixed amount, or "-" for none
        changes.append((start, offset + save))
        for moment, next_save in _activations(past["rules"].get(rule, [])):
            at = _instant(moment, offset, save)
            if end is not None and at >= _instant(end, offset, save):
                break
            save = next_save
            if at <= start:  # it was in force already when this stretch began
                changes.pop()
            changes.append((max(at, start), offset + save))
        if end is not None:
            start = _instant(end, offset, save)
    return _tidied(changes)


def staffed_quarter_hours(zones: list[list[Change]], *, year: int) -> list[int]:
    """Return, for each quarter of an hour of a year (UTC), in how many of the zones it is Monday to Friday, 9 to 17.

    Quarters, because there are offsets such as 5:45. A zone is given by its `transitions`.
    """
    first = (date(year, 1, 1).toordinal() - EPOCH) * 86_400
    last = (date(year + 1, 1, 1).toordinal() - EPOCH) * 86_400
    staffed = [0] * ((last - first) // QUARTER_HOUR)
    for changes in zones:
        bounds = [*changes[1:], (2**62, 0)]
        for (start, offset), (end, _) in zip(changes, bounds, strict=True):
            for at in range(max(start, first), min(end, last), QUARTER_HOUR):
                day, second = divmod(at + offset, 86_400)
                if 9 * 3600 <= second < 17 * 3600 and (day + 3) % 7 < 5:  # 1970 began on a Thursday
                    staffed[(at - first) // QUARTER_HOUR] += 1
    return staffed


def best_meeting(zones: list[str], past: History, *, year: int) -> dict[str, object]:
    """Return how many of the zones are ever at work together, for how many hours of a year, and when most often."""
    staffed = staffed_quarter_hours([transitions(zone, past) for zone in zones], year=year)
    most = max(staffed)
    times = Counter(index % 96 for index, count in enumerate(staffed) if count == most)
    hour, quarter = divmod(times.most_common(1)[0][0], 4)
    return {"offices": most, "hours": times.total() / 4, "utc": f"{hour:02}:{15 * quarter:02}"}


def region_summary(region: str, zones: list[Row], past: History, *, year: int) -> dict[str, object]:
    """Return what the report says about a part of the world: zones, countries, clock changes, office hours."""
    rows = [row for row in zones if row[2].startswith(region + "/")]
    clocks = [transitions(row[2], past) for row in rows]
    years = [date.fromordinal(EPOCH + at // 86_400).year for changes in clocks for at, _ in changes[1:]]
    staffed = staffed_quarter_hours(clocks, year=year)
    return {
        "zones": len(rows),
        "countries": sorted({country for row in rows for country in row[0].split(",")}),
        "changes": Counter(f"{when // 10}0s" for when in years if when <= year),
        "anyone_at_work": sum(count > 0 for count in staffed) / len(staffed),
        "half_at_work": sum(2 * count >= len(rows) for count in staffed) / len(staffed),
    }


def extreme_pairs(zones: list[Row]) -> dict[str, tuple[float, str, str]]:
    """Return the two zones whose cities are nearest, and the two farthest apart: (kilometres, zone, zone)."""
    points = [(row[2], *_coordinates(row[1])) for row in zones]
    distances = [(_kilometres(a[1:], b[1:]), a[0], b[0]) for a, b in combinations(points, 2)]
    return {"nearest": min(distances), "farthest": max(distances)}


def _tidied(changes: list[Change]) -> list[Change]:
    """Leave out what changes nothing, and what a second change undoes before the clock on the wall has moved on."""
    tidy: list[Change] = []
    for at, offset in changes:
        if len(tidy) > 1 and at + tidy[-1][1] <= tidy[-1][0] + tidy[-2][1]:
            tidy[-1] = (tidy[-1][0], offset)
        else:
            tidy.append((at, offset))
    return tidy[:1] + [after for before, after in pairwise(tidy) if before[1] != after[1]]


def _activations(rows: list[Row]) -> list[tuple[tuple[int, int, str], int]]:
    """Return each year's turn of each rule, in order: its moment and the seconds of daylight saving from then on."""
    turns: list[tuple[tuple[int, int, str], int]] = []
    for first, last, _, month, day, time, save, _ in rows:
        final = {"o": int(first), "ma": LAST_YEAR}.get(last) or int(last)
        turns += [(_moment(str(year), month, day, time), _seconds(save)) for year in range(int(first), final + 1)]
    return sorted(turns)


def _moment(year: str, month: str = "January", day: str = "1", time: str = "0") -> tuple[int, int, str]:
    """Return (day since 1970, second of the day, the clock meant: `u` UTC, `s` standard, `w` on the wall)."""
    number, clock = _day(int(year), _month(month), day), "w"
    if time[-1] in "uswgz":
        time, clock = time[:-1], "u" if time[-1] in "ugz" else time[-1]
    return number, _seconds(time), clock


def _instant(moment: tuple[int, int, str], offset: int, save: int) -> int:
    day, second, clock = moment
    return day * 86_400 + second - {"u": 0, "s": offset, "w": offset + save}[clock]


def _day(year: int, month: int, text: str) -> int:
    """Return the day since 1970 that `12`, `lastSu`, `Su>=8` or `Su<=25` means."""
    if text.isdigit():
        return date(year, month, int(text)).toordinal() - EPOCH
    if text.startswith("last"):
        name, step, number = text.removeprefix("last"), -1, monthrange(year, month)[1]
    else:
        name, relation, limit = text.partition(">=") if ">=" in text else text.partition("<=")
        step, number = (1 if relation == ">=" else -1), int(limit)
    wanted = next(index for index, full in enumerate(WEEKDAYS) if full.startswith(name))
    distance = (wanted - weekday(year, month, number)) * step % 7
    return date(year, month, number).toordinal() - EPOCH + distance * step


def _month(text: str) -> int:
    return next(index for index, full in enumerate(MONTHS, 1) if full.startswith(text))


def _seconds(text: str) -> int:
    """Return the seconds of `2`, `-1:30`, `0:12:12` or `-` (none)."""
    if text == "-":
        return 0
    parts = text.removeprefix("-").split(":")
    seconds = sum(int(part) * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    return -seconds if text.startswith("-") else seconds


def _coordinates(text: str) -> tuple[float, float]:
    """Return latitude and longitude, in radians, of `+5133-00007` or `-690022+0393524` (ISO 6709)."""
    split = max(text.rfind("+"), text.rfind("-"))
    return _angle(text[:split], 2), _angle(text[split:], 3)


def _angle(text: str, digits: int) -> float:
    whole, minutes, seconds = text[1 : 1 + digits], text[1 + digits : 3 + digits], text[3 + digits :]
    degrees = int(whole) + int(minutes) / 60 + int(seconds or 0) / 3600
    return math.radians(-degrees if text[0] == "-" else degrees)


def _kilometres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Return the distance on the globe (the haversine formula)."""
    haversine = math.sin((b[0] - a[0]) / 2) ** 2 + math.cos(a[0]) * math.cos(b[0]) * math.sin((b[1] - a[1]) / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(haversine))
