"""Who hears of alerts in these tests: a webhook endpoint, and clients of the live stream that leave and come back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from standardwebhooks import Webhook

from tests.integration.running import PATIENCE_S, World, until


class Hook:
    """An endpoint on loopback that takes everything and looks at it afterwards."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[tuple[dict[str, str], bytes]] = []

    def verified(self, secret: str) -> list[dict[str, Any]]:
        """What came, each message once, in order of arrival. :raises WebhookVerificationError: one is not genuine."""
        webhook = Webhook(secret)
        found: dict[str, dict[str, Any]] = {}
        for headers, body in list(self.requests):
            found.setdefault(headers["webhook-id"], webhook.verify(body, headers))
        return list(found.values())


@contextmanager
def listening() -> Iterator[Hook]:
    """An endpoint while this context is open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook = Hook(f"http://127.0.0.1:{server.server_address[1]}/in")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Listener:
    """One connection to ``/v1/live``: the alert steps that came on it, and the id of the last message."""

    def __init__(self, world: World, key: str, since: str | None = None, **params: str) -> None:
        self.steps: list[dict[str, Any]] = []
        self.last_id: str | None = since
        self._heard, self._left = threading.Event(), threading.Event()
        headers = {"Authorization": f"Bearer {key}"} | ({"Last-Event-ID": since} if since else {})
        self._thread = threading.Thread(target=self._read, args=(f"{world.api_url}/v1/live", headers, params))
        self._thread.start()
        assert self._heard.wait(PATIENCE_S), "the stream's beginning"

    def _read(self, url: str, headers: dict[str, str], params: dict[str, str]) -> None:
        with httpx.stream("GET", url, headers=headers, params=params, timeout=PATIENCE_S, trust_env=False) as answer:
            message: dict[str, str] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    message[name] = value
                    continue
                self._take(message)
                message = {}
                if self._left.is_set():
                    return

    def _take(self, message: dict[str, str]) -> None:
        if message.get("event") == "alert":
            self.steps.append(json.loads(message["data"]))
        self.last_id = message.get("id", self.last_id)
        self._heard.set()

    def leave(self) -> None:
        """Go away with the next message; what comes after it is not heard."""
        self._left.set()

    def wait_gone(self) -> None:
        until(lambda: not self._thread.is_alive(), "the listener's leave")
