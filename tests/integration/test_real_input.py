"""Recorded series through the examples' mapping files: the API's days are the days reckoned from the files.

River's WaterFlow is always there. The Numenta Anomaly Benchmark is not part of this project: its files are taken from
the directory in ``NAB_DIR``, or from ``../shared/nab/data`` beside the repository, one series of each kind.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from river.datasets import WaterFlow

from tests.integration.running import ROOT, World, until

WATER_FLOW = Path(WaterFlow().path)
NAB = Path(os.environ.get("NAB_DIR") or ROOT.parent / "shared" / "nab" / "data")
NAB_FILES = [min(kind.glob("*.csv")) for kind in sorted(NAB.glob("*/")) if any(kind.glob("*.csv"))]
FILES = [WATER_FLOW, *NAB_FILES]
Row = tuple[datetime, float]


def rows_of(path: Path) -> list[Row]:
    """A file's times and values, read by nothing of ours."""
    with path.open(newline="") as file:
        reader = csv.reader(file)
        next(reader)
        return [(_aware(time), float(value)) for time, value in reader]


def _aware(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def windows_of(rows: list[Row], start: Callable[[datetime], datetime]) -> dict[datetime, float]:
    """Means of the values by the start of their window."""
    values: dict[datetime, list[float]] = defaultdict(list)
    for time, value in rows:
        values[start(time)].append(value)
    return {at: math.fsum(window) / len(window) for at, window in values.items()}


def day_in(zone: str) -> Callable[[datetime], datetime]:
    return lambda time: time.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture(scope="module")
def imported(world: World) -> World:
    """The shared world with all the files in it, each imported twice."""
    water = ["import", str(WATER_FLOW), "--mapping", "examples/water-flow/mapping.yaml", "--json"]
    nab = ["import", *map(str, NAB_FILES), "--mapping", "examples/nab/mapping.yaml", "--json"]
    for command, files in ((water, [WATER_FLOW]), (nab, NAB_FILES)):
        if files:
            report = json.loads(world.run(*command).stdout)
            assert report == {"accepted": sum(len(rows_of(path)) for path in files), "duplicate": 0, "rejected": 0}
    again = json.loads(world.run(*water).stdout)
    assert again["accepted"] + again["duplicate"] == len(rows_of(WATER_FLOW))
    count = "SELECT count() AS rows FROM readings FINAL WHERE source LIKE '//import/%'"
    wanted = [{"rows": sum(len(rows_of(path)) for path in FILES)}]
    until(lambda: world.rows(count) == wanted, "all rows of all files, once")
    return world


def names(path: Path) -> tuple[str, str]:
    """The metric that shows a file, and its device."""
    return ("water_flow", "water-main-1") if path == WATER_FLOW else ("series_value", f"nab:{path.stem}")


def shown(world: World, key: str, path: Path, rows: list[Row], **params: str) -> dict[datetime, float]:
    """What the API says of a file's series, gaps left out."""
    metric, device = names(path)
    last = rows[-1][0] + timedelta(days=1)
    span = {"from": rows[0][0].isoformat(), "to": last.isoformat(), "by": "device", **params}
    answer = world.get(f"/v1/metrics/{metric}", key, **span)
    assert answer.status_code == 200, answer.text
    return {
        datetime.fromisoformat(point["window_start"]): point["value"]
        for series in answer.json()["series"]
        if series["key"] == device
        for point in series["points"]
        if point["value"] is not None
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC"])
def test_days_are_the_days_of_the_file(imported: World, key: str, path: Path, zone: str) -> None:
    rows = rows_of(path)
    wanted = windows_of(rows, day_in(zone))

    def days() -> dict[datetime, float]:
        return shown(imported, key, path, rows, grain="day", timezone=zone)

    until(lambda: days().keys() == wanted.keys(), "all days")
    assert days() == pytest.approx(wanted, rel=1e-9)


def test_hours_of_the_water_main(imported: World, key: str) -> None:
    rows = rows_of(WATER_FLOW)[:200]
    wanted = windows_of(rows, lambda time: time.replace(minute=0))
    found = shown(imported, key, WATER_FLOW, rows, grain="hour", timezone="UTC")
    assert {at: found[at] for at in wanted} == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sql_has_every_value(imported: World, path: Path) -> None:
    _, device = names(path)
    sql = f"""SELECT count() AS rows, sum(value) AS total, min(event_time) AS first, max(event_time) AS last
              FROM readings FINAL WHERE device = '{device}'"""
    (row,) = imported.rows(sql)
    rows = rows_of(path)
    assert row["rows"] == len(rows)
    assert row["total"] == pytest.approx(math.fsum(value for _, value in rows), rel=1e-9)
    times = [time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.000") for time, _ in rows]
    assert (row["first"], row["last"]) == (min(times), max(times))
