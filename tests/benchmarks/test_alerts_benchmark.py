"""The benchmark of alerts, small: every webhook arrives, hanging endpoints hold nobody up, every client is served."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from benchmarks.alerts import Sizes, alerts
from benchmarks.run import BENCHMARKS
from benchmarks.webhook_endpoints import Arrived, Endpoints
from gridpulse.cli.inspect import Benchmark

SMALL = Sizes(
    rate=1_000, seconds=1, devices=1_000, settling_s=0.5, endpoints=6, endpoints_hanging=2, steps=30, clients=5,
    live_s=0.5,
)  # fmt: skip


def test_every_alert_comes_everywhere(tmp_path: Path) -> None:
    answer = alerts(tmp_path, SMALL, kafka=False)
    assert (answer["events"], answer["rate"], answer["seconds"]) == (1_000, 1_000, 1)
    assert (answer["alerts"], answer["alerts_missing"], answer["alerts_per_s"]) == (4, 0, 4.0)
    assert 0 < answer["event_to_webhook_ms"]["p50"] <= answer["event_to_webhook_ms"]["p99"]
    assert {"store", "api", "pipeline", "rollup", "webhooks"} == set(answer["cores_busy_by_process"])
    assert (answer["deliveries"], answer["deliveries_repeated"]) == (30 * 4, 0)
    assert min(answer["deliveries_per_s"], answer["worker_cpu_ms_per_delivery"]) > 0
    assert (answer["sse_clients"], answer["sse_clients_lost"], answer["sse_alerts"]) == (5, 0, 10)


def test_endpoints_take_requests_in_pieces_and_together_and_some_never_answer() -> None:
    heard: list[Arrived] = []
    with Endpoints(1, 1, heard.append) as endpoints:
        answering, hanging = (url.removeprefix("http://").removesuffix("/alerts") for url in endpoints.urls)
        client = http.client.HTTPConnection(answering, timeout=30)
        client.request("POST", "/alerts", b"{}", {"webhook-id": "msg_1"})
        assert client.getresponse().read() == b""
        together = b"POST / HTTP/1.1\r\nwebhook-id: a\r\nContent-Length: 2\r\n\r\nxy"
        client.sock.sendall(
            together + b"POST / HTTP/1.1\r\nwebhook-id: b\r\nContent-Length: 1\r\n\r\n"
        )  # and no body yet
        assert b"204" in client.sock.recv(1000)
        client.sock.sendall(b"zPOST / HTTP/1.1\r\nwebh")
        assert b"204" in client.sock.recv(1000)
        client.sock.sendall(b"ook-id: c\r\ncontent-length: 0\r\n\r\n")
        assert b"204" in client.sock.recv(1000)
        silent = http.client.HTTPConnection(hanging, timeout=0.2)
        silent.request("POST", "/alerts", b"{}", {"webhook-id": "msg_9"})
        with pytest.raises(TimeoutError):
            silent.getresponse()
        silent.close()
        client.close()
    found = [(one.endpoint, one.webhook_id, one.body) for one in heard]
    assert found == [(0, b"msg_1", b"{}"), (0, b"a", b"xy"), (0, b"b", b"z"), (0, b"c", b"")]


def test_the_command_knows_every_benchmark() -> None:
    assert [one.value for one in Benchmark] == list(BENCHMARKS)
