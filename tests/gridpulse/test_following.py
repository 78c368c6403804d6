"""Following a live stream: goes on from where it was, whatever happens to the connection; what people are shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from gridpulse.exit import StartError
from gridpulse.following import Follower, LiveMessage
from gridpulse.live_view import line_of, reset_line

SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass
class Script:
    """What the server answers, one after the other: status, headers, body."""

    answers: list[tuple[int, dict[str, str], bytes]]
    since: list[str | None] = field(default_factory=list)


@pytest.fixture
def script() -> Iterator[tuple[Script, str]]:
    played = Script([])

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            played.since.append(self.headers.get("Last-Event-ID"))
            status, headers, body = played.answers.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield played, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_it_goes_on_from_the_last_whole_message_whatever_happens(script: tuple[Script, str]) -> None:
    played, url = script
    problem = orjson.dumps({"detail": "已吊销", "detail_en": "revoked"})
    played.answers = [
        (
            200,
            {},
            b'retry: 1234\nid: p0\nevent: hello\ndata: {}\n\nid: p1\nevent: alert\ndata: "\xe2\x80\xa8"\n\nid: p2\nev',
        ),
        (503, {"Retry-After": "7"}, b"{}"),
        (200, {}, b": heartbeat\nid: p3\n\nid: p4\nevent: alert\ndata: 2\n\n"),
        (200, {"Content-Length": "1000"}, b"id: p5\nevent: alert\ndata: 3\n\n"),  # cut off
        (401, {}, problem),
    ]
    slept: list[float] = []
    follower = Follower(url, "k", {}, lambda _text: None, sleep=slept.append)
    got: list[str] = []
    with pytest.raises(StartError, match="已吊销 · revoked"):
        got.extend(one.event for one in follower.messages())
    assert got == ["hello", "alert", "alert", "alert"]
    assert played.since == [None, "p1", "p1", "p4", "p5"]
    assert slept == [1.234, 7.0, 7.0, 7.0]


def test_what_was_received_is_given_out(script: tuple[Script, str]) -> None:
    played, url = script
    played.answers = [
        (200, {}, b'event: hello\ndata: {}\n\nid: p1\nevent: alert\ndata: "\xe2\x80\xa8"\n\n'),
        (422, {}, b"?"),
    ]
    messages = Follower(url, "k", {}, lambda _text: None, sleep=lambda _s: None).messages()
    assert next(messages) == LiveMessage("hello", b"{}")
    assert next(messages) == LiveMessage("alert", '"\u2028"'.encode())  # a line separator is no line's end here
    with pytest.raises(StartError, match=r"422: \?"):
        next(messages)


def alert(**data: Any) -> LiveMessage:
    whole = {
        "alert": "al-1", "step": "opened", "severity": "critical", "detector": "noise_limit", "rule": "day_limit",
        "subject": "noise-1", "reason_zh": "超限", "reason_en": "over",
    } | data  # fmt: skip
    event = {"time": "2026-03-01T04:00:00.000Z", "scope": "wuhu/jinghu", "data": whole}
    return LiveMessage("alert", orjson.dumps(event))


def test_a_line_says_it_in_chinese_first_and_obeys_nobody() -> None:
    line = line_of(alert(reason_en="over\x1b[2J\nnow"), SHANGHAI)
    assert line is not None
    assert line.plain.startswith(
        "03-01 12:00:00 严重 新告警 critical, new alert noise_limit/day_limit noise-1 wuhu/jinghu 超限"
    )
    assert line.plain.endswith(" · over [2J now")
    unknown = line_of(alert(step="exploded", severity="grave"), SHANGHAI)
    assert unknown is not None
    assert "exploded" in unknown.plain
    assert line_of(LiveMessage("hello", b"{}"), SHANGHAI) is None


def test_a_metric_shows_its_latest_value() -> None:
    points = [{"value": 54.25}, {"value": None}]
    answer = {
        "title_zh": "噪声", "title_en": "noise", "unit": "dB(A)", "scope": "wuhu", "series": [{"points": points}],
    }  # fmt: skip
    line = line_of(LiveMessage("metric", orjson.dumps(answer)), SHANGHAI)
    assert line is not None
    assert line.plain == "噪声 noise 54.25 dB(A) wuhu"


def test_a_reset_says_what_to_do() -> None:
    assert reset_line(LiveMessage("reset", orjson.dumps({"detail": "补读", "detail_en": "read"}))) == "补读 · read"
