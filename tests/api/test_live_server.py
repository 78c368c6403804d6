"""The live stream of a real uvicorn over sockets: many clients, a slow one, a revoked key, a stop."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from api.app import create_app
from api.dependencies import ApiDependencies
from api.live.limits import LiveLimits
from gridpulse.free_ports import free_ports
from gridpulse.serving import api_server
from projections.queries.fakes import FakeQueries
from schemas.families.system import ApiKey
from streams.fakes import FakeIngest
from streams.keys import LogKeyRing, issue_key, revoke_key
from streams.log_memory import MemoryLog
from tests.api.live_worlds import NOW_MS, Message, alert, alerts_log, messages

WAIT_S = 20.0
LIMITS = LiveLimits(heartbeat_s=0.3, stalled_s=0.5, keys_checked_s=0.2)


@dataclass
class Api:
    """A running API and what it stands on."""

    log: MemoryLog
    queries: FakeQueries
    keys: dict[str, tuple[str, ApiKey]]
    url: str
    stop: Callable[[], None]

    def key(self, name: str = "reader") -> str:
        return self.keys[name][0]


@pytest.fixture
def api() -> Iterator[Api]:
    log, queries = alerts_log(2), FakeQueries()
    now = datetime.fromtimestamp(NOW_MS / 1000.0, UTC)
    keys = {name: issue_key(log, "reader", "") for name in ("reader", "other")}
    keys |= {"narrow": issue_key(log, "reader", "wuhu/yijiang"), "admin": issue_key(log, "admin", "")}
    (port,) = free_ports(1)
    app = create_app(
        ApiDependencies(queries, FakeIngest(), LogKeyRing(log), log, lambda: now, live_log=log, live=LIMITS)
    )
    server = api_server(app, "127.0.0.1", port)
    thread = threading.Thread(target=server.run)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive()

    give_up_s = time.monotonic() + WAIT_S
    while not server.started:
        assert time.monotonic() < give_up_s
        time.sleep(0.01)
    yield Api(log, queries, keys, f"http://127.0.0.1:{port}", stop)
    stop()


class Stream:
    """One client. ``ended`` is how it ended: None while it is open, "closed" as it must be, else the fault."""

    def __init__(self, api: Api, key: str, since: str | None = None, **params: Any) -> None:
        self.received: list[Message] = []
        self.ended: str | None = None
        headers = {"X-API-Key": key} | ({"Last-Event-ID": since} if since else {})
        self._thread = threading.Thread(target=self._read, args=(api.url + "/v1/live", headers, params), daemon=True)
        self._left = threading.Event()
        self._thread.start()
        self.until(lambda: self.received)

    def _read(self, url: str, headers: dict[str, str], params: Any) -> None:
        text = b""
        try:
            with httpx.stream("GET", url, headers=headers, params=params, timeout=WAIT_S, trust_env=False) as answer:
                for piece in answer.iter_raw():
                    text += piece
                    whole = text.rfind(b"\n\n") + 2
                    self.received += messages(text[:whole])
                    text = text[whole:]
                    if self._left.is_set():
                        self.ended = "left"
                        return
            self.ended = "closed"
        except httpx.HTTPError as fault:
            self.ended = repr(fault)

    def leave(self) -> None:
        self._left.set()
        self._thread.join(WAIT_S)

    def alerts(self) -> list[str]:
        return [one.event_id for one in self.received if one.event == "alert"]

    def until(self, reached: Callable[[], object]) -> None:
        until(lambda: reached() or self.ended is not None)
        assert reached(), (self.ended, self.received)


def until(reached: Callable[[], object]) -> None:
    give_up_s = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < give_up_s
        time.sleep(0.005)


def test_clients_get_what_is_theirs_come_back_and_miss_nothing(api: Api) -> None:
    key = api.key()
    everything, elsewhere = Stream(api, key), Stream(api, api.key("narrow"))
    api.log.append([alert("a"), alert("b", 1, scope="wuhu/yijiang/x"), alert("c", severity="critical")])
    everything.until(lambda: len(everything.alerts()) == 3)
    elsewhere.until(lambda: elsewhere.alerts() == ["b"])
    assert sorted(everything.alerts()) == ["a", "b", "c"]
    first = next(one for one in everything.received if one.event == "alert")
    everything.leave()
    api.log.append([alert("d"), alert("e")])
    again = Stream(api, key, first.id)
    again.until(lambda: len(again.alerts()) == 4)
    assert again.alerts()[-2:] == ["d", "e"]
    assert sorted([first.event_id, *again.alerts()]) == ["a", "b", "c", "d", "e"]
    quiet = Stream(api, key, min_severity="critical", steps="resolved")
    quiet.until(lambda: any(not one.event for one in quiet.received))  # a sign of life
    assert quiet.received[-1].id == again.received[-1].id


def test_metrics_come_with_the_alerts_and_are_asked_for_once_for_all(api: Api) -> None:
    key = api.key()
    streams = [Stream(api, key, metrics="heartbeats", scope="wuhu") for _ in range(4)]
    for stream in streams:
        stream.until(lambda stream=stream: any(one.event == "metric" for one in stream.received))  # type: ignore[misc]
        (figure,) = (orjson.loads(one.data) for one in stream.received if one.event == "metric")
        assert (figure["metric"], figure["scope"], figure["grain"]) == ("heartbeats", "wuhu", "minute")
        assert len(figure["series"][0]["points"]) == 2
    assert len(api.queries.metric_queries) == 1


def test_a_slow_client_is_cut_off_and_the_others_get_everything(api: Api) -> None:
    key = api.key()
    quick = Stream(api, key)
    with contextlib.closing(socket.socket()) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, _, port = api.url.removeprefix("http://").partition(":")
        slow.connect((host, int(port)))
        slow.sendall(f"GET /v1/live HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n".encode())
        assert slow.recv(16).startswith(b"HTTP/1.1 200")
        long = "超" * 40_000
        for number in range(100):  # 12 MB: more than the system keeps for a connection
            record = alert(f"a{number}")
            api.log.append([record._replace(value=record.value.replace("超限".encode(), long.encode()))])
        quick.until(lambda: len(quick.alerts()) == 100)
        until(lambda: 'why="slow"} 1.0' in metrics(api))
        slow.settimeout(WAIT_S)
        with contextlib.suppress(ConnectionResetError):  # cut off: it does not get what is still on its way
            while slow.recv(1 << 20):
                pass
    api.log.append([alert("more")])
    quick.until(lambda: quick.alerts()[-1] == "more")
    assert quick.alerts() == [*(f"a{number}" for number in range(100)), "more"]


def metrics(api: Api) -> str:
    return httpx.get(api.url + "/metrics", headers={"X-API-Key": api.key("admin")}, trust_env=False).text


def test_the_streams_of_a_revoked_key_end_and_no_others(api: Api) -> None:
    key, event = api.keys["reader"]
    revoked, other = Stream(api, key), Stream(api, api.key("other"))
    revoke_key(api.log, event)
    until(lambda: revoked.ended)
    assert revoked.ended == "closed"
    api.log.append([alert("a")])
    other.until(lambda: other.alerts() == ["a"])
    until(lambda: httpx.get(api.url + "/v1/live", headers={"X-API-Key": key}, trust_env=False).status_code == 401)


def test_a_stop_closes_streams_as_it_must_and_does_not_wait_for_them(api: Api) -> None:
    """Uvicorn would cut them off after its grace: then a client would not see the end of the answer."""
    key = api.key()
    streams = [Stream(api, key) for _ in range(3)]
    api.stop()
    for stream in streams:
        until(lambda stream=stream: stream.ended)  # type: ignore[misc]
        assert stream.ended == "closed"
