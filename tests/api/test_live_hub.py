"""Who is let in, who is ended and why; and what becomes of the streams when the log goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from api.live.figures import Figure, Figures
from api.live.hub import FullError, Holder, Joined, LiveHub
from api.live.limits import LiveLimits
from api.live.positions import decode, encode
from api.live.signals import Signals
from api.live.stream import LiveResponse
from projections.client import StoreUnavailableError
from schemas.records import RawBatch, TopicPartition
from streams.fakes import FakeKeyRing
from streams.log import LogUnavailableError
from streams.log_memory import MemoryLog
from streams.ports import Principal
from streams.step_filter import StepFilter
from tests.api.live_worlds import ALERTS, alert, alert_ids, alerts_log, messages

READER = Principal("k", "reader", "")
WAIT_S = 20.0  # for what comes within milliseconds


@dataclass
class HubWorld:
    """A hub over a log in memory; ``clock_s`` is what it takes for monotonic time."""

    log: MemoryLog = field(default_factory=alerts_log)
    keys: dict[str, Principal] = field(default_factory=lambda: {"key": READER, "other": READER})
    limits: LiveLimits = LiveLimits()  # noqa: RUF009 - frozen
    clock_s: float = 0.0
    endings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ring = FakeKeyRing(self.keys)

    def hub(self) -> LiveHub:
        return LiveHub(self.log, self.ring, self.limits, lambda: self.clock_s, self.endings.append)

    async def join(self, hub: LiveHub, since: str | None = None, key: str = "key") -> Joined:
        position = None if since is None else decode(since)
        return await hub.join(StepFilter(""), Holder(key, READER), Signals(), position)


def run(course: Awaitable[None]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(course, WAIT_S)

    asyncio.run(limited())


async def until(reached: Callable[[], Any]) -> Any:
    while not (found := reached()):
        await asyncio.sleep(0.005)
    return found


def test_what_is_appended_reaches_who_is_there_and_who_comes_back() -> None:
    async def course() -> None:
        world = HubWorld()
        world.log.append([alert("before")])
        hub = world.hub()
        first = await world.join(hub)
        world.log.append([alert("a"), alert("b", 1)])
        got = b""
        while b'"b"' not in got or b'"a"' not in got:
            got += await until(first.client.take)
        assert sorted(alert_ids(got)) == ["a", "b"]
        again = await world.join(hub, messages(got)[0].id)
        assert alert_ids(await until(again.client.take)) == alert_ids(got)[1:]
        elsewhere = await world.join(world.hub(), first.position)
        assert sorted(alert_ids(await until(elsewhere.client.take))) == ["a", "b"]
        assert (again.lost, elsewhere.lost) == (None, None)

    run(course())


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (lambda mark: encode(mark ^ 1, (0, 0)), "other_log"),
        (lambda mark: encode(mark, (0,)), "other_log"),  # it had another number of partitions
        (lambda mark: encode(mark, (0, 5)), "other_log"),  # beyond its end
        (lambda mark: encode(mark, (0, 0)), "too_far_behind"),
        (lambda mark: encode(mark, (3_000, 0)), None),
    ],
)
def test_where_nobody_can_go_on_from_is_said(place: Callable[[int], str], why: str | None) -> None:
    async def course() -> None:
        world = HubWorld(limits=LiveLimits(steps_kept=100))
        world.log.append([alert(f"a{number}") for number in range(3_000)])
        hub = world.hub()
        mark, _ = decode((await world.join(hub)).position)
        joined = await world.join(hub, place(mark))
        assert joined.lost == why
        assert decode(joined.position)[1] == (3_000, 0)
        assert joined.client.take() == b""

    run(course())


def test_there_is_room_for_so_many_and_again_when_one_has_left() -> None:
    async def course() -> None:
        world = HubWorld(limits=LiveLimits(clients=2))
        hub = world.hub()
        first, *others = await asyncio.gather(
            *(world.join(hub) for _ in range(5)), return_exceptions=True
        )  # all at once: before the log has been read
        assert [type(one) for one in others] == [Joined, FullError, FullError, FullError]
        assert isinstance(first, Joined)
        hub.leave(first.client)
        assert world.endings == ["gone"]
        await world.join(hub)
        assert len(hub) == 2

    run(course())


def test_a_revoked_key_ends_its_streams_and_no_others() -> None:
    async def course() -> None:
        world = HubWorld()
        hub = world.hub()
        bad, good = await world.join(hub), await world.join(hub, key="other")
        world.ring = hub._keys = FakeKeyRing({"other": READER})
        await asyncio.sleep(0.3)
        assert bad.client.ending is None  # not looked at all the time
        world.clock_s += world.limits.keys_checked_s
        await until(lambda: bad.client.ending)
        assert [one.client.ending for one in (bad, good)] == ["revoked", None]
        world.ring.available = False  # for too long nobody could see whether the key was revoked
        world.clock_s += world.limits.keys_checked_s
        await until(lambda: good.client.ending)

    run(course())


def test_a_silent_stream_beats_and_an_old_one_ends() -> None:
    async def course() -> None:
        world = HubWorld(limits=LiveLimits(lifetime_s=20.0))
        joined = await world.join(world.hub())
        world.clock_s = 14.0
        await asyncio.sleep(0.3)
        assert joined.client.take() == b""
        world.clock_s = 15.0
        assert (await until(joined.client.take)).startswith(b": heartbeat\n")
        world.clock_s = 20.0
        await until(lambda: joined.client.ending)
        assert joined.client.ending == "lifetime"

    run(course())


def test_without_clients_nothing_is_read_and_then_it_begins_anew() -> None:
    async def course() -> None:
        world = HubWorld(limits=LiveLimits(idle_s=5.0))
        hub = world.hub()
        joined = await world.join(hub)
        hub.leave(joined.client)
        await asyncio.sleep(0.01)  # it has begun to look after its clients
        world.clock_s = 6.0
        await until(lambda: hub._sweeping is None)
        assert hub._reader is None
        world.log.append([alert("meanwhile")])
        again = await world.join(hub, joined.position)
        assert alert_ids(await until(again.client.take)) == ["meanwhile"]

    run(course())


class BrittleLog(MemoryLog):
    """Can be away, and counts how often it was then asked."""

    is_away = False
    refused = 0

    def read(self, where: TopicPartition, offset: int, max_records: int) -> RawBatch:
        if self.is_away:
            self.refused += 1
            raise LogUnavailableError("switched off")
        return super().read(where, offset, max_records)


def brittle_log() -> BrittleLog:
    log = BrittleLog(lambda: 0)
    log.create_topics([ALERTS], 2)
    return log


def test_the_log_may_be_away_for_a_while() -> None:
    async def course() -> None:
        log = brittle_log()
        world = HubWorld(log)
        joined = await world.join(world.hub())
        log.is_away = True
        log.append([alert("a")])
        await until(lambda: log.refused)
        log.is_away = False
        assert alert_ids(await until(joined.client.take)) == ["a"]
        assert joined.client.ending is None

    run(course())


def test_a_log_without_the_topic_is_said_and_asked_again() -> None:
    async def course() -> None:
        log = MemoryLog(lambda: 0)
        world = HubWorld(log)
        hub = world.hub()
        with pytest.raises(Exception, match="no topic"):
            await world.join(hub)
        log.create_topics([ALERTS], 2)
        assert (await world.join(hub)).lost is None

    run(course())


def test_overtaken_by_retention_all_come_back_and_are_told() -> None:
    async def course() -> None:
        log = brittle_log()
        world = HubWorld(log)
        hub = world.hub()
        joined = await world.join(hub)
        log.is_away = True
        log.append([alert(f"a{number}") for number in range(10)])
        await until(lambda: log.refused)
        log.drop_before(TopicPartition(ALERTS, 0), 5)
        log.is_away = False
        await until(lambda: joined.client.ending)
        assert joined.client.ending == "log"
        assert (await world.join(hub, joined.position)).lost == "too_far_behind"
        assert (await world.join(hub)).lost is None

    run(course())


def test_a_stop_ends_everything_and_lets_nobody_in() -> None:
    async def course() -> None:
        world = HubWorld()
        hub = world.hub()
        joined = await world.join(hub)
        hub.stop()
        assert joined.client.ending == "stopping"
        with pytest.raises(FullError):
            await world.join(hub)

    run(course())


# -- the response, without a socket -----------------------------------------------------------------------------------


class Connection:
    """ASGI's two ends, as uvicorn has them: ``receive`` belongs to what has the transport."""

    def __init__(self) -> None:
        self.transport = self
        self.sent: list[dict[str, Any]] = []
        self.is_stuck = False
        self.was_cut = False
        self.lost = asyncio.Event()

    def abort(self) -> None:
        self.was_cut = True
        self.lost.set()

    async def receive(self) -> dict[str, Any]:
        await self.lost.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if self.is_stuck:
            await asyncio.Event().wait()


