"""One hash over all that is said and projected: the same live, replayed, cut anywhere, crashed anywhere, anywhere run.

The streams are random and disordered (:mod:`tests.flow.random_streams`). The first tests keep rows in memory, so that
hypothesis can look at many streams; the last writes into a real store, from SQLite and from a real Kafka, and compares
the contents of every table.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from detectors.contract import Emitted
from detectors.lane import LaneOperator, build_lane
from detectors.local_time import LocalClock
from detectors.timers import TimerHeap
from projections.client import Client
from projections.digest import combined, database_digest
from projections.rollup import RollupWorker
from projections.writer import Writer
from schemas.codec import Decoder
from schemas.families.system import Alert, AlertStep
from schemas.records import NewRecord, TopicPartition
from schemas.strict import Limits
from schemas.topics import DOMAIN_TOPICS
from streams.dev_broker import DevBroker
from streams.flow import WriterItem
from streams.lane_position import LanePosition
from streams.log import EventLog
from streams.log_kafka import KafkaLog
from streams.log_memory import MemoryLog
from streams.log_sqlite import SqliteLog
from streams.merge import LaneReader
from tests.flow.people import with_people
from tests.flow.random_streams import LANES, QUICK, Disorder, random_log
from tests.flow.world import NOW_MS, CrashError, World

FAMILIES = ("detections", "alerts", "deadletters")
SILENT = sorted(topic.removeprefix("gridpulse.") for topic in DOMAIN_TOPICS if not topic.endswith("registry"))
DISORDER = st.builds(
    Disorder,
    seed=st.integers(0, 2**32),
    late_ratio=st.floats(0.0, 0.5),
    repeat_ratio=st.floats(0.0, 0.5),
    skew_ratio=st.floats(0.0, 0.5),
    garbage_ratio=st.floats(0.0, 0.2),
    silent_topics=st.frozensets(st.sampled_from(SILENT), max_size=4),
    tick_every_ms=st.integers(10 * 60_000, 24 * 3_600_000),
)


def digest(world: World) -> str:
    """One hash over every detection, status, alert step, dead letter and domain row."""
    sums = hashlib.blake2b(digest_size=16)
    for family in FAMILIES:
        for value in sorted(world.said(family)):
            sums.update(value)
    for key, row in sorted(world.domain_rows().items()):
        sums.update(f"{key}{row}".encode())
    return sums.hexdigest()


@contextmanager
def worlds(records: tuple[NewRecord, ...]) -> Iterator[Callable[[], World]]:
    """Fresh worlds with the same log."""
    with TemporaryDirectory() as directory:
        made: list[World] = []

        def new() -> World:
            made.append(World(Path(directory) / str(len(made)), records=records, params=QUICK))
            return made[-1]

        yield new


def ran(world: World, **how: object) -> str:
    world.run(**how)  # type: ignore[arg-type]
    return digest(world)


def crashed(world: World, places: list[tuple[int, bool]], workers: int, batch: int) -> str:
    """Crash at each of ``places`` (batches from there, before or after the write), then go on to the end."""
    for ahead, after in places:
        try:
            world.run(crash_at=world.kept.batches + ahead, after=after, workers=workers, max_batch_records=batch)
        except CrashError:
            continue
    return ran(world, workers=workers, max_batch_records=batch)


def tried(streams: int) -> settings:
    """No shrinking: an example takes seconds, and its few numbers say enough."""
    return settings(
        max_examples=streams, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip


@tried(6)
@given(disorder=DISORDER, places=st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=4))
def test_the_hash_does_not_depend_on_how_it_is_run(disorder: Disorder, places: list[tuple[int, bool]]) -> None:
    with worlds(with_people(random_log(disorder), QUICK, disorder.seed)) as new:
        reference = ran(new(), max_batch_records=1_000_000)
        for batch in (25, 100, 1_000):
            assert ran(new(), max_batch_records=batch) == reference, f"batches of {batch}"
        for workers in (2, 4):
            assert ran(new(), workers=workers, max_batch_records=300) == reference, f"{workers} workers"
        for workers in (1, 2):
            assert crashed(new(), places, workers, 130) == reference, f"crashed at {places}, {workers} workers"


@tried(2)  # batches of 1 cost more than all the other ways together
@given(disorder=DISORDER)
def test_the_hash_does_not_depend_on_batches_at_all(disorder: Disorder) -> None:
    with worlds(with_people(random_log(disorder), QUICK, disorder.seed)) as new:
        reference = ran(new(), max_batch_records=1_000_000)
        assert ran(new(), max_batch_records=1, snapshot_interval_s=1.0) == reference, "batches of 1"


def state_in(value: object) -> object:
    """Everything that an operator holds, down to plain values: what a snapshot must give back."""
    if isinstance(value, TimerHeap):
        return value.saved()  # the heap also has dead entries
    if (saved_parts := getattr(value, "held", None)) is not None:
        return state_in(saved_parts())  # without spare room and dead entries
    if isinstance(value, LocalClock):
        return value.name  # the rest is a cache
    if isinstance(value, dict):
        return {key: state_in(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, deque)):
        return [state_in(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    held = {**{name: getattr(value, name, None) for name in slots}, **getattr(value, "__dict__", {})}
    return {name: state_in(one) for name, one in held.items()} if held else pickle.dumps(value)


def said_by_lanes(log: EventLog, max_records: int, *, resumed: bool) -> list[Emitted]:
    """What the lanes say, read one by one; ``resumed``: each batch by a reader and detectors of its own."""
    out: list[Emitted] = []
    ends = log.end_offsets(DOMAIN_TOPICS)
    decode = Decoder(Limits()).decode
    for number in range(LANES):
        drain_to = {topic: ends[TopicPartition(topic, number)] for topic in DOMAIN_TOPICS}
        lane, reader = build_lane(QUICK), LaneReader(log, DOMAIN_TOPICS, number, drain_to=drain_to)
        while (raw := reader.poll(max_records, 0.0)) is not None:
            # Rows' places within a batch are not content.
            out += [replace(emitted, position=0) for emitted in lane.process(decode(raw).events)]
            if resumed:
                position = LanePosition.from_bytes(reader.position().to_bytes())
                reader.close()
                reader = LaneReader(log, DOMAIN_TOPICS, number, position, drain_to=drain_to)
                lane = resumed_lane(lane)
        reader.close()
    return out


def resumed_lane(lane: LaneOperator) -> LaneOperator:
    other = build_lane(QUICK)
    other.restore(lane.snapshot())
    return other


@pytest.mark.parametrize("seed", range(6))
def test_a_snapshot_holds_everything(seed: int) -> None:
    """Resumed after every few records, so that whatever a snapshot forgets is missed somewhere."""
    log = MemoryLog(lambda: NOW_MS)
    log.create_topics(DOMAIN_TOPICS, LANES)
    log.append(with_people(random_log(Disorder(seed)), QUICK, seed))
    whole = said_by_lanes(log, 1_000_000, resumed=False)
    assert said_by_lanes(log, 5, resumed=True) == whole
    assert any(isinstance(emitted.data, Alert) and emitted.from_timer for emitted in whole)


def test_a_restored_operator_holds_what_the_other_held() -> None:
    """Field by field: also those that would show in outputs only in rare cases."""
    log = MemoryLog(lambda: NOW_MS)
    log.create_topics(DOMAIN_TOPICS, LANES)
    log.append(with_people(random_log(Disorder(4)), QUICK, 4))
    lane, decode = build_lane(QUICK), Decoder(Limits()).decode
    with LaneReader(log, DOMAIN_TOPICS, 0) as reader:
        while (raw := reader.poll(50, 0.0)) is not None:
            lane.process(decode(raw).events)
            restored, held = state_in(resumed_lane(lane)), state_in(lane)
            assert restored == held


@pytest.mark.parametrize("seed", [1, 2])
def test_live_equals_replay(seed: int, tmp_path: Path) -> None:
    """The log grows while the flow reads it; in the middle of it the flow crashes."""
    records = with_people(random_log(Disorder(seed)), QUICK, seed)
    with worlds(records) as new:
        reference = ran(new())
    live = World(tmp_path / "live", records=(), params=QUICK)
    appending = threading.Thread(target=_append_slowly, args=(live, records))
    appending.start()
    for ahead in (3, 8):
        with pytest.raises(CrashError):
            live.run(crash_at=live.kept.batches + ahead, stop_at_end=False, max_batch_records=500)
    appending.join()
    assert ran(live) == reference


def _append_slowly(live: World, records: tuple[NewRecord, ...]) -> None:
    """Piece by piece, waiting for the flow to come along, so that it writes often enough to crash twice."""
    for start in range(0, len(records), 40):
        written = live.kept.batches
        live.log.append(records[start : start + 40])
        give_up_s = time.monotonic() + 0.2  # a piece that is not settled yet, or no flow at the moment
        while live.kept.batches == written and time.monotonic() < give_up_s:
            time.sleep(0.005)


def test_the_streams_are_worth_it(tmp_path: Path) -> None:
    """Every detector speaks, alerts live whole lives, letters are refused, on streams of ordinary disorder."""
    speakers: set[str] = set()
    steps: set[str] = set()
    for seed in range(4):
        world = World(tmp_path / str(seed), records=with_people(random_log(Disorder(seed)), QUICK, seed), params=QUICK)
        world.run()
        speakers |= {orjson.loads(value)["data"].get("detector", "status") for value in world.said("detections")}
        steps |= {orjson.loads(value)["data"]["step"] for value in world.said("alerts")}
        assert world.said("deadletters")
    assert speakers == {"irregular_movement", "device_offline", "noise_limit", "status"}
    assert steps == set(get_args(AlertStep))


class StoreWriter:
    """Writes into a real store, as the live writer does."""

    def __init__(self, client: Client) -> None:
        self._writer = Writer(client, "test", parallel_inserts=1)

    def write(self, items: Sequence[WriterItem]) -> None:
        positions = [position for item in items for position in item.progress]
        self._writer.write([item.events for item in items], positions, datetime.now(UTC))

    def close(self) -> None:
        pass


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[DevBroker]:
    """One of its own: the topics' names are the product's."""
    with DevBroker.start(tmp_path / "broker") as running:
        yield running


@pytest.mark.xdist_group("kafka")  # where the run's other broker is
def test_every_table_is_the_same_from_every_log(
    new_database: Callable[..., Client], tmp_path: Path, broker: DevBroker
) -> None:
    records = random_log(Disorder(5, late_ratio=0.2, repeat_ratio=0.2))
    logs: dict[str, Callable[[], EventLog]] = {
        "memory": lambda: MemoryLog(lambda: NOW_MS),
        "sqlite": lambda: SqliteLog(tmp_path / "log.sqlite", lambda: NOW_MS),
        "kafka": lambda: KafkaLog(broker.bootstrap, lambda: NOW_MS),
    }
    hashes: dict[str, str] = {}
    for name, workers, crash in (("memory", 1, False), ("sqlite", 2, True), ("kafka", 4, True)):
        database = new_database()
        with logs[name]() as log:
            world = World(tmp_path / name, log, records, QUICK, partial(StoreWriter, database))
            if crash:
                with pytest.raises(CrashError):
                    world.run(crash_at=2, after=True, workers=workers, max_batch_records=300)
            world.run(workers=workers, max_batch_records=300)
            world.run(workers=workers)  # what it said itself
        RollupWorker(database).catch_up()
        hashes[name] = database_digest(database)
        print(f"hash of every table from {name}: {hashes[name]}")
    assert len(set(hashes.values())) == 1, hashes
    assert hashes["memory"] != combined({}), "all tables are empty"
