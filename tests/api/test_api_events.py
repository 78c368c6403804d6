"""``POST /v1/events`` in all its forms, sizes and faults."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from cloudevents.core.bindings import http as official
from cloudevents.core.v1.event import CloudEvent
from fastapi.testclient import TestClient

from api.bodies import unpack
from api.problems import Refusal

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
NDJSON = "application/x-ndjson"


def event(number: int, scope: str = "wuhu/jinghu/x/y", **more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": str(number), "source": "test", "type": "t", "scope": scope, **more}


def send(http: TestClient, body: bytes, content_type: str, **headers: str) -> Any:
    return http.post("/v1/events", content=body, headers={"Content-Type": content_type, **headers})


def counts(answer: Any) -> tuple[int, int, int]:
    body = answer.json()
    return body["accepted"], body["duplicate"], body["rejected"]


def test_structured(world: Any, http: TestClient) -> None:
    body = json.dumps(event(1)).encode()
    answer = send(http, body, STRUCTURED + "; charset=utf-8")
    assert answer.status_code == 202
    assert answer.json()["results"] == [
        {"id": "1", "source": "test", "status": "accepted", "reason": None, "detail": None}
    ]
    assert [raw.value for raw in world.ingest.accepted] == [body]


def test_the_official_package_in_binary_and_structured_mode(world: Any, http: TestClient) -> None:
    made = CloudEvent(
        attributes={
            "id": "ö1",
            "source": "//iot/甲",
            "type": "t",
            "scope": "wuhu",
            "datacontenttype": "application/json",
        },
        data={"value": 1},
    )
    for message in (official.to_binary_event(made), official.to_structured_event(made)):
        answer = http.post("/v1/events", content=message.body, headers=dict(message.headers))
        assert answer.status_code == 202, answer.text
        assert answer.json()["results"][0]["source"] == "//iot/甲"
    (raw,) = world.ingest.accepted  # the second is a duplicate: both modes give the same identity
    assert dict(raw.headers)["ce_id"].decode() == "ö1"
    assert json.loads(raw.value) == {"value": 1}


def test_batch_keeps_each_events_own_bytes(world: Any, http: TestClient) -> None:
    first = b'{ "id":"1", "source":"s\\"},{", "data":{"deep":{"er":[1,{"x":"]"}]}} }'
    second = b'{"id":"2","source":"s","data":{"v":1.50}}'
    answer = send(http, b"\n[ " + first + b" ,\n" + second + b"\t]\n", BATCH)
    assert (answer.status_code, counts(answer)) == (202, (2, 0, 0))
    assert [raw.value for raw in world.ingest.accepted] == [first, second]


def test_one_bad_event_does_not_spoil_its_batch(http: TestClient) -> None:
    body = b'[{"id":"1","source":"s"},{"id":"2","source":"s","data":NaN},{"id":"3","source":"s","x":"\xff"}]'
    answer = send(http, body, BATCH)
    assert (answer.status_code, counts(answer)) == (202, (1, 0, 2))
    assert [result["status"] for result in answer.json()["results"]] == ["accepted", "rejected", "rejected"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[",
        b"[1]",
        b'[{"id":"1"}',
        b'[{"id":"1"},]',
        b'[{"id":"1"}] x',
        b'[{"id":"1"} {"id":"2"}]',
        b'["a"]',
    ],
)
def test_a_broken_batch_is_a_problem(world: Any, http: TestClient, body: bytes) -> None:
    answer = send(http, body, BATCH)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:gridpulse:problem:malformed-body"
    assert world.ingest.calls == []


def test_deep_nesting_is_refused_quickly(http: TestClient) -> None:
    assert send(http, b"[" + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"]", BATCH).status_code == 400


def test_an_empty_batch_is_nothing(http: TestClient) -> None:
    assert counts(send(http, b" [ ] ", BATCH)) == (0, 0, 0)


def test_ndjson_with_blank_lines_and_carriage_returns(http: TestClient) -> None:
    body = b"\r\n".join(json.dumps(event(number)).encode() for number in (1, 2, 1)) + b"\n\n"
    assert counts(send(http, body, NDJSON)) == (2, 1, 0)


def test_gzip_also_of_several_members(http: TestClient) -> None:
    lines = [json.dumps(event(number)).encode() + b"\n" for number in (1, 2)]
    body = gzip.compress(lines[0]) + gzip.compress(lines[1])
    assert counts(send(http, body, NDJSON, **{"Content-Encoding": "gzip"})) == (2, 0, 0)


@pytest.mark.parametrize("repeat", [1, 3])
def test_a_gzip_bomb_is_too_large(world: Any, http: TestClient, repeat: int) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    assert len(bomb) * repeat < world.limits.body_bytes
    answer = send(http, gzip.compress(b"") + bomb * repeat, NDJSON, **{"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert answer.json()["reason"] == "too_large"


@pytest.mark.parametrize("body", [b"plain", gzip.compress(b"x" * 1000, mtime=0)[:-9], zlib.compress(b"x")])
def test_broken_gzip_is_a_problem(http: TestClient, body: bytes) -> None:
    assert send(http, body, NDJSON, **{"Content-Encoding": "gzip"}).status_code == 400


def test_a_large_body_is_refused_before_it_is_read_and_while_it_is(world: Any, http: TestClient) -> None:
    large = b"x" * (world.limits.body_bytes + 1)
    assert send(http, large, NDJSON).status_code == 413

    def chunks() -> Any:
        yield from [b"x" * 50_000] * 5

    streamed = http.post("/v1/events", content=chunks(), headers={"Content-Type": NDJSON})  # no Content-Length
    assert streamed.status_code == 413
    assert world.ingest.calls == []


@pytest.mark.parametrize("content_type", [BATCH, NDJSON])
def test_too_many_events(world: Any, http: TestClient, content_type: str) -> None:
    lines = [json.dumps(event(number)).encode() for number in range(world.limits.events + 1)]
    body = b"[" + b",".join(lines) + b"]" if content_type == BATCH else b"\n".join(lines)
    assert send(http, body, content_type).status_code == 413


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [("text/plain", ""), ("application/json", ""), ("", ""), (NDJSON, "br"), (NDJSON + "; charset=gbk", "")],
)
def test_unsupported_types_say_what_is_allowed(http: TestClient, content_type: str, encoding: str) -> None:
    answer = send(http, b"{}", content_type, **({"Content-Encoding": encoding} if encoding else {}))
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"


def test_all_rejected_is_a_problem_with_an_answer_for_each(http: TestClient) -> None:
    answer = send(http, b"{}\nnonsense\n", NDJSON)
    assert answer.status_code == 422
    body = answer.json()
    assert body["type"] == "urn:gridpulse:problem:all-rejected"
    assert (body["rejected"], len(body["results"])) == (2, 2)


def test_an_event_outside_the_keys_scope_is_rejected_with_its_reason(http: TestClient) -> None:
    http.headers["X-API-Key"] = "writer-a"
    inside, outside = event(1), event(2, scope="wuhu/jinghu2/x/y")
    answer = send(http, json.dumps([inside, outside]).encode(), BATCH)
    assert [result["reason"] for result in answer.json()["results"]] == [None, "scope_not_allowed"]


def test_an_unavailable_log_is_503_and_promises_nothing(world: Any, http: TestClient) -> None:
    world.ingest.available = False
    answer = send(http, json.dumps(event(1)).encode(), STRUCTURED)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["type"] == "urn:gridpulse:problem:log-unavailable"


def test_ingested_events_are_counted_by_status_and_reason(http: TestClient) -> None:
    send(http, b'{"id":"1","source":"s"}\n{"id":"1","source":"s"}\nx\n', NDJSON)
    text = http.get("/metrics").text
    assert 'gridpulse_ingest_events_total{reason="",status="accepted"} 1.0' in text
    assert 'gridpulse_ingest_events_total{reason="",status="duplicate"} 1.0' in text
    assert 'gridpulse_ingest_events_total{reason="malformed",status="rejected"} 1.0' in text
    assert 'gridpulse_http_requests_total{method="POST",route="/v1/events",status="202"} 1.0' in text


def test_a_bomb_is_never_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(Refusal):
            unpack(bomb, "gzip", 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
