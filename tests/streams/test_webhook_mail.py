"""Email over a real socket: what the mail server gets, and what it is when that refuses or hangs."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.header import decode_header, make_header

from streams.webhooks.deliveries import Answer
from streams.webhooks.mail import MailSender, MailServer, mail_server
from streams.webhooks.network import tls_context
from streams.webhooks.sending import Message
from tests.streams.test_webhook_sending import receiver

MESSAGE = Message(
    "mailto:duty@example.org",
    {"webhook-id": "msg_1"},
    "噪声超标\r\n\r\n对象: m1\r\n".encode(),
    lambda _: None,
    "【警告】噪声超标",
)


class Server:
    """Speaks as much SMTP as a sender needs. ``refuses``: whom it knows not."""

    def __init__(self, refuses: bytes = b"", silent: bool = False) -> None:
        self.mails: list[bytes] = []
        self._refuses, self._silent = refuses, silent

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._silent:
            await reader.read()
            return
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
            refused = verb == b"RCPT" and self._refuses and self._refuses in line
            writer.write(b"550 unknown\r\n" if refused else b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            await writer.drain()


async def sent(server: Server, timeout_s: float = 5.0) -> Answer:
    async with receiver(server) as port:
        at = MailServer("smtp", "127.0.0.1", port, None, None, "gridpulse@example.org", timeout_s)
        sender = MailSender(at, tls_context())
        try:
            return await sender.send(MESSAGE)
        finally:
            sender.close()


def test_a_mail_is_what_was_meant() -> None:
    server = Server()
    assert asyncio.run(sent(server)).error is None
    mail = message_from_bytes(server.mails[0].removesuffix(b"\r\n.\r\n"))
    assert (mail["From"], mail["To"]) == ("gridpulse@example.org", "duty@example.org")
    assert str(make_header(decode_header(mail["Subject"]))) == "【警告】噪声超标"
    assert mail["Message-ID"] == "<msg_1@gridpulse>"
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().splitlines() == ["噪声超标", "", "对象: m1"]


def test_refusals_and_silence_are_failures() -> None:
    assert "550" in (asyncio.run(sent(Server(refuses=b"duty@"))).error or "")
    assert asyncio.run(sent(Server(silent=True), timeout_s=0.2)).error is not None


def test_without_a_mail_server_it_says_what_to_set() -> None:
    answer = asyncio.run(MailSender(None, tls_context()).send(MESSAGE))
    assert "GRIDPULSE_WEBHOOK_SMTP_URL" in (answer.error or "")


def test_servers_as_they_are_written() -> None:
    plain = mail_server("smtp://bot%40example.org@mail.example.org", "a@b", "pw")
    assert (plain.host, plain.port, plain.user, plain.password) == ("mail.example.org", 25, "bot@example.org", "pw")
    assert mail_server("smtps://mail.example.org", "a@b", None).port == 465
    assert "pw" not in repr(plain)
