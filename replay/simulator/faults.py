"""Events that are broken on purpose, a few in ten thousand: what bad senders send, each with its known reason.

They come from the source ``/iot/faulty/<reason>``; their ids begin with ``bad-`` where they have one. So the dead
letters of a demo can be explained. They are records of their own: no good event is spoiled.
"""

from __future__ import annotations

import numpy as np

from replay.simulator.chance import HOUR_MS, IntArray
from schemas.records import NewRecord
from schemas.times import rfc3339
from schemas.topics import partition_of, topic_of

GOOD_DATA = '{"device":"faulty-1","quantity":"temperature","value":21.5,"unit":"Cel"}'
TYPE = "cn.gridpulse.readings.measured.v1"
REASONS = (  # codes of schemas.reasons
    "unknown_type",
    "wrong_unit",
    "not_finite",
    "naive_time",
    "missing_attribute",
    "time_ahead",
    "impossible_value",
    "invalid_scope",
    "invalid_json",
    "invalid_utf8",
    "invalid_data",
)


def bad_records(
    rng: np.random.Generator, prefix: str, recorded_ms: IntArray, scopes: list[str], partitions: int
) -> list[NewRecord]:
    """One broken record per moment, in order of the moments."""
    return [
        bad_record(
            REASONS[int(rng.integers(len(REASONS)))],
            f"bad-{prefix}{nth}",
            int(at),
            scopes[int(rng.integers(len(scopes)))],
            partitions,
        )
        for nth, at in enumerate(np.sort(recorded_ms).tolist())
    ]


def bad_record(reason: str, event_id: str, recorded_ms: int, community: str, partitions: int) -> NewRecord:
    """A record that is refused for this reason, in its community's partition."""
    ahead_ms = HOUR_MS if reason == "time_ahead" else 0
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/iot/faulty/{reason}",
        "type": "cn.gridpulse.readings.mood.v1" if reason == "unknown_type" else TYPE,
        "time": rfc3339(recorded_ms - 400 + ahead_ms).rstrip("Z") + ("" if reason == "naive_time" else "Z"),
        "scope": "Wuhu//Jinghu" if reason == "invalid_scope" else community,
    }
    if reason == "missing_attribute":
        del attributes["id"]
    data = {
        "wrong_unit": GOOD_DATA.replace('"Cel"', '"degF"'),
        "not_finite": GOOD_DATA.replace("21.5", "NaN"),
        "impossible_value": GOOD_DATA.replace("21.5", "5000.0"),
        "invalid_data": GOOD_DATA.replace("21.5", '"warm"'),
    }.get(reason, GOOD_DATA)
    text = "{" + ",".join(f'"{name}":"{value}"' for name, value in attributes.items()) + f',"data":{data}}}'
    value = text.encode()
    if reason == "invalid_json":
        value = value[:-9]  # the line broke off
    if reason == "invalid_utf8":
        value = value.replace(b"faulty-1", b"faulty-\xff")
    key = community.encode()
    return NewRecord(topic_of("readings"), partition_of(key, partitions), key, value, (), recorded_ms)
