"""``gridpulse up``: events in by every HTTP mode, out by API and SQL; bad input answered; crashes survived."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import psutil
import pytest
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent

from tests.integration.inputs import BAD, as_json
from tests.integration.running import BATCH, ROOT, STRUCTURED, World, measured, until

BOMB = gzip.compress(bytes(64 << 20), 6)


def readme_commands() -> list[str]:
    """The commands of the README's console blocks, each as a reader would paste it."""
    commands: list[str] = []
    for block in re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL):
        lines = iter(block.splitlines())
        for line in lines:
            if not line.startswith("$ "):
                continue
            command = line[2:]
            while not _complete(command):
                command += "\n" + next(lines)
            commands.append(command)
    return commands


def _complete(command: str) -> bool:
    if command.endswith("\\"):
        return False
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def shell(world: World, key: str, curl: str, command: str) -> str:
    """Run a README command against this world's ports."""
    command = command.replace("127.0.0.1:8080", f"127.0.0.1:{world.api_port}")
    environment = {"PATH": f"{Path(curl).parent}:/usr/bin:/bin", "KEY": key, "NO_PROXY": "*"}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def metric(world: World, key: str, name: str, by: str, **params: str) -> dict[str | None, list[float]]:
    """The values of a metric's series."""
    answer = world.get(f"/v1/metrics/{name}", key, by=by, **params)
    assert answer.status_code == 200, answer.text
    return {
        series["key"]: [point["value"] for point in series["points"] if point["value"] is not None]
        for series in answer.json()["series"]
    }


def recent(world: World, key: str) -> dict[str | None, list[float]]:
    """Noise of the last hour by device."""
    return metric(world, key, "noise_laeq", "device", **{"from": "-1h"})


def test_the_commands_of_the_readme(world: World, key: str, curl: str) -> None:
    commands = [command for command in readme_commands() if command.startswith("curl ")]
    send, ask, board, alerts, live = commands
    assert json.loads(shell(world, key, curl, send))["accepted"] == 1
    assert json.loads(shell(world, key, curl, send))["duplicate"] == 1

    def shown() -> bool:
        series = json.loads(shell(world, key, curl, ask))["series"]
        points = [point for one in series if one["key"] == "noise-1" for point in one["points"]]
        return 61.5 in [point["value"] for point in points]

    until(shown, "the README's event in the README's metric")
    assert json.loads(shell(world, key, curl, board))["as_of"]
    assert "alerts" in json.loads(shell(world, key, curl, alerts))
    assert "event: hello" in shell(world, key, curl, live.replace("curl -N", "curl -sN --max-time 3") + " || true")


def foreign(event_id: str, **changes: Any) -> CloudEvent:
    """An event of the official CloudEvents package."""
    event = measured(event_id, time=datetime.now(UTC), datacontenttype="application/json", **changes)
    data = event.pop("data")
    return CloudEvent(event, data)


def binary(event: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    headers = {f"ce-{name}": str(value) for name, value in event.items() if name != "data"}
    return {**headers, "Content-Type": "application/json"}, json.dumps(event["data"]).encode()


def test_events_in_every_mode_are_found_by_api_and_sql(world: World, key: str) -> None:
    made = [http.to_structured_event(foreign("ce-structured")), http.to_binary_event(foreign("ce-binary"))]
    requests: list[tuple[Mapping[str, str], bytes | Any]] = [
        (STRUCTURED, measured("structured")),
        binary(measured("binary", time="2026-01-01T08:00:00+08:00")),
        (BATCH, [measured(f"batch-{n}") for n in range(3)]),
        (
            {**BATCH, "Content-Encoding": "gzip"},
            gzip.compress(json.dumps([measured("gzip-a"), measured("gzip-b")]).encode()),
        ),
        ({"Content-Type": "application/x-ndjson"}, b"\n".join(as_json(measured(f"line-{n}")) for n in "ab")),
        *((message.headers, message.body) for message in made),
    ]
    ids: set[str] = set()
    for headers, body in requests:
        answer = world.send(key, body, headers)
        assert answer.status_code == 202, answer.text
        assert {result["status"] for result in answer.json()["results"]} == {"accepted"}
        ids |= {result["id"] for result in answer.json()["results"]}
    assert len(ids) == 11
    world.wait_found(ids)

    devices = {f"noise-{event_id}" for event_id in ids - {"binary"}}
    until(lambda: devices <= recent(world, key).keys(), "all devices in the metric")
    old = {"from": "2026-01-01T00:00:00+08:00", "to": "2026-01-02T00:00:00+08:00", "grain": "day"}  # late: days only
    until(lambda: metric(world, key, "noise_laeq", "device", **old) == {"noise-binary": [61.5]}, "the old event's day")

    command = f"SELECT device, value FROM readings FINAL WHERE event_id IN ({', '.join(map(repr, sorted(ids)))})"
    lines = world.run("sql", "--json", command).stdout.splitlines()
    assert {json.loads(line)["device"] for line in lines} == devices | {"noise-binary"}

    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=world.store_port, username="reader", password=world.reader_password, database="gridpulse"
    )
    with client:
        rows = client.query(
            "SELECT device, event_time, value FROM readings FINAL WHERE event_id = {id:String}",
            parameters={"id": "binary"},
            tz_mode="aware",
        ).result_rows
    assert rows == [("noise-binary", datetime(2026, 1, 1, tzinfo=UTC), 61.5)]


@pytest.mark.parametrize(("body", "reason"), BAD.values(), ids=BAD)
def test_bad_events_are_answered_with_their_reason(
    world: World, key: str, body: Callable[[], bytes], reason: str
) -> None:
    answer = world.send(key, body())
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [(result["status"], result["reason"]) for result in answer.json()["results"]] == [("rejected", reason)]
    assert answer.json()["results"][0]["detail"]


