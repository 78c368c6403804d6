"""Questions to the API at a fixed rate, whatever the answers take, and what they took.

The schedule is open: a question is due at its time, and its latency counts from then, so a slow answer is not excused
by the questions that would have waited behind it. A plain HTTP client of its own: the measuring must not cost what is
measured.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.figures import percentile

GIVE_UP_S = 30.0
CONNECTIONS = 256


@dataclass(frozen=True, slots=True)
class Question:
    """One request of a dashboard; ``kind``: what it is counted under."""

    kind: str
    path: str
    key: str

    def request(self, host: str) -> bytes:
        return f"GET {self.path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {self.key}\r\n\r\n".encode()


@dataclass(slots=True)
class Answers:
    """Latencies from the planned start, per kind, and what came back."""

    latency_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[int] = field(default_factory=Counter)  # 0: no answer at all
    sent_late_s: float = 0.0  # the most that a question went out after its time: the client's own share
    bytes: int = 0

    def flat(self) -> dict[str, float | int | None]:
        """p50 and p99 per kind and of all, in milliseconds; requests and errors."""
        everything = [latency for of_kind in self.latency_s.values() for latency in of_kind]
        out: dict[str, float | int | None] = {"requests": sum(self.statuses.values())}
        out["errors"] = sum(count for status, count in self.statuses.items() if status != 200)
        for name, latencies in (("all", everything), *sorted(self.latency_s.items())):
            out[f"{name}_requests"] = len(latencies)
            out[f"{name}_p50_ms"] = _percentile_ms(latencies, 50)
            out[f"{name}_p99_ms"] = _percentile_ms(latencies, 99)
        out["answer_bytes"] = self.bytes
        out["sent_late_ms_max"] = round(self.sent_late_s * 1000.0, 1)
        return out


def ask(host: str, port: int, questions: Sequence[Question], rate: float, seconds: float, seed: int = 7) -> Answers:
    """``rate`` questions a second for so long, drawn from ``questions``."""
    return asyncio.run(_ask(host, port, questions, rate, seconds, random.Random(seed)))


def ask_each(host: str, port: int, questions: Sequence[Question]) -> Answers:
    """Every different question once, one after another: what the first to look has to wait."""
    return asyncio.run(_ask_each(host, port, list(dict.fromkeys(questions))))


async def _ask_each(host: str, port: int, questions: Sequence[Question]) -> Answers:
    answers, client = Answers(), _Client(host, port)
    for question in questions:
        await _one(client, question, time.perf_counter(), answers)
    client.close()
    return answers


async def _ask(
    host: str, port: int, questions: Sequence[Question], rate: float, seconds: float, chance: random.Random
) -> Answers:
    answers = Answers()
    client = _Client(host, port)
    tasks = []
    began_s = time.perf_counter()
    for number in range(round(rate * seconds)):
        due_s = began_s + number / rate
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        answers.sent_late_s = max(answers.sent_late_s, time.perf_counter() - due_s)
        tasks.append(asyncio.create_task(_one(client, chance.choice(questions), due_s, answers)))
    await asyncio.gather(*tasks)
    client.close()
    return answers


async def _one(client: _Client, question: Question, due_s: float, answers: Answers) -> None:
    try:
        status, size = await asyncio.wait_for(client.get(question), GIVE_UP_S)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        status, size = 0, 0
    answers.latency_s[question.kind].append(time.perf_counter() - due_s)
    answers.statuses[status] += 1
    answers.bytes += size


class _Client:
    """Keep-alive connections; one that is free is taken again."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._limit = asyncio.Semaphore(CONNECTIONS)

    async def get(self, question: Question) -> tuple[int, int]:
        """Status and size of the body."""
        async with self._limit:
            pair = self._taken() or await asyncio.open_connection(self._host, self._port)
            try:
                reader, writer = pair
                writer.write(question.request(self._host))
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
                await reader.readexactly(size)
            except BaseException:
                pair[1].close()
                raise
            self._free.append(pair)
            return int(head.split(b" ", 2)[1]), size

    def _taken(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A free connection; those that the server has closed for want of use are no errors of its."""
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()


def _percentile_ms(latencies_s: list[float], percent: int) -> float | None:
    if len(latencies_s) < 2:
        return None
    return round(percentile(latencies_s, percent) * 1000.0, 1)
