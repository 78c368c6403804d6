"""Every process on its own against a real Kafka; what foreign clients produce comes out of ClickHouse."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.dev_broker import DevBroker
from tests.integration.hearing import Listener, listening
from tests.integration.inputs import BAD, as_json
from tests.integration.running import BATCH, PATIENCE_S, SCOPE, World, ended_after, measured, until

READINGS = "gridpulse.readings"
VENDOR = "vendor.x"
PROCESSES = ("api", "writer", "detect", "rollup", "webhooks")
HERE = SCOPE.replace("g03", "g77")


def zone_where_it_is_night() -> str:
    """A time zone in which it is between one and two o'clock now."""
    ahead_h = (1 - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead_h:+d}"  # POSIX signs: west is plus


@pytest.fixture(scope="module")
def on_kafka(kafka_broker: DevBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Store, API, writer, detection, rollup, webhooks and bridge, each started by its own command."""
    settings = {
        "GRIDPULSE_LOG_URL": f"kafka://{kafka_broker.bootstrap}",
        "GRIDPULSE_PARTITIONS": "2",
        "GRIDPULSE_BRIDGE_TOPICS": VENDOR,
        "GRIDPULSE_SITE_TIMEZONE": zone_where_it_is_night(),
        "GRIDPULSE_WEBHOOK_ALLOW_HTTP": "true",
        "GRIDPULSE_WEBHOOK_ALLOW_PRIVATE": "127.0.0.0/8",
    }
    world = World(tmp_path_factory.mktemp("on-kafka"), settings)
    try:
        world.parts["store"] = world.start("run", "store")
        world.run("migrate")
        for name in PROCESSES:
            world.parts[name] = world.start("run", name)
        world.wait_ready(*world.parts.values())
        yield world
    finally:
        for part in reversed(world.parts.values()):
            part.end()
    assert {part.process.returncode for part in world.parts.values()} <= {0, -signal.SIGTERM}
    assert "Traceback" not in "".join(part.said for part in world.parts.values())


@pytest.fixture(scope="module")
def kafka_key(on_kafka: World) -> str:
    """A key good for everything in the world on Kafka."""
    return on_kafka.issue_key()


@pytest.fixture(scope="module")
def vendor_topic(kafka_broker: DevBroker) -> str:
    """A topic as a vendor made it: other partitions than ours, the broker's defaults."""
    admin = AdminClient({"bootstrap.servers": kafka_broker.bootstrap})
    admin.create_topics([NewTopic(VENDOR, 3, 1)])[VENDOR].result()
    until(lambda: VENDOR in admin.list_topics(timeout=10).topics, "the vendor's topic")
    return VENDOR


@pytest.fixture
def produce(kcat: str, kafka_broker: DevBroker) -> Any:
    """Produces one record with kcat, its value from standard input as it is."""

    def send(topic: str, value: bytes, *options: str) -> None:
        assert b"\n" not in value
        command = [kcat, "-P", "-b", kafka_broker.bootstrap, "-t", topic, *options]
        subprocess.run(command, input=value, capture_output=True, timeout=60, check=True)

    return send


def ce_headers(event: dict[str, Any]) -> list[str]:
    """kcat's options for binary mode."""
    headers = {f"ce_{name}": value for name, value in event.items() if name != "data"}
    return [part for name, value in headers.items() for part in ("-H", f"{name}={value}")]


def test_a_structured_record_by_kcat_arrives(on_kafka: World, produce: Any) -> None:
    produce(READINGS, as_json(measured("kcat-structured")), "-k", "wuhu/jinghu/tingtang/jianyang", "-p", "1")
    on_kafka.wait_found({"kcat-structured"})
    (row,) = on_kafka.rows("SELECT * FROM readings FINAL WHERE event_id = 'kcat-structured'")
    assert (row["device"], row["value"], row["scope"]) == ("noise-kcat-structured", 61.5, SCOPE)
    assert (row["log_topic"], row["log_partition"]) == (READINGS, 1)
    assert row["event_time"] == row["recorded_time"]


def test_a_binary_record_by_kcat_arrives(on_kafka: World, kafka_key: str, produce: Any) -> None:
    event = measured("kcat-binary", time="2026-01-01T08:00:00.250+08:00")
    produce(READINGS, as_json(event["data"]), "-H", "content-type=application/json", *ce_headers(event), "-p", "0")
    on_kafka.wait_found({"kcat-binary"})
    (row,) = on_kafka.rows("SELECT event_time, device, unit FROM readings FINAL WHERE event_id = 'kcat-binary'")
    assert row == {"event_time": "2026-01-01 00:00:00.250", "device": "noise-kcat-binary", "unit": "dB(A)"}
    span = {"from": "2026-01-01T00:00:00+08:00", "to": "2026-01-02T00:00:00+08:00", "grain": "day", "by": "device"}

    def shown() -> bool:
        series = on_kafka.get("/v1/metrics/noise_laeq", kafka_key, **span).json()["series"]
        return [one["points"][0]["value"] for one in series if one["key"] == "noise-kcat-binary"] == [61.5]

    until(shown, "the record in the API")


def test_broken_records_by_kcat_become_dead_letters_where_they_lie(on_kafka: World, produce: Any) -> None:
    # The writer has no list of scopes: that is for those who let events in.
    wrong = {name: pair for name, pair in BAD.items() if name not in ("unknown scope", "2 MB")}
    bodies = {name: make() for name, (make, _) in wrong.items()}
    for body in bodies.values():
        produce(READINGS, body, "-p", "0")
    produce(READINGS, as_json(measured("after-the-broken")), "-p", "0")
    on_kafka.wait_found({"after-the-broken"})

    sql = f"SELECT * FROM dead_letters FINAL WHERE stage = 'decode' AND origin LIKE '{READINGS}/0/%'"
    until(lambda: len(on_kafka.rows(sql)) >= len(bodies), "dead letters in ClickHouse")
    letters = sorted(on_kafka.rows(sql), key=lambda letter: int(letter["origin"].split("/")[-1]))
    assert [letter["reason"] for letter in letters] == [reason for _, reason in wrong.values()]
    assert [base64.b64decode(letter["raw_base64"]) for letter in letters] == list(bodies.values())
    offsets = [int(letter["origin"].split("/")[-1]) for letter in letters]
    assert offsets == sorted(set(offsets))  # as produced; ticks may lie between them


def test_an_event_by_http_arrives_through_kafka(on_kafka: World, kafka_key: str) -> None:
    assert on_kafka.send(kafka_key, measured("http-on-kafka")).json()["accepted"] == 1
    on_kafka.wait_found({"http-on-kafka"})


def test_the_bridge_takes_what_vendors_write(
    on_kafka: World, produce: Any, vendor_topic: str, kafka_broker: DevBroker
) -> None:
    structured = ["-k", "any", "-H", "content-type=application/cloudevents+json", "-p", "0"]
    produce(vendor_topic, as_json(measured("v-structured")), *structured)
    event = measured("v-binary")
    produce(vendor_topic, as_json(event["data"]), "-H", "content-type=application/json", *ce_headers(event), "-p", "1")
    produce(vendor_topic, b"not an event", "-p", "2")
    produce(vendor_topic, BAD["2 MB"][0]()[:900_000], "-p", "2")  # the broker takes 1 MB at most
    produce(vendor_topic, BAD["unknown scope"][0](), "-p", "2")

    foreign = measured("v-package", time=datetime.now(UTC), datacontenttype="application/json", partitionkey="x")
    data = foreign.pop("data")
    message = kafka.to_binary_event(CloudEvent(foreign, data))
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap})
    producer.produce(vendor_topic, message.value, message.key, headers=message.headers)
    assert producer.flush(30) == 0

    bridge = on_kafka.start("run", "bridge")
    with ended_after(bridge):
        on_kafka.wait_found({"v-structured", "v-binary", "v-package"})
        sql = (
            f"SELECT reason, origin FROM dead_letters FINAL WHERE stage = 'bridge' AND origin LIKE '{vendor_topic}/2/%'"
        )
        until(lambda: len(on_kafka.rows(sql)) >= 3, "the vendor's dead letters")
        assert {row["origin"]: row["reason"] for row in on_kafka.rows(sql)} == {
            f"{vendor_topic}/2/0": "invalid_json",
            f"{vendor_topic}/2/1": "too_large",
            f"{vendor_topic}/2/2": "unknown_scope",
        }


