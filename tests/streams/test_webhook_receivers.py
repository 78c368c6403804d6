"""The receivers in docs/webhooks.md do what they say, with deliveries signed as they really are."""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import httpx
import orjson
import pytest

from gridpulse.free_ports import free_ports
from schemas.families.subscriptions import SubscriptionKind, SubscriptionState
from schemas.families.system import Alert
from schemas.golden import golden_examples
from streams.webhooks.notices import AlertNotice
from streams.webhooks.payloads import payload_of
from streams.webhooks.schedule import DELAYS_S
from streams.webhooks.signing import signed_headers
from streams.webhooks.subscriptions import Subscription
from streams.webhooks.vault import Vault
from tests.conftest import tool

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
VAULT = Vault(bytes(range(32)))
OLD, NEW = VAULT.signing_secret("sub_1", "old"), VAULT.signing_secret("sub_1", "new")
ROTATED = Subscription(
    SubscriptionState(
        subscription="sub_1", revision=2, subscription_scope="wuhu", kind="standard", shown_url="", sealed_url="",
        min_severity="info", silenced=False, secret_id="new", previous_secret_id="old",
        previous_secret_expires_time_ms=2**52, status="active", key_id="k", actor="k",
    )
)  # fmt: skip


def snippet(name: str) -> str:
    """A piece of the page, by the comment before it."""
    match = re.search(rf"<!-- {re.escape(name)} -->\n```[a-z]+\n(.*?)```\n", PAGE, re.DOTALL)
    assert match is not None, name
    return match[1]


def delivery(now_s: float | None = None) -> tuple[bytes, dict[str, str]]:
    """An alert's body and headers, signed by both secrets of a rotation."""
    golden = orjson.loads(golden_examples()["cn.gridpulse.alerts.alert.v1"][0])
    notice = AlertNotice(golden["id"], golden["scope"], 1_777_593_600_000, Alert(**golden["data"]))
    now_ms = round((time.time() if now_s is None else now_s) * 1000)
    body = payload_of("standard", notice, ZoneInfo("Asia/Shanghai")).body
    return body, signed_headers(notice.event_id, now_ms, body, ROTATED.signing_keys(VAULT, now_ms))


def forgeries() -> dict[str, tuple[bytes, dict[str, str]]]:
    """What must not be taken."""
    body, headers = delivery()
    return {
        "another body": (body.replace(b"noise", b"NOISE"), headers),
        "another id": (body, headers | {"webhook-id": "another"}),
        "another time": (body, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
        "no signature": (body, headers | {"webhook-signature": "v1,"}),
        "another version": (body, headers | {"webhook-signature": headers["webhook-signature"].replace("v1", "v2")}),
        "an hour ago": delivery(time.time() - 3_600),
        "in an hour": delivery(time.time() + 3_600),
    }


class Python:
    """The receiver in Python, serving on a free port; ``handled`` is what it passed on."""

    def __init__(self, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GRIDPULSE_SECRET", secret)
        names: dict[str, Any] = {"__name__": "receiver"}
        exec(compile(snippet("receiver.py"), "receiver.py", "exec"), names)
        self.handled: list[dict[str, Any]] = []
        receiver = names["Receiver"]
        receiver.handle_event = lambda _receiver, event: self.handled.append(event)
        receiver.log_message = lambda *_: None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), receiver)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        return httpx.post(url, content=body, headers=headers, trust_env=False).status_code


@pytest.fixture(params=[OLD, NEW], ids=["the secret before", "the present secret"])
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Python]:
    receiver = Python(request.param, monkeypatch)
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def test_the_python_receiver_takes_a_delivery_once(python: Python) -> None:
    body, headers = delivery()
    assert [python.post(body, headers), python.post(*delivery())] == [204, 204]
    (event,) = python.handled
    assert event == orjson.loads(body)
    assert event["type"].startswith("alert.")


def test_the_python_receiver_refuses_what_is_not_ours(python: Python) -> None:
    assert {name: python.post(*each) for name, each in forgeries().items()} == dict.fromkeys(forgeries(), 401)
    assert python.post(b"{}", {}) == 401
    assert python.handled == []


class Node:
    """The receiver in Node as the page has it, in a process of its own."""

    def __init__(self, secret: str, directory: Path) -> None:
        script, self._said = directory / "receiver.mjs", directory / "said.txt"
        script.write_text(snippet("receiver.mjs"))
        (port,) = free_ports(1)
        self._url = f"http://127.0.0.1:{port}/"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [tool("node"), str(script)],
                env={"GRIDPULSE_SECRET": secret, "PORT": str(port)},
                stdout=said,
                stderr=said,
            )
        give_up_s = time.monotonic() + 60.0
        while not self._listens():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < give_up_s, self.said
            time.sleep(0.02)

    def _listens(self) -> bool:
        with contextlib.suppress(httpx.ConnectError):
            return bool(httpx.get(self._url, trust_env=False).status_code)
        return False

    @property
    def said(self) -> list[str]:
        return self._said.read_text().splitlines()

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        return httpx.post(self._url, content=body, headers=headers, trust_env=False).status_code

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("secret", [OLD, NEW], ids=["the secret before", "the present secret"])
def test_the_node_receiver_takes_what_is_ours_once_and_nothing_else(tmp_path: Path, secret: str) -> None:
    node = Node(secret, tmp_path)
    try:
        assert {name: node.post(*each) for name, each in forgeries().items()} == dict.fromkeys(forgeries(), 401)
        assert node.post(b"{}", {}) == 401
        assert node.said == []
        body, headers = delivery()
        assert [node.post(body, headers), node.post(*delivery())] == [204, 204]
        told = orjson.loads(body)
        assert node.said == [f"{told['type']} {told['data']['subject']} {told['data']['reason_zh']}"]
    finally:
        node.end()


@pytest.mark.parametrize("secret", [OLD, NEW], ids=["the secret before", "the present secret"])
def test_the_shell_script_tells_genuine_deliveries(tmp_path: Path, secret: str) -> None:
    script, content = tmp_path / "verify.sh", tmp_path / "body.json"
    script.write_text(snippet("verify.sh"))

    def verify(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        content.write_bytes(body)
        arguments = (headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        done = subprocess.run(
            ["sh", str(script), str(content), *arguments],
            env={"GRIDPULSE_SECRET": secret, "PATH": "/usr/local/bin:/usr/bin:/bin"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        return done.returncode, done.stdout.strip()

    assert verify(*delivery()) == (0, "genuine")
    told = {name: verify(*each) for name, each in forgeries().items()}
    assert {code for code, _ in told.values()} == {1}
    assert told["another body"] == (1, "not genuine")
    assert told["an hour ago"] == (1, "too old, or from the future")


def test_the_page_names_every_kind_and_the_pauses() -> None:
    assert all(f"`{kind}`" in PAGE for kind in get_args(SubscriptionKind) if kind != "standard")
    assert ", ".join(str(delay) for delay in DELAYS_S) in PAGE.replace("\n", " ")
