"""The benchmark of alerts, small: every webhook arrives, hanging endpoints hold nobody up, every client is served."""

from __future__ import annotations

import http.client
from pathlib import Path

from benchmarks.alerts import Sizes, event_to_webhook
from benchmarks.deliveries import deliveries
from benchmarks.run import BENCHMARKS
from benchmarks.sse_clients import sse_clients
from benchmarks.webhook_endpoints import Arrived, Endpoints
from gridpulse.cli.inspect import Benchmark


def test_every_burst_becomes_a_webhook(tmp_path: Path) -> None:
    sizes = Sizes(rate=1_000, seconds=1, devices=1_000, settling_s=0.5)
    answer = event_to_webhook(tmp_path, None, sizes)
    assert (answer["events"], answer["rate"], answer["seconds"]) == (1_000, 1_000, 1)
    assert (answer["alerts"], answer["alerts_missing"], answer["alerts_per_s"]) == (4, 0, 4.0)
    assert 0 < answer["event_to_webhook_ms"]["p50"] <= answer["event_to_webhook_ms"]["p99"]
    assert {"store", "api", "pipeline", "rollup", "webhooks"} == set(answer["cores_busy_by_process"])


def test_healthy_endpoints_get_every_alert_while_others_hang(tmp_path: Path) -> None:
    answer = deliveries(tmp_path, None, alerts=30, endpoints=6, hanging=2)
    assert (answer["deliveries"], answer["deliveries_repeated"]) == (30 * 4, 0)
    assert min(answer["deliveries_per_s"], answer["worker_cpu_ms_per_delivery"]) > 0


def test_clients_that_got_everything_are_counted() -> None:
    answer = sse_clients(5, alerts_per_s=20.0, seconds=0.5)
    assert (answer["clients_served"], answer["received"], answer["clients_lost"]) == (5, 50, 0)


def test_endpoints_take_requests_in_pieces_and_together_and_some_never_answer() -> None:
    heard: list[Arrived] = []
    with Endpoints(1, 1, heard.append) as endpoints:
        answering, hanging = (url.removeprefix("http://").removesuffix("/alerts") for url in endpoints.urls)
        client = http.client.HTTPConnection(answering, timeout=30)
        for number in range(2):
            client.request("POST", "/alerts", b"{}" * number, {"webhook-id": f"msg_{number}"})
            assert client.getresponse().read() == b""
        client.sock.sendall(b"POST / HTTP/1.1\r\nwebhook-id: a\r\nContent-Length: 2\r\n\r\nxyPOST / HTTP/1.1\r\nwebh")
        client.sock.sendall(b"ook-id: b\r\nContent-Length: 1\r\n\r\nz")
        answers = b""
        while answers.count(b"204") < 2:
            answers += client.sock.recv(1000)
        silent = http.client.HTTPConnection(hanging, timeout=0.2)
        silent.request("POST", "/alerts", b"{}", {"webhook-id": "msg_9"})
        try:
            silent.getresponse()
        except TimeoutError:
            heard.append(Arrived(9, b"", b"no answer", 0.0))
        client.close()
    found = [(one.endpoint, one.webhook_id, one.body) for one in heard]
    assert found == [
        (0, b"msg_0", b""),
        (0, b"msg_1", b"{}"),
        (0, b"a", b"xy"),
        (0, b"b", b"z"),
        (9, b"", b"no answer"),
    ]


def test_the_command_knows_every_benchmark() -> None:
    assert [one.value for one in Benchmark] == list(BENCHMARKS)
