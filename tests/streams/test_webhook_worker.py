"""The whole delivery worker over real sockets: what arrives is what Standard Webhooks' own package verifies."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from streams.clocks import wall_clock
from streams.log import LogUnavailableError
from streams.webhooks.deliveries import Answer
from streams.webhooks.network import Connections, tls_context
from streams.webhooks.schedule import Schedule
from streams.webhooks.sending import Bounds, HttpSender, Message
from streams.webhooks.worker import Keep, Worker, WorkerPorts
from tests.streams.test_webhook_sending import LOCAL, receiver, request_head, resolve_local
from tests.streams.webhook_world import Running, World

Request = tuple[dict[str, str], bytes]
GIVE_UP_S = 20.0


class Endpoints:
    """A server whose paths answer as they are told; ``requests`` by path, as they came."""

    def __init__(self, statuses: dict[str, Callable[[int], int | None]]) -> None:
        self.requests: dict[str, list[Request]] = defaultdict(list)
        self._statuses = statuses

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await request_head(reader):
            path = head[0].split()[1].decode()
            headers = {
                name.decode().lower(): value.decode() for name, _, value in (h.partition(b": ") for h in head[1:])
            }
            body = await reader.readexactly(int(headers["content-length"]))
            status = self._statuses[path](len(self.requests[path]))
            self.requests[path].append((headers, body))
            if status is None:
                await reader.read()  # hangs, until the sender goes away
                return
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
            await writer.drain()


class Wall(World):
    """The same world by the machine's clock."""

    @property
    def now_ms(self) -> int:
        return wall_clock()

    @now_ms.setter
    def now_ms(self, _value: int) -> None:
        """It goes by itself."""


async def worked(
    world: World,
    endpoints: Endpoints,
    prepare: Callable[[int], None],
    until: Callable[[], bool],
    sender: object | None = None,
) -> None:
    """Run a worker from ``prepare`` (given the server's port) until something is so."""
    async with receiver(endpoints) as port:
        prepare(port)
        running = Running(world, Schedule(delays_s=(0.05,) * 5))
        connections = Connections(resolve_local, LOCAL, tls_context())
        http = HttpSender(connections, LOCAL, Bounds(exchange_s=2.0), wall_clock)
        ports = WorkerPorts(
            world.log, running.follower, running.outbox, running.desk, running.composer,
            http if sender is None else sender, wall_clock, running.metrics,  # type: ignore[arg-type]
        )  # fmt: skip
        stop = threading.Event()
        work = asyncio.create_task(Worker(ports, Keep()).run(stop))
        try:
            async with asyncio.timeout(GIVE_UP_S):
                while not until() and not work.done():
                    await asyncio.sleep(0.01)
        finally:
            stop.set()
            try:
                await work
            finally:
                await connections.close()
                running.end()


def secret_of(world: World, name: str, secret_id: str) -> Webhook:
    return Webhook(base64.b64encode(world.vault.signing_key(name, secret_id)).decode())


def test_what_arrives_is_signed_in_order_and_told_in_the_log_while_another_hangs(tmp_path: Path) -> None:
    world = Wall(tmp_path)
    endpoints = Endpoints({"/good": lambda _: 200, "/weak": lambda n: 503 if n % 2 else 200, "/hang": lambda _: None})

    def prepare(port: int) -> None:
        for name in ("good", "weak", "hang"):
            world.subscribe(name, f"http://receiver.example:{port}/{name}")
        for number in range(1, 11):
            world.alert("m1", number)
            world.alert("m2", number)

    def done() -> bool:
        return len([one for one in world.attempts() if one.outcome == "delivered"]) == 40

    asyncio.run(worked(world, endpoints, prepare, done))
    for path in ("/good", "/weak"):
        verifier = secret_of(world, path[1:], "sec_1")
        steps: dict[str, list[int]] = defaultdict(list)
        seen: set[str] = set()
        for headers, body in endpoints.requests[path]:
            told = verifier.verify(body, headers)
            assert told["type"] == "alert.updated"
            if headers["webhook-id"] not in seen:
                steps[told["data"]["subject"]].append(told["data"]["step_number"])
            seen.add(headers["webhook-id"])
        assert steps == {"m1": list(range(1, 11)), "m2": list(range(1, 11))}
        with pytest.raises(WebhookVerificationError):
            verifier.verify(body + b" ", headers)
    failed = [one for one in world.attempts() if one.outcome == "failed" and one.subscription == "weak"]
    assert failed
    assert {one.status_code for one in failed} == {503}
    assert len(endpoints.requests["/hang"]) <= 2


def test_two_signatures_while_a_secret_rotates(tmp_path: Path) -> None:
    world = Wall(tmp_path)
    endpoints = Endpoints({"/in": lambda _: 200})

    def prepare(port: int) -> None:
        world.subscribe(
            "s1", f"http://receiver.example:{port}/in", secret_id="sec_2", previous_secret_id="sec_1",
            previous_secret_expires_time_ms=wall_clock() + 60_000,
        )  # fmt: skip
        world.alert("m1", 1)

    asyncio.run(worked(world, endpoints, prepare, lambda: bool(endpoints.requests["/in"])))
    ((headers, body),) = endpoints.requests["/in"]
    assert headers["webhook-signature"].count("v1,") == 2
    for secret_id in ("sec_1", "sec_2"):
        assert secret_of(world, "s1", secret_id).verify(body, headers) == orjson.loads(body)


def test_an_address_sealed_with_another_key_is_a_failed_attempt(tmp_path: Path) -> None:
    world = Wall(tmp_path)

    def prepare(_port: int) -> None:
        world.subscribe("s1", sealed_url="s1.AAAA.AAAA")
        world.alert("m1", 1)

    asyncio.run(worked(world, Endpoints({}), prepare, lambda: bool(world.attempts())))
    assert "another key" in (world.attempts()[0].error or "")


def test_a_defect_ends_the_worker(tmp_path: Path) -> None:
    world = Wall(tmp_path)

    class Broken:
        async def send(self, _message: Message) -> Answer:
            raise ZeroDivisionError

    def prepare(_port: int) -> None:
        world.subscribe("s1")
        world.alert("m1", 1)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(worked(world, Endpoints({}), prepare, lambda: False, Broken()))


def test_a_log_that_can_not_be_read_ends_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Wall(tmp_path)

    def away(_topics: object) -> None:
        raise LogUnavailableError("away")

    def prepare(_port: int) -> None:
        world.subscribe("s1")

    def once() -> bool:
        monkeypatch.setattr(world.log, "end_offsets", away)
        return False

    with pytest.raises(LogUnavailableError):
        asyncio.run(worked(world, Endpoints({}), prepare, once))
