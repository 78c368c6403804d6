"""Sending over real sockets: whatever a receiver does, it is bounded, and it ends as one answer in words."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from streams.webhooks.addresses import AddressRule, networks
from streams.webhooks.deliveries import Answer
from streams.webhooks.network import Connections, tls_context
from streams.webhooks.sending import Bounds, HttpSender, Message

LOCAL = AddressRule(allow_http=True, allowed=networks(["127.0.0.0/8"]))
QUICK = Bounds(exchange_s=0.5, body_s=0.3)
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiver(peer: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server whose every connection is handed to ``peer``; its port."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the sender went away, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def answering(status: str, *headers: str, body: bytes = b"") -> Peer:
    """Takes one request after the other and answers each alike."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await request_head(reader):
            length = next((int(line[15:]) for line in head if line.lower().startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            await writer.drain()

    return peer


async def request_head(reader: asyncio.StreamReader) -> list[bytes]:
    lines: list[bytes] = []
    while line := (await reader.readline()).strip():
        lines.append(line)
    return lines


async def resolve_local(_host: str) -> Sequence[str]:
    return ["127.0.0.1"]


async def sent(
    url: str,
    resolve: Callable[[str], Awaitable[Sequence[str]]] = resolve_local,
    rule: AddressRule = LOCAL,
    bounds: Bounds = QUICK,
    tls: ssl.SSLContext | None = None,
    complaint: Callable[[bytes], str | None] = lambda _: None,
) -> Answer:
    connections = Connections(resolve, rule, tls or ssl.create_default_context())
    try:
        sender = HttpSender(connections, rule, bounds, lambda: 0)
        return await sender.send(Message(url, {"content-type": "application/json"}, b"{}", complaint))
    finally:
        await connections.close()


async def against(peer: Peer, **how: object) -> Answer:
    async with receiver(peer) as port:
        return await sent(f"http://receiver.example:{port}/in", **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "taken"), [("200 OK", True), ("204 No Content", True), ("404 Not Found", False), ("500 Oops", False)]
)
def test_any_2xx_is_taken_and_nothing_else(status: str, taken: bool) -> None:
    answer = asyncio.run(against(answering(status, body=b"" if "204" in status else "好\x00!".encode())))
    assert (answer.error is None) == taken
    assert answer.status_code == int(status[:3])
    assert answer.response_start == (None if "204" in status else "好 !")


def test_redirects_are_failures_and_not_followed() -> None:
    answer = asyncio.run(against(answering("302 Found", "location: http://127.0.0.1:1/elsewhere")))
    assert answer.status_code == 302
    assert "elsewhere" in (answer.error or "")
    assert "redirects are not followed" in (answer.error or "")


def test_gone_and_retry_after_are_noticed() -> None:
    assert asyncio.run(against(answering("410 Gone"))).is_gone
    busy = asyncio.run(against(answering("429 Slow down", "retry-after: 77")))
    assert (busy.status_code, busy.retry_after_s) == (429, 77.0)


def test_a_robot_that_says_no_with_200_has_not_taken_it() -> None:
    answer = asyncio.run(against(answering("200 OK", body=b"no"), complaint=lambda body: f"refused: {body.decode()}"))
    assert (answer.status_code, answer.error) == (200, "refused: no")


def test_who_never_answers_is_given_up() -> None:
    async def hangs(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    began_s = time.monotonic()
    answer = asyncio.run(against(hangs))
    assert answer.status_code is None
    assert "no answer within 0.5 s" in (answer.error or "")
    assert time.monotonic() - began_s < 5.0


def test_a_name_server_and_a_handshake_that_never_end_are_given_up() -> None:
    async def hangs(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def unanswered(_host: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async def handshake() -> Answer:
        async with receiver(hangs) as port:
            return await sent(f"https://receiver.example:{port}/")

    for exchange in (handshake(), sent("http://receiver.example/", unanswered)):
        answer = asyncio.run(exchange)
        assert answer.status_code is None
        assert "no answer within 0.5 s" in (answer.error or "")


def test_an_answer_that_comes_too_late_is_none_and_is_not_taken_for_the_next_one() -> None:
    given_up = asyncio.Event()
    asked = 0

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await request_head(reader):
            await reader.readexactly(2)
            asked += 1
            first = asked == 1
            if first:
                await given_up.wait()
            writer.write(f"HTTP/1.1 {'200 OK' if first else '500 Oops'}\r\ncontent-length: 0\r\n\r\n".encode())
            await writer.drain()

    async def both() -> list[Answer]:
        connections = Connections(resolve_local, LOCAL, ssl.create_default_context())
        sender = HttpSender(connections, LOCAL, QUICK, lambda: 0)
        async with receiver(late) as port:
            message = Message(f"http://receiver.example:{port}/", {}, b"{}", lambda _: None)
            answers = [await sender.send(message)]
            given_up.set()
            answers.append(await sender.send(message))
        await connections.close()
        return answers

    first, second = asyncio.run(both())
    assert (first.status_code, "no answer within 0.5 s" in (first.error or "")) == (None, True)
    assert second.status_code == 500


def test_headers_that_never_end_are_given_up() -> None:
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-more: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    assert asyncio.run(against(drips)).error is not None


@pytest.mark.parametrize("pause_s", [0.0, 0.05])
def test_of_a_body_without_end_the_start_is_read_and_no_more(pause_s: float) -> None:
    written = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n")
        part = b"y" * (16 if pause_s else 65_536)
        while written < 10_485_760:
            writer.write(part)
            written += len(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    answer = asyncio.run(against(endless))
    assert (answer.status_code, answer.error) == (200, None)
    assert set(answer.response_start or "") == {"y"}
    assert len(answer.response_start or "") <= 200
    assert written < 10_485_760


def test_what_is_no_http_is_a_failure() -> None:
    async def gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"SSH-2.0-nothing\r\n\r\n")
        await writer.drain()

    async def hangs_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await request_head(reader)

    for peer in (gibberish, hangs_up):
        answer = asyncio.run(against(peer))
        assert answer.status_code is None
        assert "the connection broke" in (answer.error or "")


def test_nobody_there() -> None:
    answer = asyncio.run(sent("http://receiver.example:1/"))
    assert "can't connect" in (answer.error or "")


def test_a_name_that_is_not_known() -> None:
    async def unknown(_host: str) -> Sequence[str]:
        raise OSError("Name or service not known")

    answer = asyncio.run(sent("http://nowhere.example/", unknown))
    assert "can't be resolved" in (answer.error or "")


def test_a_name_with_one_private_address_among_others_is_refused_and_nobody_is_connected_to() -> None:
    visits = 0

    async def visited(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1

    async def two(_host: str) -> Sequence[str]:
        return ["127.0.0.1", "10.1.2.3"]

    answer = asyncio.run(against(visited, resolve=two))
    assert "10.1.2.3" in (answer.error or "")
    assert visits == 0


def test_a_name_is_asked_once_and_the_checked_address_is_connected_to() -> None:
    """A name server that answers differently the second time gets nowhere (DNS rebinding)."""
    asked: list[str] = []

    async def turns(host: str) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    answer = asyncio.run(against(answering("200 OK"), resolve=turns))
    assert answer.error is None
    assert asked == ["receiver.example"]


def test_a_literal_private_address_is_refused_and_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert asyncio.run(against(answering("200 OK"))).error is None
    answer = asyncio.run(sent("http://10.0.0.1/", rule=LOCAL))
    assert "10.0.0.1" in (answer.error or "")


def test_tls_is_verified_against_the_name_of_the_url(tmp_path: Path) -> None:
    authority, server_tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    authority.issue_cert("receiver.example").configure_cert(server_tls)

    async def exchange(host: str, tls: ssl.SSLContext | None) -> Answer:
        async with receiver(answering("200 OK"), server_tls) as port:
            return await sent(f"https://{host}:{port}/", bounds=Bounds(exchange_s=3.0), tls=tls)

    known = tls_context(tmp_path / "authority.pem")
    assert asyncio.run(exchange("receiver.example", known)).error is None
    assert "TLS" in (asyncio.run(exchange("receiver.example", None)).error or "")
    other = asyncio.run(exchange("other.example", known)).error or ""
    assert "not valid" in other
    assert "other.example" in other


def test_tls_that_is_none() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async def exchange() -> Answer:
        async with receiver(plain) as port:
            return await sent(f"https://receiver.example:{port}/", bounds=Bounds(exchange_s=3.0))

    answer = asyncio.run(exchange())
    assert answer.status_code is None
    assert "TLS failed" in (answer.error or "")
