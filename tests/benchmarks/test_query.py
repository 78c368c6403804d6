"""Questions under load: the figures count every question and event, and an open schedule hides no waiting."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.query import FIRST_S, query
from benchmarks.query_load import Question, ask, ask_each
from gridpulse.free_ports import free_ports

QUESTIONS, RATE = 30, 100


class Slow(BaseHTTPRequestHandler):
    """Answers the first question when all others have come, and these at once."""

    protocol_version = "HTTP/1.1"
    came = itertools.count(1)
    all_came = threading.Event()

    def do_GET(self) -> None:
        number = next(Slow.came)
        if number == QUESTIONS:
            self.all_came.set()
        if number == 1:
            assert self.all_came.wait(20)
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def slow_server() -> Iterator[int]:
    Slow.came, Slow.all_came = itertools.count(1), threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()


def test_the_first_time_every_different_question_is_asked_once(slow_server: int) -> None:
    Slow.all_came.set()
    questions = [Question("metric", "/", "k"), Question("metric", "/none", "k"), Question("metric", "/", "other")] * 2
    answers = ask_each("127.0.0.1", slow_server, questions)
    assert (answers.statuses[200], answers.statuses[404]) == (2, 1)


def test_a_slow_answer_holds_up_nobody_and_every_question_counts(slow_server: int) -> None:
    """The schedule goes on while the first question waits for the last to be asked: its latency is the whole time."""
    questions = [Question("metric", "/", "k"), Question("metric", "/none", "k")]
    answers = ask("127.0.0.1", slow_server, questions, RATE, QUESTIONS / RATE)
    figures = answers.flat()
    assert figures["requests"] == figures["metric_requests"] == figures["all_requests"] == QUESTIONS
    assert 0 < answers.statuses[404] == figures["errors"]
    assert max(answers.latency_s["metric"]) > (QUESTIONS - 2) / RATE


def test_no_answer_at_all_is_an_error() -> None:
    (with_nobody,) = free_ports(1)
    figures = ask("127.0.0.1", with_nobody, [Question("board", "/", "k")], 50, 0.1).flat()
    assert (figures["requests"], figures["errors"]) == (5, 5)


def test_a_short_run_gives_its_figures(tmp_path: Path) -> None:
    figures = query(scratch=tmp_path, rate=10, seconds=2, feed_rate=30, warm_s=0.5)
    assert (figures["requests"], figures["errors"]) == (20, 0)
    assert 30 * 2.5 <= figures["events"] < 30 * (3 + FIRST_S)  # all the time, and no longer
    assert figures["first_requests"] == figures["different_questions"]
    assert figures["board_requests"] + figures["metric_requests"] <= 20
    found = sum(figures[f"answers_{how}"] for how in ("hit", "stale", "coalesced", "miss"))
    assert found == 20
    assert figures["answers_off"] == 0
    assert figures["answers_miss"] < 20  # dashboards ask the same
    assert figures["rows_in_minutes"] > 120 * 3  # rollups that were there, and more
    assert set(figures["cpu_s_per_s"]) == {"store", "pipeline", "rollup", "api"}
