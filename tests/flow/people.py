"""People in a random log: they act on the alerts that its detectors give rise to, and declare silences.

Their words change no detection, so what a lane says without them tells which alerts there will be.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import orjson

from detectors.lane import DetectorParams, build_lane
from schemas.codec import Decoder
from schemas.families.system import Alert
from schemas.records import NewRecord, TopicPartition
from schemas.strict import Limits
from schemas.times import rfc3339
from schemas.topics import DOMAIN_TOPICS, partition_key, partition_of
from streams.log_memory import MemoryLog
from streams.merge import LaneReader
from tests.detectors.batches import HOUR, MINUTE
from tests.detectors.streams import START_MS
from tests.flow.random_streams import LANES, SPAN_MS

_WORDS = ({"action": "acknowledge"}, {"action": "assign", "assignee": "li"}, {"action": "comment", "comment": "看过"},
          {"action": "verdict", "verdict": "false"}, {"action": "report_case", "case": "case-1"}, {"action": "resolve"},
          {"action": "close"})  # fmt: skip


def with_people(records: Sequence[NewRecord], params: DetectorParams, seed: int) -> tuple[NewRecord, ...]:
    """The records, with what people say about their alerts in between."""
    rng = random.Random(seed)
    said: list[NewRecord] = []
    for number, (scope, alert, at_ms) in enumerate(_opened(records, params)):
        for turn in range(rng.randrange(4)):
            word = rng.choice(_WORDS)
            at_ms += rng.randrange(2 * HOUR)
            data: dict[str, object] = {"alert": alert, "actor": "duty-zhang", **word}
            said += [_record("alert_action", f"act-{number}-{turn}", scope, data, at_ms)] * rng.choice((1, 1, 2))
        if rng.random() < 0.3:
            start_ms = START_MS + rng.randrange(SPAN_MS)
            window: dict[str, object] = {
                "silence": f"sil-{number}", "kind": rng.choice(("silence", "maintenance", "power_cut")),
                "silenced_scope": partition_key(scope), "starts_time_ms": start_ms, "actor": "duty-zhang",
                "ends_time_ms": start_ms + rng.randrange(1, 9 * HOUR), "status": "active",
            }  # fmt: skip
            said.append(_record("alert_silence", f"sil-{number}", scope, window, start_ms - 5 * MINUTE))
    return tuple(sorted([*records, *said], key=lambda record: record.recorded_time_ms or 0))


def _opened(records: Sequence[NewRecord], params: DetectorParams) -> list[tuple[str, str, int]]:
    """(scope, alert, log time) of every alert there will be."""
    log = MemoryLog(lambda: 0)
    log.create_topics(DOMAIN_TOPICS, LANES)
    log.append(records)
    ends = log.end_offsets(DOMAIN_TOPICS)
    found: list[tuple[str, str, int]] = []
    for lane in range(LANES):
        operator, decode = build_lane(params), Decoder(Limits()).decode
        drain_to = {topic: ends[TopicPartition(topic, lane)] for topic in DOMAIN_TOPICS}
        with LaneReader(log, DOMAIN_TOPICS, lane, drain_to=drain_to) as reader:
            while (raw := reader.poll(1_000_000, 0.0)) is not None:
                for emitted in operator.process(decode(raw).events):
                    if isinstance(emitted.data, Alert) and emitted.data.step == "opened":
                        found.append((emitted.scope, emitted.data.alert, emitted.detected_ms))
    return found


def _record(fact: str, event_id: str, scope: str, data: dict[str, object], at_ms: int) -> NewRecord:
    key = partition_key(scope).encode()
    value = orjson.dumps(
        {
            "specversion": "1.0", "id": event_id, "source": "//people", "type": f"cn.gridpulse.civic.{fact}.v1",
            "time": rfc3339(at_ms), "scope": scope if fact == "alert_action" else key.decode(), "data": data,
        }
    )  # fmt: skip
    return NewRecord("gridpulse.civic", partition_of(key, LANES), key, value, recorded_time_ms=at_ms)
