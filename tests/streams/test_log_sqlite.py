"""What only the embedded log promises: several processes, crashes, a full disk, and files that are no log."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from schemas.records import NewRecord, TopicPartition
from streams.log import LogConfigError, LogUnavailableError
from streams.log_sqlite import SqliteLog

TOPIC = "t"
WHERE = TopicPartition(TOPIC, 0)


def clock() -> int:
    return 1_700_000_000_000


def open_log(path: Path, **options: float) -> SqliteLog:
    log = SqliteLog(path, clock, **options)  # type: ignore[arg-type]
    log.create_topics([TOPIC], 1)
    return log


def records(*values: bytes) -> list[NewRecord]:
    return [NewRecord(TOPIC, 0, b"k", value) for value in values]


def all_values(log: SqliteLog) -> list[bytes]:
    values: list[bytes] = []
    while len(batch := log.read(WHERE, len(values), 10_000)):
        values += batch.values
    return values


# Several processes


def append_rounds(path: Path, worker: int, rounds: int) -> None:
    """In a process of its own. Each has its own idea of the time."""
    with SqliteLog(path, lambda: 1000 * (worker + 1)) as log:
        for n in range(rounds):
            log.append(records(f"{worker}-{n}a".encode(), f"{worker}-{n}b".encode()))


def test_processes_append_to_the_same_partition(tmp_path: Path) -> None:
    path, rounds = tmp_path / "log.sqlite", 60
    spawn = multiprocessing.get_context("spawn")
    with open_log(path) as log, log.reader({WHERE: 0}) as reader:
        workers = [spawn.Process(target=append_rounds, args=(path, worker, rounds)) for worker in range(3)]
        for process in workers:
            process.start()
        seen: list[bytes] = []
        times_ms: list[int] = []
        while len(seen) < 3 * rounds * 2:
            batches = reader.poll(50, 30.0)
            assert batches, "nothing came from the other processes"
            for batch in batches:
                assert batch.offsets.tolist() == list(range(len(seen), len(seen) + len(batch)))
                seen += batch.values
                times_ms += batch.recorded_time_ms.tolist()
        for process in workers:
            process.join()
    assert [process.exitcode for process in workers] == [0, 0, 0]
    assert times_ms == sorted(times_ms)
    for worker in range(3):
        mine = [value for value in seen if value.startswith(f"{worker}-".encode())]
        assert mine == [f"{worker}-{n}{part}".encode() for n in range(rounds) for part in "ab"]
    # Both records of an append are side by side: it was one transaction.
    assert all(one[:-1] == two[:-1] for one, two in zip(seen[::2], seen[1::2], strict=True))


def test_processes_make_the_same_new_log_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=make_and_append, args=(path,)) for _ in range(3)]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    assert [process.exitcode for process in workers] == [0] * 3
    with open_log(path) as log:
        assert len(all_values(log)) == 3


def make_and_append(path: Path) -> None:
    with open_log(path) as log:
        log.append(records(b"one"))


APPEND_FOR_EVER = """
import sys
from pathlib import Path
from schemas.records import NewRecord
from streams.log_sqlite import SqliteLog

log = SqliteLog(Path(sys.argv[1]), lambda: 1)
n = 0
while True:
    log.append([NewRecord("t", 0, b"k", b"%d/%d" % (n, part)) for part in range(5)])
    sys.stdout.write(f"{n}\\n")  # acknowledged
    sys.stdout.flush()
    n += 1
"""


@pytest.mark.parametrize("acknowledged_before", [1, 40, 300])
def test_killing_a_writer_loses_nothing_acknowledged_and_keeps_nothing_by_halves(
    tmp_path: Path, acknowledged_before: int
) -> None:
    path = tmp_path / "log.sqlite"
    open_log(path).close()
    command = [sys.executable, "-c", APPEND_FOR_EVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        for _ in range(acknowledged_before):
            assert writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)  # in the middle of the next append
        acknowledged = acknowledged_before + len([line for line in writer.stdout if line.endswith("\n")])
    with open_log(path) as log:
        values = all_values(log)
        assert values == [b"%d/%d" % (n, part) for n in range(len(values) // 5) for part in range(5)]
        assert len(values) // 5 in (acknowledged, acknowledged + 1)  # committed, but killed before it could say so
        assert log.append(records(b"goes on")) == [len(values)]


# Transactions


def test_appends_that_wait_together_are_committed_together(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with open_log(path) as log, sqlite3.connect(path, isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")  # nobody can commit, so that all but the first pile up
        threads = [threading.Thread(target=log.append, args=(records(b"%d" % n),)) for n in range(12)]
        for thread in threads:
            thread.start()
        while len(log._queue) < 11:  # the first has been taken by its committer
            threading.Event().wait(0.005)
        watcher = sqlite3.connect(path)
        before = watcher.execute("PRAGMA data_version").fetchone()
        holder.execute("ROLLBACK")
        for thread in threads:
            thread.join()
        assert len(all_values(log)) == 12
        assert watcher.execute("PRAGMA data_version").fetchone() != before
        watcher.close()
        assert _commits(path) <= 4, "12 appends took a commit each"


def _commits(path: Path) -> int:
    """Commit frames in the WAL: those whose header holds the database's size. Source: sqlite.org/fileformat2 4.1."""
    wal = path.with_name(path.name + "-wal").read_bytes()
    page_bytes = int.from_bytes(wal[8:12], "big")
    salt = wal[16:24]
    frames = range(32, len(wal) - page_bytes, page_bytes + 24)
    after_creation = [at for at in frames if wal[at + 8 : at + 16] == salt and wal[at + 4 : at + 8] != bytes(4)]
    return len(after_creation) - 1  # one for the topic