async def respond(world: HubWorld, hub: LiveHub) -> tuple[Joined, Connection, asyncio.Task[None]]:
    signals, connection = Signals(), Connection()
    joined = await hub.join(StepFilter(""), Holder("key", READER), signals, None)
    response = LiveResponse(
        joined.client, signals, b"first\n\n", lambda: hub.leave(joined.client), lambda: world.clock_s
    )
    task = asyncio.ensure_future(response({}, connection.receive, connection.send))
    await until(lambda: len(connection.sent) == 2)
    return joined, connection, task


def test_who_takes_nothing_is_cut_off_and_the_others_go_on() -> None:
    async def course() -> None:
        world = HubWorld()
        hub = world.hub()
        slow, stuck, ended = await respond(world, hub)
        quick, connection, _ = await respond(world, hub)
        stuck.is_stuck = True
        world.log.append([alert("a")])
        await until(lambda: len(stuck.sent) == len(connection.sent) == 3)
        world.clock_s += world.limits.stalled_s
        await ended
        assert (slow.client.ending, stuck.was_cut, world.endings, len(hub)) == ("slow", True, ["slow"], 1)
        world.log.append([alert("b")])
        await until(lambda: len(connection.sent) >= 4)
        assert (quick.client.ending, connection.was_cut) == (None, False)

    run(course())