def test_a_killed_bridge_loses_nothing(on_kafka: World, vendor_topic: str, kcat: str, kafka_broker: DevBroker) -> None:
    def produce_many(first: int, count: int) -> set[str]:
        ids = {f"many-{n}" for n in range(first, first + count)}
        lines = b"\n".join(as_json(measured(event_id)) for event_id in sorted(ids))
        command = [kcat, "-P", "-b", kafka_broker.bootstrap, "-t", vendor_topic]
        subprocess.run(command, input=lines, capture_output=True, timeout=60, check=True)
        return ids

    ids = produce_many(0, 3000)
    bridge = on_kafka.start("run", "bridge")
    with ended_after(bridge):
        until(lambda: on_kafka.found(ids), "the first of them")
        bridge.kill()  # SIGKILL, wherever it is
    ids |= produce_many(3000, 1000)
    bridge = on_kafka.start("run", "bridge")
    with ended_after(bridge):
        on_kafka.wait_found(ids)
    count = "SELECT count() AS rows, uniqExact(event_id) AS events FROM readings FINAL WHERE event_id LIKE 'many-%'"
    assert on_kafka.rows(count) == [{"rows": 4000, "events": 4000}]


def burst(event_id: str, meter: str, scope: str = SCOPE) -> dict[str, Any]:
    """A night burst: far above the limit of any noise zone."""
    data = {"device": meter, "quantity": "lamax", "value": 99.0, "unit": "dB(A)", "interval_s": 60}
    return measured(event_id, data=data, scope=scope)