def test_a_full_disk_is_said_and_leaves_nothing_of_the_append(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite", max_bytes=200_000) as log:
        log.append(records(b"before"))
        with pytest.raises(LogUnavailableError, match=r"log\.sqlite can't grow, disk full"):
            log.append(records(*[b"x" * 1000] * 500))
        assert all_values(log) == [b"before"]
        assert log.append(records(b"small")) == [1]


def test_a_log_locked_by_another_is_said_within_the_timeout(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with open_log(path, busy_timeout_s=0.05) as log, sqlite3.connect(path, isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogUnavailableError, match="locked by another process"):
            log.append(records(b"no"))
        assert len(log.read(WHERE, 0, 1)) == 0  # reading goes on
        holder.execute("ROLLBACK")
        assert log.append(records(b"yes")) == [0]


def test_a_defect_in_one_append_reaches_its_caller_and_blocks_nobody(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        with pytest.raises(TypeError):
            log.append([NewRecord(TOPIC, 0, b"k", b"v", (), object())])  # type: ignore[arg-type]
        assert log.append(records(b"next")) == [0]


def test_nothing_can_be_changed_or_removed(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with open_log(path) as log:
        log.append(records(b"kept"))
    with sqlite3.connect(path) as connection:
        for statement in ("DELETE FROM records", "UPDATE records SET value = x'00'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
    connection.close()


def test_a_long_reader_does_not_hold_the_wal_back(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with open_log(path) as log, log.reader({WHERE: 0}) as reader:
        for _ in range(30):
            log.append(records(*[b"x" * 10_000] * 500))  # 5 MB each, 150 MB in all
            assert reader.poll(7, 0.0)  # never catches up
        assert path.with_name(path.name + "-wal").stat().st_size < 100_000_000


# Files


def test_a_log_is_found_again_as_it_was(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(records(b"1", b"2"))
    with open_log(tmp_path / "log.sqlite") as log:
        assert all_values(log) == [b"1", b"2"]
        assert log.append(records(b"3")) == [2]


def test_what_is_no_log_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    text, foreign = tmp_path / "notes.txt", tmp_path / "foreign.sqlite"
    text.write_text("not a database, but long enough to be looked at as one " * 10, encoding="utf-8")
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    for path, sentence in ((text, "not even an SQLite database"), (foreign, "not an event log of GridPulse")):
        before = path.read_bytes()
        with pytest.raises(LogConfigError, match=sentence):
            SqliteLog(path, clock)
        assert path.read_bytes() == before


def test_a_log_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    open_log(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(LogConfigError, match="schema version 2, and this GridPulse knows version 1"):
        SqliteLog(path, clock)


def test_a_missing_directory_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(LogConfigError, match=r"nowhere of the event log does not exist"):
        SqliteLog(tmp_path / "nowhere" / "log.sqlite", clock)
    with pytest.raises(LogConfigError, match=r"can't be opened"):
        SqliteLog(tmp_path, clock)


def test_a_damaged_log_is_said(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with open_log(path) as log:
        log.append(records(*[b"x" * 1000] * 500))
    with path.open("r+b") as file:
        file.seek(16_384)
        file.write(b"\xff" * (path.stat().st_size - 16_384))
    with pytest.raises(LogConfigError, match="damaged"), SqliteLog(path, clock) as log:
        all_values(log)


def test_a_closed_log_says_so(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log.sqlite")
    log.close()
    with pytest.raises(LogUnavailableError, match="closed"):
        log.append(records(b"late"))
    with pytest.raises(LogUnavailableError, match="closed"):
        log.end_offsets([TOPIC])


def test_the_suite_counts_what_it_writes(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        for size in (1, 8, 63, 64, 65, 137):  # around the sizes of the insert statements
            log.append(records(*[b"%d" % size] * size))
        assert Counter(all_values(log)) == Counter({b"%d" % size: size for size in (1, 8, 63, 64, 65, 137)})
