"""Alerts in a log, and what a client makes of a stream: shared by the tests of the live stream."""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

from schemas.event import new_event, to_record_value
from schemas.families.system import Alert, Severity
from schemas.records import NewRecord
from schemas.topics import ALL_TOPICS, topic_of
from streams.log_memory import MemoryLog

ALERTS = topic_of("alerts")
NOW_MS = 1_772_337_600_000
SCOPE = "wuhu/jinghu/tingtang/jianyang/g03"
_MESSAGE = re.compile(rb"((?:(?:id|event|data|retry)?:[^\n]*\n)+)\n")


class Message(NamedTuple):
    """One message of a stream; ``event`` empty: only a place, or a sign of life."""

    id: str
    event: str
    data: str

    @property
    def event_id(self) -> str:
        return str(orjson.loads(self.data)["id"])


def alerts_log(partitions: int = 2) -> MemoryLog:
    log = MemoryLog(lambda: NOW_MS)
    log.create_topics(ALL_TOPICS, partitions)
    return log


def alert(
    event_id: str, partition: int = 0, *, scope: str = SCOPE, severity: Severity = "warning", rule: str = "day_limit"
) -> NewRecord:
    data = Alert(
        alert="al-1", alert_key="k", step="opened", detector="noise_limit", rule=rule, subject="noise-1",
        severity=severity, count=1, opened_time_ms=NOW_MS, updated_time_ms=NOW_MS, score=1.0, threshold=1.0,
        model_version="1", reason_zh="超限", reason_en="over",
    )  # fmt: skip
    return record_of(data, event_id, partition, scope)


def record_of(step: Alert, event_id: str, partition: int = 0, scope: str = SCOPE) -> NewRecord:
    event = new_event(step, id=event_id, source="/gridpulse/incidents", scope=scope, event_time_ms=NOW_MS)
    return NewRecord(ALERTS, partition, b"", to_record_value(event, None))


def messages(stream: bytes) -> list[Message]:
    """As a browser reads them."""
    found = []
    for block in _MESSAGE.findall(stream):
        fields = dict(line.split(": ", 1) for line in block.decode().splitlines() if not line.startswith(":"))
        found.append(Message(fields.get("id", ""), fields.get("event", ""), fields.get("data", "")))
    return found


def alert_ids(stream: bytes) -> list[str]:
    return [one.event_id for one in messages(stream) if one.event == "alert"]