def test_a_bad_event_spoils_neither_its_batch_nor_what_follows(world: World, key: str) -> None:
    unsplit = ("invalid_utf8", "invalid_json", "not_finite")  # the test could not put these into a list
    bad = [json.loads(make()) for make, reason in BAD.values() if reason not in unsplit]
    answer = world.send(key, [measured("good-1"), *bad, measured("good-1"), measured("good-2")], BATCH)
    statuses = [result["status"] for result in answer.json()["results"]]
    assert answer.status_code == 202
    assert statuses == ["accepted", *["rejected"] * len(bad), "duplicate", "accepted"]
    assert world.send(key, measured("good-2")).json()["duplicate"] == 1
    world.wait_found({"good-1", "good-2"})


def test_a_gzip_bomb_is_refused_unread(world: World, key: str) -> None:
    assert len(BOMB) < 100_000
    answer = world.send(key, BOMB, {**BATCH, "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
    assert world.send(key, measured("after-bomb")).status_code == 202


def test_a_reader_sees_its_own_subtree_and_may_not_send(world: World, key: str) -> None:
    reader = world.issue_key("reader", "wuhu/jinghu")
    assert (
        world.send(key, [measured("own"), measured("beside", scope="wuhu/yijiang/tieqiao")], BATCH).json()["accepted"]
        == 2
    )
    world.wait_found({"own", "beside"})
    until(
        lambda: {"noise-own", "noise-beside"} <= recent(world, key).keys(),
        "both devices for the key that is good for all",
    )
    seen = recent(world, reader).keys()
    assert "noise-own" in seen
    assert "noise-beside" not in seen
    assert world.get("/v1/metrics/noise_laeq", reader, scope="wuhu/yijiang").status_code == 403
    assert world.send(reader, measured("by-a-reader")).status_code == 403
    assert world.get("/v1/metrics/noise_laeq").status_code == 401


def test_bad_lines_of_a_file_become_dead_letters_and_stop_nothing(world: World, key: str, tmp_path: Path) -> None:
    file = tmp_path / "mixed.ndjson"
    bodies = [make() for make, _ in BAD.values()]
    file.write_bytes(
        b"\n".join([json.dumps(measured("first")).encode(), *bodies, json.dumps(measured("last")).encode()])
    )
    report = json.loads(world.run("import", str(file), "--json").stdout)
    assert report == {"accepted": 2, "duplicate": 0, "rejected": len(BAD)}
    world.wait_found({"first", "last"})

    sql = "SELECT * FROM dead_letters FINAL WHERE stage = 'import' AND origin LIKE 'mixed%'"
    until(lambda: len(world.rows(sql)) >= len(BAD), "dead letters in ClickHouse")
    letters = world.rows(sql)
    assert {letter["origin"]: letter["reason"] for letter in letters} == {
        f"mixed.ndjson:{line}": reason for line, (_, reason) in enumerate(BAD.values(), 2)
    }
    for letter in letters:
        body = bodies[int(letter["origin"].split(":")[1]) - 2]
        assert base64.b64decode(letter["raw_base64"]) == body[: 16 * 1024]
        assert int(letter["raw_bytes"]) == len(body)
    shown = world.get("/v1/deadletters", key, limit="500")
    assert shown.status_code == 200, shown.text
    assert {"mixed.ndjson:2"} <= {letter["origin"] for letter in shown.json()["dead_letters"]}


def acknowledged(world: World, key: str, event_id: str) -> bool:
    """Whether the event was taken; False while nobody answers or the answer is "later"."""
    with contextlib.suppress(httpx.TransportError):
        answer = world.send(key, measured(event_id))
        assert answer.status_code in (202, 503), answer.text
        return answer.status_code == 202
    return False


@pytest.mark.parametrize("name", ["pipeline", "store", "api"])
def test_a_killed_process_comes_back_and_nothing_acknowledged_is_lost(world: World, key: str, name: str) -> None:
    assert world.up is not None
    victim = world.up.children()[name]
    ids = {f"{name}-{n}" for n in range(20)}
    for n, event_id in enumerate(sorted(ids)):
        if n == 10:
            victim.kill()  # SIGKILL
        until(lambda event_id=event_id: acknowledged(world, key, event_id), "the event's acknowledgement")  # type: ignore[misc]
    world.wait_found(ids)
    until(lambda: name in (children := world.up.children()) and children[name].pid != victim.pid, f"a new {name}")  # type: ignore[union-attr]
    world.wait_ready(world.up)
    shown = {f"noise-{event_id}" for event_id in ids}
    until(lambda: shown <= recent(world, key).keys(), "all in the metric")
    doubled = world.rows(
        f"SELECT event_id FROM readings FINAL WHERE event_id LIKE '{name}-%' GROUP BY 1 HAVING count() > 1"
    )
    assert doubled == []


def test_sigterm_ends_everything_and_a_second_start_goes_on(world: World, key: str) -> None:
    assert world.send(key, measured("before-the-stop")).status_code == 202
    assert world.up is not None
    children = list(world.up.children().values())
    assert len(children) == 5
    assert world.up.terminate() == 0
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert "Traceback" not in world.up.said

    world.start_up()
    assert world.send(key, measured("after-the-stop")).status_code == 202
    world.wait_found({"before-the-stop", "after-the-stop", "structured"})
    shown = {"noise-before-the-stop", "noise-after-the-stop"}
    until(lambda: shown <= recent(world, key).keys(), "both in the metric")
