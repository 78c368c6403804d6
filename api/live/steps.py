"""Alert steps as the live stream has them: read from the log once, written as a message once, for all clients.

A message's data is the event as it stands in the log, whole: CloudEvents attributes and ``data``. ``recordedtime`` is
the record's own. What is in the topic besides alert steps is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from schemas.families.system import SEVERITIES, Alert, Severity
from schemas.records import RawBatch
from schemas.times import rfc3339
from streams.recent_ids import Digest, digest_of
from streams.step_filter import StepFilter

_TYPE_START = Alert.type_name + ".v"
_ATTRIBUTES = ("specversion", "id", "source", "type", "time")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AlertStep:
    """One step; ``message`` is what is sent but for its id."""

    partition: int
    offset: int
    recorded_time_ms: int
    digest: Digest
    scope: str
    detector: str
    rule: str
    severity: Severity
    step: str
    message: bytes

    def is_wanted_by(self, wanted: StepFilter) -> bool:
        return wanted.wants(self.scope, self.detector, self.rule, self.step, self.severity)


@dataclass(frozen=True, slots=True)
class ReadSteps:
    """The alert steps of one partition's batch, and one past the last record that was looked at."""

    partition: int
    next_offset: int
    steps: list[AlertStep]


def read_steps(batch: RawBatch) -> ReadSteps:
    """Never raises on what is in the log; what can't be read is left out, as it is of all projections."""
    steps = [
        step
        for offset, recorded_ms, value in zip(
            batch.offsets.tolist(), batch.recorded_time_ms.tolist(), batch.values, strict=True
        )
        if (step := _step(batch.partition, offset, recorded_ms, value)) is not None
    ]
    return ReadSteps(batch.partition, int(batch.offsets[-1]) + 1, steps)


def _step(partition: int, offset: int, recorded_ms: int, value: bytes) -> AlertStep | None:
    try:
        event: dict[str, Any] = orjson.loads(value)
        if not event["type"].startswith(_TYPE_START):
            return None
        data = event["data"]
        whole = {name: event[name] for name in _ATTRIBUTES}
        whole |= {"recordedtime": rfc3339(recorded_ms), "scope": event["scope"], "data": data}
        scope, detector, rule, step = map(_text, (event["scope"], data["detector"], data["rule"], data["step"]))
        return AlertStep(
            partition, offset, recorded_ms, digest_of(event["source"], event["id"]), scope, detector, rule,
            SEVERITIES[SEVERITIES.index(data["severity"])], step, message("alert", orjson.dumps(whole)),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        log.warning("alert_not_readable", partition=partition, offset=offset, fault=type(fault).__name__)
        return None


def _text(value: object) -> str:
    """:raises TypeError: it is none."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def message(event: str, data: bytes) -> bytes:
    """A message without its id. ``data`` is JSON in one line."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)


def with_id(position: str, *messages: bytes) -> bytes:
    """Messages that leave their reader at ``position``."""
    return b"".join(_one(position, text) for text in messages)


def _one(position: str, text: bytes) -> bytes:
    return b"id: %b\n%b" % (position.encode(), text)


def in_order(reads: Iterable[ReadSteps]) -> list[AlertStep]:
    """As they were recorded; within a partition by offset."""
    steps = [step for read in reads for step in read.steps]
    steps.sort(key=lambda step: (step.recorded_time_ms, step.partition, step.offset))
    return steps
