"""The supervisor restarts what crashes, gives up on what says that trying again is no use, and leaves nobody behind."""

from __future__ import annotations

import os
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from streams.supervise import (
    EXIT_CONFIG,
    EXIT_UNAVAILABLE,
    MAX_FAST_FAILURES,
    MAX_PAUSE_S,
    ChildFailedError,
    ChildSpec,
    Supervisor,
)


def child(name: str, code: str, **kwargs: object) -> ChildSpec:
    return ChildSpec(name, [sys.executable, "-c", code], {}, **kwargs)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition: object, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        supervisor.check()
        time.sleep(0.02)


def test_a_crashed_child_is_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs")
    marker = tmp_path / "runs"
    code = f"import pathlib,time; p=pathlib.Path({str(marker)!r}); n=len(p.read_text()) if p.exists() else 0\n"
    code += "p.write_text('x'*(n+1))\nif n: time.sleep(60)\nraise SystemExit(1)"
    try:
        supervisor.start(child("flaky", code))
        until(lambda: marker.exists() and len(marker.read_text()) == 2, supervisor)
        assert supervisor.restarts == 1
    finally:
        supervisor.stop()


def test_a_child_that_cannot_run_stops_everything_with_its_own_words(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    try:
        supervisor.start(child("store", f"print('port 8123 is taken'); raise SystemExit({EXIT_CONFIG})"))
        with pytest.raises(ChildFailedError, match="port 8123 is taken"):
            until(lambda: False, supervisor)
    finally:
        supervisor.stop()


def test_a_child_that_always_crashes_is_given_up(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, sleep=lambda _s: None)
    clock = [0.0]

    def tick() -> float:
        clock[0] += 1.0
        return clock[0]

    supervisor.monotonic = tick
    try:
        supervisor.start(child("broken", "raise SystemExit('no luck')"))
        with pytest.raises(ChildFailedError, match="no luck"):
            until(lambda: False, supervisor)
    finally:
        supervisor.stop()


@pytest.mark.parametrize(
    "end",
    [f"raise SystemExit({EXIT_UNAVAILABLE})", "import os; os.kill(os.getpid(), 9)"],
    ids=["unavailable", "killed"],
)
def test_what_is_not_its_own_failure_is_tried_again_for_as_long_as_it_takes(tmp_path: Path, end: str) -> None:
    """With pauses that grow: the seconds that pass here are the supervisor's, not ours."""
    supervisor = Supervisor(tmp_path)
    clock = [0.0]
    supervisor.monotonic = lambda: clock[0]
    starts_s: dict[int, float] = {}  # by number of restarts

    def again() -> bool:
        if supervisor.pids():
            starts_s.setdefault(supervisor.restarts, clock[0])
        else:
            clock[0] += 0.5
        return supervisor.restarts > MAX_FAST_FAILURES + 2

    try:
        supervisor.start(child("lonely", end))
        until(again, supervisor)
        pauses_s = [after - before for before, after in pairwise(starts_s.values())]
        assert pauses_s == sorted(pauses_s)
        assert MAX_PAUSE_S <= pauses_s[-1] < MAX_PAUSE_S + 1.0
    finally:
        supervisor.stop()


def test_a_child_kept_down_comes_back_when_its_time_is_over(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    clock = [0.0]
    supervisor.monotonic = lambda: clock[0]
    try:
        supervisor.start(child("store", "import time; time.sleep(60)"))
        supervisor.keep_down("store", 45.0)
        os.kill(supervisor.pids()["store"], 9)
        until(lambda: not supervisor.pids(), supervisor)
        clock[0] = 44.9
        supervisor.check()
        assert not supervisor.pids()
        clock[0] = 45.0
        supervisor.check()
        assert supervisor.pids()
    finally:
        supervisor.stop()


def test_not_ready_in_time_is_an_error(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    try:
        with pytest.raises(ChildFailedError, match="not ready"):
            supervisor.start(child("slow", "import time; time.sleep(60)", ready=lambda: False, ready_timeout_s=0.1))
    finally:
        supervisor.stop()


def test_stop_ends_children_even_those_that_ignore_it(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    ready = tmp_path / "ready"
    code = "import signal,time,pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    code += f"pathlib.Path({str(ready)!r}).touch()\ntime.sleep(60)"
    supervisor.start(child("stubborn", code, ready=ready.exists))
    pid = supervisor.pids()["stubborn"]
    assert alive(pid)
    supervisor.stop(grace_s=0.2)
    assert not alive(pid)