def test_an_ended_stream_is_closed_as_it_must_be_and_one_that_went_away_is_forgotten() -> None:
    async def course() -> None:
        world = HubWorld()
        hub = world.hub()
        _, connection, ended = await respond(world, hub)
        _, gone, forgotten = await respond(world, hub)
        gone.lost.set()
        await forgotten
        assert world.endings == ["gone"]
        hub.stop()
        await ended
        assert connection.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
        assert not connection.was_cut
        assert world.endings == ["gone", "stopping"]
        assert len(hub) == 0

    run(course())


def test_a_stream_that_is_cancelled_leaves() -> None:
    async def course() -> None:
        world = HubWorld()
        hub = world.hub()
        _, _, task = await respond(world, hub)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(hub) == 0

    run(course())


# -- metrics ----------------------------------------------------------------------------------------------------------


def test_a_figure_is_asked_for_once_for_all_and_sent_when_it_changes() -> None:
    async def course() -> None:
        world, asked, value = HubWorld(), list[Figure](), [1]

        async def ask(figure: Figure) -> bytes:
            asked.append(figure)
            if value[0] == 0:
                raise StoreUnavailableError("away")
            return b'{"series":[%d],"as_of":%d}' % (value[0], len(asked))

        hub = world.hub()
        figures = Figures(ask, 0.5, lambda: world.clock_s)
        clients = [(await world.join(hub)).client for _ in range(3)]
        for client in clients:
            figures.watch(client, "wuhu", ("noise_laeq",))
        shown = [(await until(client.take)).split(b"\n", 1)[1] for client in clients]
        assert shown == [b'event: metric\ndata: {"series":[1],"as_of":1}\n\n'] * 3
        assert asked == [Figure("noise_laeq", "wuhu")]
        for new, is_sent in ((1, False), (0, False), (2, True)):
            value[0] = new
            world.clock_s += 0.5
            before = len(asked)
            await until(lambda before=before: len(asked) > before)  # type: ignore[misc]
            await asyncio.sleep(0)
            assert [bool(client.take()) for client in clients] == [is_sent] * 3
        late = (await world.join(hub)).client
        figures.watch(late, "wuhu", ("noise_laeq",))
        assert b'"series":[2]' in late.take()  # what is known is shown at once
        for client in (*clients, late):
            figures.leave(client, "wuhu", ("noise_laeq",))
        await until(lambda: figures._asking is None)

    run(course())