def meter_entry(meter: str, scope: str = SCOPE) -> dict[str, Any]:
    data = {"change": "registered", "device": meter, "kind": "noise", "noise_zone": "1"}
    return measured(f"entry-{meter}", type="cn.gridpulse.registry.device.v1", data=data, scope=scope)


class Duty:
    """Somebody on duty, working by HTTP."""

    def __init__(self, world: World, key: str) -> None:
        self._world, self._key = world, key

    def ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}"}
        answer = httpx.request(
            method, self._world.api_url + path, headers=headers, json=body or None, timeout=60, trust_env=False
        )
        assert answer.status_code in (200, 201, 202), answer.text
        return dict(answer.json())

    def alerts(self) -> dict[str, dict[str, Any]]:
        listed = self._world.get("/v1/alerts", self._key, scope=HERE).json()["alerts"]
        return {one["subject"]: one for one in listed}

    def steps(self, alert: str) -> list[dict[str, Any]]:
        return list(self.ask("GET", f"/v1/alerts/{alert}")["steps"])


def logged_steps(broker: DevBroker) -> dict[str, list[dict[str, Any]]]:
    """Alert steps of the grid as a foreign client reads them from the log: by subject, each event once."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none", "enable.auto.commit": False})
    places = [TopicPartition("gridpulse.alerts", number, 0) for number in range(2)]
    ends = {place.partition: consumer.get_watermark_offsets(place, timeout=30)[1] for place in places}
    consumer.assign([place for place in places if ends[place.partition]])
    found: dict[str, dict[str, Any]] = {}
    while any(place.offset < ends[place.partition] for place in consumer.position(places) if ends[place.partition]):
        for message in consumer.consume(500, 1.0):
            event = json.loads(message.value())
            found.setdefault(event["id"], event)
    consumer.close()
    steps: dict[str, list[dict[str, Any]]] = {}
    for event in found.values():
        if event["scope"] == HERE:
            steps.setdefault(event["data"]["subject"], []).append(event["data"])
    return steps


def test_the_life_of_an_alert_by_http_webhook_and_live_stream(
    on_kafka: World, kafka_key: str, kafka_broker: DevBroker
) -> None:
    duty = Duty(on_kafka, kafka_key)
    with listening() as hook, listening() as ends:
        made = duty.ask("POST", "/v1/subscriptions", url=hook.url, scope=HERE)
        duty.ask("POST", "/v1/subscriptions", url=ends.url, scope=HERE, steps=["opened", "resolved"])
        listener = Listener(on_kafka, kafka_key, scope=HERE)
        entries = [meter_entry("life-1", HERE), meter_entry("life-2", HERE)]
        assert on_kafka.send(kafka_key, entries, BATCH).json()["accepted"] == 2
        assert on_kafka.send(kafka_key, burst("burst-life-1", "life-1", HERE)).status_code == 202
        until(lambda: "life-1" in duty.alerts() and listener.steps, "the first alert")
        listener.leave()

        alert = duty.alerts()["life-1"]["alert"]
        duty.ask("POST", f"/v1/alerts/{alert}/acknowledge", comment="马上去 on my way")
        duty.ask("POST", f"/v1/alerts/{alert}/assign", assignee="warden-07")
        duty.ask("POST", f"/v1/alerts/{alert}/case", case="case-9")
        duty.ask("POST", f"/v1/alerts/{alert}/verdict", verdict="true")
        window = {"scope": HERE, "kind": "maintenance", "duration_s": 3600, "comment": "检修 works"}
        silence = duty.ask("POST", "/v1/silences", **window)["silence"]
        assert on_kafka.send(kafka_key, burst("burst-life-2", "life-2", HERE)).status_code == 202
        until(lambda: [one["silenced_by"] for one in duty.alerts().values()] == [silence] * 2, "silence over both")
        duty.ask("DELETE", f"/v1/silences/{silence}")
        until(lambda: {one["silenced"] for one in duty.alerts().values()} == {False}, "the silence's end")
        duty.ask("POST", f"/v1/alerts/{alert}/close", comment="已处理 done")
        until(lambda: duty.alerts()["life-1"]["state"] == "closed", "the closing")

        told = [("opened", None), ("acknowledged", None), ("assigned", None), ("reported", None), ("verdict", None),
                ("silenced", "maintenance"), ("unsilenced", None), ("resolved", None), ("closed", None)]  # fmt: skip
        quiet = [("opened", "maintenance"), ("unsilenced", None)]
        steps = duty.steps(alert)
        assert [(step["step"], step["silenced_as"]) for step in steps] == told
        second = duty.steps(duty.alerts()["life-2"]["alert"])
        assert [(step["step"], step["silenced_as"]) for step in second] == quiet

        aloud = [step for step in steps if not step["silenced_as"]] + second[1:]
        until(lambda: len(hook.requests) >= len(aloud), "the webhooks")
        came = hook.verified(made["secret"])
        for subject, whole in (("life-1", told), ("life-2", quiet)):
            heard = [one["data"] for one in came if one["data"]["subject"] == subject]
            assert [one["step"] for one in heard] == [step for step, silenced in whole if not silenced]
        assert len(came) == len(aloud), "each once"
        until(lambda: len(ends.requests) >= 4, "the other subscription's webhooks")
        told_ends = [json.loads(body) for _, body in ends.requests]
        assert sorted((one["data"]["subject"], one["type"].removeprefix("alert.")) for one in told_ends) == [
            ("life-1", "opened"), ("life-1", "resolved"), ("life-1", "unsilenced"), ("life-2", "unsilenced"),
        ]  # fmt: skip

    listener.wait_gone()
    again = Listener(on_kafka, kafka_key, listener.last_id, scope=HERE)
    until(lambda: len(listener.steps) + len(again.steps) >= len(told) + len(quiet), "what the listener had missed")
    heard_ids = [event["id"] for event in listener.steps + again.steps]
    assert len(set(heard_ids)) == len(heard_ids) == len(told) + len(quiet), (
        "nothing is left out and nothing comes twice"
    )
    again.leave()
    duty.ask("POST", f"/v1/alerts/{alert}/comment", comment="复核 looked again")
    again.wait_gone()

    # Each step carries the whole state: the last one in the log is what the API says now.
    log = logged_steps(kafka_broker)
    until(lambda: len(duty.steps(alert)) == len(log["life-1"]), "the last step in the API")
    for subject, shown in duty.alerts().items():
        state = log[subject][-1]
        assert [one["step_number"] for one in log[subject]] == list(range(1, len(log[subject]) + 1))
        assert [(one["step"], one.get("actor"), one.get("comment")) for one in log[subject]] == [
            (one["step"], one["actor"], one["comment"]) for one in duty.steps(shown["alert"])
        ]
        for name in ("alert", "severity", "count", "acknowledged_by", "assignee", "verdict", "case", "silenced"):
            assert shown[name] == state.get(name), (subject, name)
        assert (shown["closed_time"] is not None) == ("closed_time_ms" in state)
    assert duty.ask("GET", f"/v1/alerts/{alert}")["times"]["acknowledge_s"] > 0


@pytest.mark.parametrize("name", ["detect", "writer"])
def test_an_alert_survives_the_death_of_a_process(on_kafka: World, kafka_key: str, name: str) -> None:
    before, after = f"{name}-before", f"{name}-after"
    assert on_kafka.send(kafka_key, [meter_entry(before), meter_entry(after)], BATCH).json()["accepted"] == 2
    assert on_kafka.send(kafka_key, burst(f"burst-{before}", before)).status_code == 202

    def alerts() -> dict[str, tuple[str, int]]:
        sql = f"SELECT subject, rule, count() AS rows FROM alerts WHERE subject LIKE '{name}-%' GROUP BY ALL"
        return {row["subject"]: (row["rule"], row["rows"]) for row in on_kafka.rows(sql)}

    until(lambda: before in alerts(), "the first alert")
    on_kafka.parts[name].kill()  # SIGKILL
    assert on_kafka.send(kafka_key, burst(f"burst-{after}", after)).status_code == 202
    on_kafka.parts[name] = on_kafka.start("run", name)
    until(lambda: after in alerts(), "the second alert")
    assert alerts() == {before: ("night_burst", 1), after: ("night_burst", 1)}

    def shown_alerts() -> list[dict[str, Any]]:
        answer = on_kafka.get("/v1/alerts", kafka_key, limit="500").json()
        return [one for one in answer["alerts"] if one["subject"] == after]

    until(lambda: bool(shown_alerts()), "the second alert in the API, which keeps answers for a moment")
    (shown,) = shown_alerts()
    assert shown["observed"] == 99.0
    assert "99" in shown["reason_zh"]
    assert "99" in shown["reason_en"]


def test_a_writer_whose_clickhouse_dies_says_so_and_goes_on_later(on_kafka: World, kafka_key: str) -> None:
    parts = on_kafka.parts
    parts["store"].kill()
    assert on_kafka.send(kafka_key, measured("no-store")).status_code == 202  # the log is all that is needed
    assert parts["writer"].process.wait(PATIENCE_S) == 69
    sentence = f"gridpulse: ClickHouse at 127.0.0.1:{on_kafka.store_port} cannot be reached."
    assert parts["writer"].said.splitlines()[-1] == sentence
    parts["store"] = on_kafka.start("run", "store")
    until(on_kafka.store_answers, "the store")
    parts["writer"] = on_kafka.start("run", "writer")
    on_kafka.wait_found({"no-store"})
    on_kafka.wait_ready(*parts.values())


def test_doctor_finds_all_well(on_kafka: World) -> None:
    status = json.loads(on_kafka.run("doctor", "--json").stdout)
    assert {check["name"]: check["ok"] for check in status} == {
        "python": True, "disk": True, "log": True, "clickhouse": True, "api": True,
    }  # fmt: skip


def test_a_vendor_topic_that_does_not_exist(on_kafka: World) -> None:
    bridge = on_kafka.start("run", "bridge", GRIDPULSE_BRIDGE_TOPICS="vendor.missing")
    with ended_after(bridge):
        until(lambda: bridge.process.poll() is not None, "the bridge's end")
    assert bridge.process.returncode == 69
    assert bridge.said.splitlines()[-1].startswith("gridpulse: ")
    assert "vendor.missing" in bridge.said
