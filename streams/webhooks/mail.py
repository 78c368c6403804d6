"""Sends a message as plain email over SMTP, to the one server that the operator has named.

Blocking, on a few threads of its own: a mail server that hangs holds up email alone. ``Message-ID`` is the delivery's
id, the same at every attempt, so that mail systems drop repeats. Source: RFC 5321, RFC 5322.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final
from urllib.parse import unquote, urlsplit

from streams.webhooks.deliveries import Answer
from streams.webhooks.sending import Message, Sender
from streams.webhooks.shown import MAILTO

_THREADS: Final = 4
_SHOWN_CHARS: Final = 300
_PORTS: Final = {"smtp": 25, "smtps": 465}
_NOT_SET: Final = Answer(
    "未配置邮件服务器:请运维设置 GRIDPULSE_WEBHOOK_SMTP_URL · there is no mail server: set GRIDPULSE_WEBHOOK_SMTP_URL"
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """``smtp`` uses STARTTLS where it is offered; ``smtps`` is TLS from the first byte. Never printed by ``repr``."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None
    sender: str
    timeout_s: float = 15.0

    def __repr__(self) -> str:
        return f"MailServer({self.host}:{self.port})"


def mail_server(url: str, sender: str, password: str | None) -> MailServer:
    """From ``smtp://user@host:port`` or ``smtps://…``, which was checked."""
    parts = urlsplit(url)
    assert parts.hostname
    user = unquote(parts.username) if parts.username else None
    return MailServer(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], user, password, sender)


class MailSender:
    """See the module. ``server`` None: every message is answered with what to set."""

    def __init__(self, server: MailServer | None, tls: ssl.SSLContext) -> None:
        self._server, self._tls = server, tls
        self._threads = ThreadPoolExecutor(_THREADS, "webhook-mail")

    async def send(self, message: Message) -> Answer:
        server = self._server
        if server is None:
            return _NOT_SET
        began_s = time.monotonic()
        error: str | None = None
        sending = asyncio.get_running_loop().run_in_executor(self._threads, self._send, server, message)
        try:
            async with asyncio.timeout(2.0 * server.timeout_s):
                await sending
        except TimeoutError:
            error = "邮件服务器未应答 · the mail server did not answer in time"
        except (smtplib.SMTPException, OSError) as fault:
            error = f"邮件未被接受 · the mail was not taken: {fault}"[:_SHOWN_CHARS]
        return Answer(error, round((time.monotonic() - began_s) * 1000.0))

    def _send(self, server: MailServer, message: Message) -> None:
        mail = EmailMessage(SMTP)
        mail["From"], mail["To"] = server.sender, message.url.removeprefix(MAILTO)
        mail["Subject"] = message.subject or ""
        mail["Message-ID"] = f"<{message.headers['webhook-id']}@gridpulse>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.body.decode())
        if server.scheme == "smtps":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=server.timeout_s, context=self._tls
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
        with connection:
            connection.ehlo()
            if server.scheme == "smtp" and connection.has_extn("starttls"):
                connection.starttls(context=self._tls)
            if server.user is not None:
                connection.login(server.user, server.password or "")
            connection.send_message(mail)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Senders:
    """Email goes to the mail server, everything else over HTTP."""

    def __init__(self, http: Sender, mail: Sender) -> None:
        self._http, self._mail = http, mail

    async def send(self, message: Message) -> Answer:
        return await (self._mail if message.url.startswith(MAILTO) else self._http).send(message)
