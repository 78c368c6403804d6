"""Events built with the official ``cloudevents`` package are read, in every mode it writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.v1.event import CloudEvent

from schemas.codec import Decoder
from schemas.event import Event
from schemas.families.readings import Measured
from schemas.records import Headers, RawBatch
from schemas.strict import Limits, parse_http, parse_strict

RECORDED_MS = 1_777_593_600_000  # 2026-05-01T00:00:00Z
SCOPE = "wuhu/jinghu/tingtang/jianyang/g03"
TIMES = (
    datetime(2026, 4, 30, 23, 59, 59, 123456, tzinfo=UTC),
    datetime(2026, 5, 1, 7, 59, 59, 123456, tzinfo=timezone(timedelta(hours=8))),
)


def foreign(time: datetime = TIMES[0], **extensions: Any) -> CloudEvent:
    attributes = {
        "id": "号-1", "source": "/wuhu/iot", "type": "cn.gridpulse.readings.measured.v1", "specversion": "1.0",
        "datacontenttype": "application/json", "subject": "noise-7", "scope": SCOPE, "time": time, **extensions,
    }  # fmt: skip
    return CloudEvent(attributes, {"device": "noise-7", "quantity": "laeq", "value": 56.4, "unit": "dB(A)"})


def check(event: object) -> None:
    assert isinstance(event, Event), event
    assert (event.id, event.source, event.scope) == ("号-1", "/wuhu/iot", SCOPE)
    assert event.event_time_ms == RECORDED_MS - 877
    assert event.data == Measured(device="noise-7", quantity="laeq", value=56.4, unit="dB(A)")


def pairs(headers: dict[str, bytes]) -> Headers:
    return tuple(headers.items())


@pytest.mark.parametrize("time", TIMES, ids=["UTC", "+08:00"])
def test_all_modes_give_the_same_event(time: datetime) -> None:
    event = foreign(time)
    for message in (kafka.to_structured_event(event), kafka.to_binary_event(event)):
        check(parse_strict(message.value, pairs(message.headers), RECORDED_MS, Limits()))
    check(parse_strict(kafka.to_structured_event(event).value, None, RECORDED_MS, Limits()))
    for request in (http.to_structured_event(event), http.to_binary_event(event)):
        check(parse_http(request.body, request.headers.items(), RECORDED_MS, Limits()))


def test_a_batch_of_both_kafka_modes_is_decoded() -> None:
    structured, binary = kafka.to_structured_event(foreign()), kafka.to_binary_event(foreign(partitionkey="k"))
    messages = [structured, binary] * 5
    batch = RawBatch.of(
        "gridpulse.readings",
        0,
        range(10),
        [RECORDED_MS] * 10,
        [message.value for message in messages],
        [pairs(message.headers) for message in messages],
    )
    decoded = Decoder(Limits(), min_fast_rows=1).decode(batch)
    assert decoded.dead == []
    rows = decoded.events.types["cn.gridpulse.readings.measured"]
    assert list(rows.positions) == list(range(10))
    assert set(rows.values("value")) == {56.4}
    assert set(rows.ints("event_time_ms").tolist()) == {RECORDED_MS - 877}


def test_what_we_write_is_a_cloud_event() -> None:
    from cloudevents.core.formats.json import JSONFormat

    from schemas.event import to_record_value

    event = parse_strict(kafka.to_structured_event(foreign()).value, None, RECORDED_MS, Limits())
    assert isinstance(event, Event)
    read = JSONFormat().read(None, to_record_value(event, RECORDED_MS))
    assert read.get_id() == "号-1"
    assert read.get_time() == datetime(2026, 4, 30, 23, 59, 59, 123000, tzinfo=UTC)
    assert read.get_extension("scope") == SCOPE
