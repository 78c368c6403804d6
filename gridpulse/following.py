"""Follows the live stream of an API: messages one by one, coming back by itself from where it was.

Guarantee: as the stream's own (``/v1/live``): nothing left out, nothing twice; where the API could not go on, a
``reset`` message says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import httpx
import orjson

from gridpulse.exit import StartError

_RETRY_S: Final = 2.0
_SILENCE_S: Final = 45.0  # three heartbeats
_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})
Note = Callable[[str], None]


class LiveMessage(NamedTuple):
    """One message; ``data`` is JSON."""

    event: str
    data: bytes


class Follower:
    """``note`` is told of every connection that was lost. ``sleep`` waits so many seconds."""

    def __init__(
        self,
        url: str,
        key: str,
        params: Mapping[str, str],
        note: Note,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url, self._key, self._params = url, key, dict(params)
        self._note, self._sleep = note, sleep
        self._since: str | None = None
        self._retry_s = _RETRY_S

    def messages(self) -> Iterator[LiveMessage]:
        """For ever. :raises StartError: the API refuses, and trying again is no use."""
        timeout = httpx.Timeout(10.0, read=_SILENCE_S)
        with httpx.Client(timeout=timeout, trust_env=False) as client:
            while True:
                try:
                    yield from self._connect(client)
                except httpx.TransportError as fault:
                    self._note(f"连接中断({type(fault).__name__}),正在重连 · connection lost, coming back")
                self._sleep(self._retry_s)

    def _connect(self, client: httpx.Client) -> Iterator[LiveMessage]:
        headers = {"Authorization": f"Bearer {self._key}"}
        if self._since is not None:
            headers["Last-Event-ID"] = self._since
        with client.stream("GET", f"{self._url}/v1/live", params=self._params, headers=headers) as answer:
            if answer.status_code != 200:
                answer.read()
                self._refused(answer)
                return
            yield from self._parse(answer.iter_bytes())
        self._note("连接已结束,正在续传 · the stream has ended, going on from there")

    def _refused(self, answer: httpx.Response) -> None:
        """Returns where it is worth trying again."""
        if answer.status_code in _TRY_AGAIN:
            self._retry_s = float(answer.headers.get("Retry-After", _RETRY_S))
            self._note(f"{_why(answer)},{self._retry_s:.0f} 秒后重试 · trying again in {self._retry_s:.0f} s")
        else:
            raise StartError(f"{answer.status_code}: {_why(answer)}")

    def _parse(self, pieces: Iterator[bytes]) -> Iterator[LiveMessage]:
        text = b""
        for piece in pieces:
            *blocks, text = (text + piece).split(b"\n\n")
            for block in blocks:
                message = self._understood(block)
                if message is not None:
                    yield message

    def _understood(self, block: bytes) -> LiveMessage | None:
        """What is for us in a block; its place in the log counts from when it has been taken."""
        fields = dict(
            line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and not line.startswith(b":")
        )
        if b"retry" in fields:
            self._retry_s = int(fields[b"retry"]) / 1000.0
        if b"id" in fields:
            self._since = fields[b"id"].decode()
        if b"data" not in fields:
            return None
        return LiveMessage(fields.get(b"event", b"message").decode(), fields[b"data"])


def _why(answer: httpx.Response) -> str:
    try:
        problem = orjson.loads(answer.content)
        return " · ".join(str(problem[name]) for name in ("detail", "detail_en") if problem.get(name))
    except (ValueError, TypeError, AttributeError):
        return answer.text[:200]
