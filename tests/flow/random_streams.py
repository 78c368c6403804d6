"""Random logs with everything that goes wrong: late, repeated, out of order, wrong clocks, silent partitions.

A stream is drawn from a seed and a few ratios, so that hypothesis can look for a bad one and shrink it. It tells of
two communities (two lanes) over two days: noise meters that get loud, devices that fall silent, persons who go out at
night; densely enough that all three detectors speak with short learning times (:data:`QUICK`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import orjson

from detectors.irregular_movement import IrregularMovementParams
from detectors.lane import DetectorParams
from schemas.event import tick_record
from schemas.records import NewRecord
from schemas.times import rfc3339
from schemas.topics import DOMAIN_TOPICS, partition_key, partition_of, topic_of
from tests.detectors.batches import (
    HOUR,
    MINUTE,
    Say,
    device_entry,
    heartbeat,
    laeq,
    passage,
    person_entry,
    presence,
    sighting,
)  # fmt: skip
from tests.detectors.streams import START_MS

LANES = 2
SPAN_MS = 48 * HOUR
QUICK = DetectorParams(irregular_movement=IrregularMovementParams(learn_days=0.5, learn_observations=8))
COMMUNITIES = ("wuhu/jinghu/tingtang/jianyang", "wuhu/yijiang/wanchun/chengnan")


@dataclass(frozen=True)
class Disorder:
    """What goes wrong, and how often (shares of events)."""

    seed: int
    late_ratio: float = 0.05  # uploaded minutes to two days after they happened
    repeat_ratio: float = 0.05  # said again, at once or much later
    skew_ratio: float = 0.05  # the sender's clock is ahead (up to ten minutes: some are refused) or hours behind
    garbage_ratio: float = 0.02
    silent_topics: frozenset[str] = frozenset()  # families with neither events nor ticks before the very end
    tick_every_ms: int = 2 * HOUR


def random_log(disorder: Disorder) -> tuple[NewRecord, ...]:
    """All records in the order of their recorded times, each with its partition; ends with ticks everywhere."""
    rng = random.Random(disorder.seed)
    rows = [row for number, scope in enumerate(COMMUNITIES) for row in _community(rng, f"c{number}", f"{scope}/g1")]
    timed: list[tuple[int, int, NewRecord]] = []
    for number, row in enumerate(sorted(rows, key=lambda row: row.recorded_ms)):
        if _family(row) not in disorder.silent_topics or row.kind.startswith("registry"):
            timed += [(at, len(timed) + i, one) for i, (at, one) in enumerate(_sent(rng, disorder, number, row))]
    for at_ms in range(START_MS, START_MS + SPAN_MS, disorder.tick_every_ms):
        timed += [(at_ms, len(timed) + i, one) for i, one in enumerate(_ticks(at_ms, disorder.silent_topics))]
    for hours in (5, 80, 200):  # everything that waits comes due, after the latest repetition too
        at_ms = START_MS + SPAN_MS + hours * HOUR
        timed += [(at_ms, len(timed) + i, one) for i, one in enumerate(_ticks(at_ms, frozenset()))]
    timed.sort(key=lambda entry: entry[:2])
    return tuple(record for _, _, record in timed)


def _community(rng: random.Random, name: str, scope: str) -> list[Say]:
    meter, person = f"meter-{name}", f"p-{name}"
    rows = [
        device_entry(START_MS, meter, "noise", noise_zone="2", site=f"street-{name}"),
        person_entry(START_MS, person, f"home-{person}"),
        *(device_entry(START_MS, f"d{n}-{name}", gateway=f"gw-{name}") for n in range(4)),
    ]
    loud_from = START_MS + rng.randrange(2, 40) * HOUR
    for at in range(START_MS, START_MS + SPAN_MS, 5 * MINUTE):
        loud = loud_from <= at < loud_from + 3 * HOUR
        level_db = round(rng.gauss(74.0 if loud else 48.0, 2.0), 1)
        rows.append(laeq(at, meter, level_db, interval_s=300.0))
        if rng.random() < 0.05:
            rows.append(laeq(at, meter, level_db + 9.0, interval_s=300.0, quantity="lamax"))
    silent_from = START_MS + rng.randrange(20, 40) * HOUR
    for n in range(4):
        for at in range(START_MS, START_MS + SPAN_MS, 45 * MINUTE):
            if not (silent_from <= at < silent_from + 6 * HOUR and n):
                rows.append(heartbeat(at + rng.randrange(MINUTE), f"d{n}-{name}"))
    for at in range(START_MS, START_MS + SPAN_MS, 70 * MINUTE):
        rows.append(presence(at + rng.randrange(MINUTE), person))
    for _ in range(4):
        out = START_MS + rng.randrange(SPAN_MS)
        rows.append(_by_card(passage(out, person, "out")))
        rows.append(sighting(out + 10 * MINUTE, person, rng.choice(["park", "market", f"corner-{rng.random():.3f}"])))
        rows.append(_by_card(passage(out + rng.randrange(HOUR), person, "in")))
    return [Say(row.recorded_ms, row.kind, row.data, row.event_ms, scope, row.id) for row in rows]


def _by_card(row: Say) -> Say:
    return replace(row, data={**row.data, "method": "card"})


def _sent(rng: random.Random, disorder: Disorder, number: int, row: Say) -> list[tuple[int, NewRecord]]:
    """The row as it arrives: when, and as which records."""
    event_ms = at_ms = row.recorded_ms
    if rng.random() < disorder.late_ratio:
        at_ms += rng.choice([rng.randrange(30 * MINUTE), rng.randrange(SPAN_MS)])
    if rng.random() < disorder.skew_ratio:
        event_ms += rng.choice([rng.randrange(10 * MINUTE), -rng.randrange(8 * HOUR)])
    value = _value(f"e{number}", row, event_ms)
    out = [(at_ms, _record(row, value, at_ms))]
    if rng.random() < disorder.repeat_ratio:
        again_ms = at_ms + rng.choice([0, rng.randrange(MINUTE), rng.randrange(SPAN_MS)])
        out.append((again_ms, _record(row, value, again_ms)))
    if rng.random() < disorder.garbage_ratio:
        out.append((at_ms, _record(row, rng.choice([b"", b"{", b"\xff\xfe", value[:-5], value + b" x"]), at_ms)))
    return out


def _family(row: Say) -> str:
    return row.kind.split(".")[0]


def _value(event_id: str, row: Say, event_ms: int) -> bytes:
    version = 2 if row.kind == "readings.heartbeat" else 1
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": "//test",
            "type": f"cn.gridpulse.{row.kind}.v{version}",
            "time": rfc3339(event_ms),
            "scope": row.scope,
            "data": {name: value for name, value in row.data.items() if value is not None},
        }
    )


def _record(row: Say, value: bytes, at_ms: int) -> NewRecord:
    key = partition_key(row.scope).encode()
    return NewRecord(topic_of(_family(row)), partition_of(key, LANES), key, value, recorded_time_ms=at_ms)


def _ticks(at_ms: int, silent: frozenset[str]) -> list[NewRecord]:
    spoken = [topic for topic in DOMAIN_TOPICS if topic.removeprefix("gridpulse.") not in silent]
    return [tick_record(topic, lane, at_ms) for topic in spoken for lane in range(LANES)]
