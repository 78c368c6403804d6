"""The strict path: what is an event, and which reason whatever is not gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.event import Event, new_event, tick_record, to_new_record, to_record_value
from schemas.families.readings import Heartbeat, HeartbeatV1, Measured
from schemas.reasons import Reason
from schemas.records import Headers
from schemas.strict import Limits, Rejected, parse_http, parse_strict
from schemas.times import MAX_TIME_MS, MIN_TIME_MS, TimeError, parse_rfc3339_ms, rfc3339
from schemas.topics import partition_of

RECORDED_MS = 1_777_593_600_000  # 2026-05-01T00:00:00Z
SCOPE = "wuhu/jinghu/tingtang/jianyang/g03"
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/wuhu/iot",
    "type": "cn.gridpulse.readings.measured.v1",
    "time": "2026-05-01T08:00:00.250+08:00",
    "scope": SCOPE,
    "data": {"device": "noise-7", "quantity": "laeq", "value": 56.4, "unit": "dB(A)"},
}


def parse(event: Any, limits: Limits | None = None) -> Event | Rejected:
    value = event if isinstance(event, bytes) else json.dumps(event).encode()
    return parse_strict(value, None, RECORDED_MS, limits or Limits())


def reason_of(outcome: Event | Rejected) -> Reason | None:
    return outcome.reason if isinstance(outcome, Rejected) else None


def accepted(outcome: Event | Rejected) -> Event:
    assert isinstance(outcome, Event), outcome
    return outcome


def changed(**attributes: Any) -> dict[str, Any]:
    return {**EVENT, **attributes}


def measured(**fields: Any) -> dict[str, Any]:
    return {**EVENT, "data": {**EVENT["data"], **fields}}


def test_a_valid_event_is_read() -> None:
    event = accepted(parse(EVENT))
    assert event.data == Measured(device="noise-7", quantity="laeq", value=56.4, unit="dB(A)")
    assert (event.id, event.source, event.scope, event.version) == ("e1", "/wuhu/iot", SCOPE, 1)
    assert event.partition_key == "wuhu/jinghu/tingtang/jianyang"
    assert event.event_time_ms == RECORDED_MS + 250


BAD: list[tuple[str, Any, Reason]] = [
    ("nothing", b"", Reason.invalid_json),
    ("cut", json.dumps(EVENT).encode()[:-1], Reason.invalid_json),
    ("more after it", json.dumps(EVENT).encode() + b"x", Reason.invalid_json),
    ("nested too deeply", b"[" * 60_000, Reason.invalid_json),
    ("a number of 5000 digits", b'{"id":' + b"9" * 5000 + b"}", Reason.invalid_json),
    ("byte order mark", b"\xef\xbb\xbf" + json.dumps(EVENT).encode(), Reason.invalid_json),
    ("invalid UTF-8", json.dumps(EVENT).encode().replace(b"wuhu/iot", b"wuhu\xff"), Reason.invalid_utf8),
    ("a list", [EVENT], Reason.not_an_object),
    ("data is text", changed(data="x"), Reason.not_an_object),
    ("data is base64", changed(data=None, data_base64="e30="), Reason.missing_attribute),
    ("two megabytes", changed(subject="x" * 2_000_000), Reason.too_large),
    ("duplicate attribute", json.dumps(EVENT).encode()[:-1] + b',"id":"e2"}', Reason.duplicate_key),
    ("duplicate data field", json.dumps(EVENT).encode()[:-2] + b',"unit":"dB"}}', Reason.duplicate_key),
    ("NaN", measured(value=float("nan")), Reason.not_finite),
    ("Infinity", measured(value=float("-inf")), Reason.not_finite),
    ("overflow", json.dumps(EVENT).encode().replace(b"56.4", b"1e999"), Reason.not_finite),
    ("no id", changed(id=None), Reason.missing_attribute),
    ("no scope", changed(scope=None), Reason.missing_attribute),
    ("no data", changed(data=None), Reason.missing_attribute),
    ("no specversion", changed(specversion=None), Reason.missing_attribute),
    ("empty id", changed(id=""), Reason.invalid_attribute),
    ("numeric id", changed(id=7), Reason.invalid_attribute),
    ("long id", changed(id="x" * 129), Reason.invalid_attribute),
    ("control character in id", changed(id="a\u0001"), Reason.invalid_attribute),
    ("half a character in id", changed(id="\ud800"), Reason.invalid_attribute),
    ("blank in source", changed(source="/a b"), Reason.invalid_attribute),
    ("long partition key", changed(partitionkey="k" * 257), Reason.invalid_attribute),
    ("CloudEvents 0.3", changed(specversion="0.3"), Reason.unsupported_specversion),
    ("unknown type", changed(type="cn.gridpulse.readings.smell.v1"), Reason.unknown_type),
    ("type without version", changed(type="cn.gridpulse.readings.measured"), Reason.unknown_type),
    ("later version", changed(type="cn.gridpulse.readings.measured.v2"), Reason.unsupported_version),
    ("naive time", changed(time="2026-05-01T08:00:00"), Reason.naive_time),
    ("date only", changed(time="2026-05-01"), Reason.invalid_time),
    ("blank instead of T", changed(time="2026-05-01 08:00:00Z"), Reason.invalid_time),
    ("no such day", changed(time="2026-02-30T08:00:00Z"), Reason.invalid_time),
    ("before 1900", changed(time="1899-12-31T23:59:59Z"), Reason.invalid_time),
    ("after 2299", changed(time="2300-01-01T00:00:00Z"), Reason.invalid_time),
    ("epoch seconds", changed(time=1_777_593_600), Reason.invalid_attribute),
    ("over five minutes ahead", changed(time="2026-05-01T00:05:00.001Z"), Reason.time_ahead),
    ("capitals in scope", changed(scope="Wuhu/jinghu"), Reason.invalid_scope),
    ("six scope levels", changed(scope=SCOPE + "/x"), Reason.invalid_scope),
    ("scope with slash at the end", changed(scope="wuhu/"), Reason.invalid_scope),
    ("wrong unit", measured(unit="dB"), Reason.wrong_unit),
    ("impossible value", measured(value=500), Reason.impossible_value),
    ("out of a field's range", measured(interval_s=0), Reason.impossible_value),
    ("unknown quantity", measured(quantity="smell"), Reason.invalid_data),
    ("number as text", measured(value="56.4"), Reason.invalid_data),
    ("unknown field", measured(colour="red"), Reason.invalid_data),
    ("half a character in data", measured(device="\ud800"), Reason.invalid_data),
]  # fmt: skip


@pytest.mark.parametrize(("event", "reason"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_gets_its_reason(event: Any, reason: Reason) -> None:
    outcome = parse(event)
    assert reason_of(outcome) == reason
    assert isinstance(outcome, Rejected)
    assert 0 < len(outcome.detail) <= 500
    assert "\n" not in outcome.detail
    outcome.detail.encode()  # may be logged and kept as it is


def test_what_is_rejected_names_its_event_as_far_as_known() -> None:
    outcome = parse(measured(unit="dB"))
    assert isinstance(outcome, Rejected)
    assert (outcome.event_id, outcome.source) == ("e1", "/wuhu/iot")
    assert outcome.detail == "laeq is measured in dB(A), not dB"


def test_limits_are_what_they_say() -> None:
    size = len(json.dumps(EVENT).encode())
    assert reason_of(parse(EVENT, Limits(max_event_bytes=size))) is None
    assert reason_of(parse(EVENT, Limits(max_event_bytes=size - 1))) is Reason.too_large
    assert reason_of(parse(changed(time="2026-05-01T00:05:00Z"))) is None
    assert reason_of(parse(EVENT, Limits(max_ahead_ms=250))) is None
    assert reason_of(parse(EVENT, Limits(max_ahead_ms=249))) is Reason.time_ahead


def test_what_may_be_absent_may_be_null() -> None:
    event = accepted(parse({**changed(time=None, partitionkey=None, subject=None), "myextension": None}))
    assert event.event_time_ms == RECORDED_MS
    assert event.partition_key == "wuhu/jinghu/tingtang/jianyang"
    assert accepted(parse(changed(partitionkey="k"))).partition_key == "k"


def test_extension_attributes_are_accepted() -> None:
    assert reason_of(parse(changed(traceparent="00-1", sampledrate=3, dataschema="urn:x", recordedtime="?"))) is None


def test_integers_fit_sixty_four_bits() -> None:
    tick: dict[str, Any] = {"stage": "decode", "reason": "x", "detail": "x", "origin": "x", "raw_base64": ""}
    event = changed(type="cn.gridpulse.deadletters.dead_letter.v1")
    assert reason_of(parse({**event, "data": {**tick, "raw_bytes": 2**63 - 1}})) is None
    assert reason_of(parse({**event, "data": {**tick, "raw_bytes": 2**63}})) is Reason.impossible_value
    assert reason_of(parse({**event, "data": {**tick, "raw_bytes": 1.0}})) is Reason.invalid_data


def test_old_versions_are_upcast() -> None:
    old = changed(type="cn.gridpulse.readings.heartbeat.v1", data={"device": "d", "battery_percent": 87})
    event = accepted(parse(old))
    assert event.data == Heartbeat(device="d", battery_ratio=0.87)
    assert event.version == 1
    old["data"]["battery_percent"] = 101
    assert reason_of(parse(old)) is Reason.impossible_value
    old["data"] = {"device": "d", "battery_ratio": 0.5}
    assert reason_of(parse(old)) is Reason.invalid_data


# -- modes of Kafka and HTTP ------------------------------------------------------------------------------------------

DATA = json.dumps(EVENT["data"]).encode()
BINARY: Headers = (
    ("ce_specversion", b"1.0"), ("ce_id", b"e1"), ("ce_source", b"/wuhu/iot"), ("ce_scope", SCOPE.encode()),
    ("ce_type", EVENT["type"].encode()), ("ce_time", EVENT["time"].encode()), ("content-type", b"application/json"),
)  # fmt: skip


def parse_kafka(value: bytes, headers: Headers) -> Event | Rejected:
    return parse_strict(value, headers, RECORDED_MS, Limits())


def test_kafka_binary_mode_gives_the_same_event() -> None:
    assert parse_kafka(DATA, BINARY) == parse(EVENT)
    assert parse_kafka(DATA, tuple((name.upper(), value) for name, value in BINARY)) == parse(EVENT)


def test_kafka_structured_mode_is_told_by_its_content_type() -> None:
    structured: Headers = (("content-type", b"application/cloudevents+json; charset=UTF-8"), ("ce_id", b"other"))
    assert parse_kafka(json.dumps(EVENT).encode(), structured) == parse(EVENT)
    assert parse_kafka(json.dumps(EVENT).encode(), (("traceparent", b"\xff"),)) == parse(EVENT)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("content-type", b"application/avro", Reason.unsupported_content_type),
        ("content-type", b"application/json; charset=gb18030", Reason.unsupported_content_type),
        ("ce_id", b"\xff", Reason.invalid_utf8),
        ("ce_time", b"2026-05-01T08:00:00", Reason.naive_time),
        ("ce_specversion", b"0.3", Reason.unsupported_specversion),
    ],
)
def test_bad_headers_get_their_reason(name: str, content: bytes, reason: Reason) -> None:
    headers = tuple((key, content if key == name else value) for key, value in BINARY)
    assert reason_of(parse_kafka(DATA, headers)) is reason
    assert reason_of(parse_kafka(DATA, (*BINARY, (name, content)))) is Reason.duplicate_key


def test_batches_are_not_one_event() -> None:
    headers: Headers = (("content-type", b"application/cloudevents-batch+json"),)
    assert reason_of(parse_kafka(b"[]", headers)) is Reason.unsupported_content_type


def test_http_binary_mode_decodes_percent_signs() -> None:
    headers = [(name.replace("ce_", "CE-"), value.decode()) for name, value in BINARY if name != "ce_id"]
    event = accepted(parse_http(DATA, [*headers, ("ce-id", "%E5%8F%B7-1"), ("Host", "x")], RECORDED_MS, Limits()))
    assert event.id == "号-1"
    broken = parse_http(DATA, [*headers, ("ce-id", "%FF")], RECORDED_MS, Limits())
    assert reason_of(broken) is Reason.invalid_utf8


def test_http_structured_mode() -> None:
    headers = [("Content-Type", "application/cloudevents+json")]
    assert parse_http(json.dumps(EVENT).encode(), headers, RECORDED_MS, Limits()) == parse(EVENT)


# -- events of our own ------------------------------------------------------------------------------------------------


def test_canonical_bytes_read_back_as_the_same_event() -> None:
    event = new_event(Heartbeat(device="d"), id="e", source="/x", scope=SCOPE, event_time_ms=RECORDED_MS - 1)
    value = to_record_value(event, RECORDED_MS)
    assert parse(value) == event
    assert json.loads(value) == {
        "specversion": "1.0", "id": "e", "source": "/x", "type": "cn.gridpulse.readings.heartbeat.v2",
        "time": "2026-04-30T23:59:59.999Z", "recordedtime": "2026-05-01T00:00:00.000Z", "scope": SCOPE,
        "partitionkey": "wuhu/jinghu/tingtang/jianyang", "data": {"device": "d"},
    }  # fmt: skip
    assert b"recordedtime" not in to_record_value(event, None)


def test_old_events_are_written_in_the_latest_version() -> None:
    old = changed(type="cn.gridpulse.readings.heartbeat.v1", data={"device": "d", "battery_percent": 50.0})
    written = json.loads(to_record_value(accepted(parse(old)), RECORDED_MS))
    assert written["type"] == "cn.gridpulse.readings.heartbeat.v2"
    assert written["data"] == {"device": "d", "battery_ratio": 0.5}


def test_new_events_are_of_the_latest_version() -> None:
    with pytest.raises(TypeError, match="latest version"):
        new_event(HeartbeatV1(device="d"), id="e", source="/x", scope=SCOPE, event_time_ms=0)


def test_records_go_to_their_family_and_community() -> None:
    record = to_new_record(accepted(parse(EVENT)), 8, RECORDED_MS)
    assert (record.topic, record.key) == ("gridpulse.readings", b"wuhu/jinghu/tingtang/jianyang")
    assert record.partition == partition_of(record.key, 8)
    assert record.recorded_time_ms == RECORDED_MS


def test_ticks_are_small_valid_events_with_derived_ids() -> None:
    tick = tick_record("gridpulse.venue", 5, RECORDED_MS)
    assert len(tick.value) < 200
    event = accepted(parse(tick.value))
    assert (event.event_type.name, event.event_time_ms) == ("cn.gridpulse.control.tick", RECORDED_MS)
    assert tick == tick_record("gridpulse.venue", 5, RECORDED_MS)
    ids = {
        accepted(parse(tick_record(*place).value)).id for place in (("a", 1, 1), ("a", 2, 1), ("b", 1, 1), ("a", 1, 2))
    }
    assert len(ids) == 4


# -- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-05-01T08:00:00.1239+08:00", RECORDED_MS + 123),
        ("2026-04-30t20:30:00.5-03:30", RECORDED_MS + 500),
        ("2016-12-31T23:59:60Z", 1_483_228_799_999),
        ("2017-01-01T07:59:60.5+08:00", 1_483_228_799_999),
        ("1900-01-01T00:00:00Z", MIN_TIME_MS),
        ("2299-12-31T23:59:59.999999999Z", MAX_TIME_MS),
    ],
)
def test_times_are_read_exactly(text: str, time_ms: int) -> None:
    assert parse_rfc3339_ms(text) == time_ms
    assert parse_rfc3339_ms(rfc3339(time_ms)) == time_ms


def test_a_leap_second_is_only_at_the_end_of_a_day() -> None:
    with pytest.raises(TimeError):
        parse_rfc3339_ms("2016-12-31T22:59:60Z")
