"""The demo's webhook receiver: on loopback, in the demo's own process; verifies what arrives, and keeps the first.

Written as any subscriber would write one (see ``docs/webhooks.md``): it knows its secret and nothing else of GridPulse.
What comes to another path than its own was subscribed to by hand: it is taken, and not counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

import orjson

from gridpulse.signatures import is_signed

HOST: Final = "127.0.0.1"
PATH: Final = "/alerts"
PING: Final = "subscription.ping"
_MAX_BODY_BYTES: Final = 100_000
_POLL_S: Final = 0.05  # how long ending takes


class Receiver:
    """Listens while it is entered. ``received``: messages, each once; ``verified``: those with a right signature.

    A test message that is verified sets ``pinged`` and is not counted.
    """

    def __init__(self) -> None:
        self.first: dict[str, Any] | None = None
        self.latest: dict[str, Any] | None = None
        self.verified = 0
        self.pinged = threading.Event()
        self._seen: set[str] = set()
        self._secret = ""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="receiver", daemon=True
        )

    @property
    def root(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.root}{PATH}"

    @property
    def received(self) -> int:
        return len(self._seen)

    def set_secret(self, secret: str) -> None:
        """The secret that the API showed when the subscription was made: ``whsec_…``."""
        self._secret = secret

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """A message; the status of the answer. The same message again is nothing new."""
        webhook_id = headers.get("webhook-id", "")
        verified = is_signed(self._secret, headers, body, time.time())
        message = orjson.loads(body) if verified else None
        with self._lock:
            if message is not None and message["type"] == PING:
                self.pinged.set()
            elif webhook_id not in self._seen:
                self._seen.add(webhook_id)
                self._note(message)
        return 204 if verified else 401

    def _note(self, message: dict[str, Any] | None) -> None:
        if message is not None:
            self.verified += 1
            self.latest, self.first = message, self.first or message

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
                self.close_connection = True
                return self._answer(413)
            body = self.rfile.read(int(length))
            if self.path != PATH:
                return self._answer(204)
            return self._answer(receiver.take({name.lower(): text for name, text in self.headers.items()}, body))

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: the terminal is the demo's."""

    return Handler
