"""What goes wrong in a chaos run, and when: drawn beforehand from a seed, done by signals to the real processes.

kill      SIGKILL; the supervisor starts the process again. The broker is started again after a moment, over its files.
stall     SIGSTOP, and SIGCONT a while later: a store or a broker that is there and does not answer. Before the store
          goes on the pipeline is killed, with rows on their way.
outage    SIGKILL, and not started again for a while.
two       two processes killed at once.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from streams.supervise import Supervisor

PROCESSES: Final = ("store", "api", "pipeline", "rollup")
BROKER: Final = "kafka"
MEASURED_FROM_S: Final = 120.0  # a load this long or longer gets an outage of a minute
Kind = Literal["kill", "two", "stall", "outage"]


class Broker(Protocol):
    """The part of :class:`streams.dev_broker.DevBroker` that faults need."""

    @property
    def pid(self) -> int: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """``for_s``: how long a stall or an outage lasts; 0 for kills."""

    at_s: float
    kind: Kind
    targets: tuple[str, ...]
    for_s: float = 0.0


def plan(seconds: float, seed: int, kafka: bool) -> list[Fault]:
    """Faults for a load of so many seconds, in order of time; the same for the same arguments."""
    chance = random.Random(f"{seed}/{seconds}/{kafka}")
    gap_s = min(6.3, max(2.2, seconds / 11))
    faults: list[Fault] = []
    at_s, deck = min(3.0, gap_s), _deck(chance, kafka)
    while at_s < seconds - 1.0:
        kind, targets = next(deck)
        for_s = _length_s(chance, kind, seconds, first=not any(fault.kind == kind for fault in faults))
        faults.append(Fault(round(at_s, 2), kind, targets, for_s))
        if kind == "stall" and "store" in targets:
            # While rows are on their way that the store does not take: the moment at which most could be lost.
            faults.append(Fault(round(at_s + for_s * 0.8, 2), "kill", ("pipeline",)))
        at_s += gap_s * chance.uniform(0.7, 1.3)
    return sorted((fault for fault in faults if fault.at_s < seconds), key=lambda fault: fault.at_s)


def _deck(chance: random.Random, kafka: bool) -> Iterator[tuple[Kind, tuple[str, ...]]]:
    """Everything in turn, in an order that changes from round to round."""
    while True:
        kills: list[tuple[Kind, tuple[str, ...]]] = [("kill", (name,)) for name in (*PROCESSES, "pipeline")]
        others: list[tuple[Kind, tuple[str, ...]]] = [("stall", ("store",)), ("outage", ("store",))]
        kills.append(("two", tuple(chance.sample(PROCESSES, 2))))
        if kafka:
            kills += [("kill", (BROKER,)), ("two", (BROKER, chance.choice(PROCESSES)))]
            others.append(("stall", (BROKER,)))
        chance.shuffle(kills)
        chance.shuffle(others)
        while kills or others:
            yield from kills[:2]
            del kills[:2]
            yield from others[:1]
            del others[:1]


def _length_s(chance: random.Random, kind: Kind, seconds: float, first: bool) -> float:
    if kind == "outage":
        longest_s = 60.0 if seconds >= MEASURED_FROM_S else seconds / 4
        return round(longest_s if first else min(longest_s, chance.uniform(8.0, 20.0)), 1)
    if kind == "stall":
        return round(min(chance.uniform(5.0, 15.0), max(4.0, seconds / 8)), 1)
    return 0.0


@dataclass(slots=True)
class Breaker:
    """Does what the plan says to the children of a supervisor and, where there is one, to a broker.

    For the thread that calls the supervisor; only the broker comes back by a thread of its own, for that takes seconds.
    ``tell`` hears a line about everything that is done.
    """

    supervisor: Supervisor
    broker: Broker | None
    faults: list[Fault]
    tell: Callable[[str], None]
    kills: Counter[str] = field(default_factory=Counter)
    outages: int = 0
    stalls: int = 0
    broker_restarts: int = 0
    _conts: list[tuple[float, str, int]] = field(default_factory=list)  # when, name, pid
    _outage_until_s: float = 0.0
    _broker_back: threading.Thread | None = None
    _broker_failure: BaseException | None = None
    _healed: threading.Event = field(default_factory=threading.Event)

    def step(self, now_s: float) -> None:
        """Do what is due; ``now_s`` since the load began."""
        for due_s, name, pid in [cont for cont in self._conts if cont[0] <= now_s]:
            self._continue(due_s, name, pid)
        while self.faults and self.faults[0].at_s <= now_s:
            self._do(self.faults.pop(0), now_s)
        self.check()

    def check(self) -> None:
        """Raise here what failed in the broker's thread."""
        if self._broker_failure is not None:
            raise self._broker_failure

    def heal(self) -> None:
        """No more faults: everything stalled goes on, everything down comes back."""
        self.faults.clear()
        self._healed.set()
        for cont in list(self._conts):
            self._continue(*cont)
        self.supervisor.keep_down("store", 0.0)
        if self._broker_back is not None:
            self._broker_back.join()
        self.check()

    def _do(self, fault: Fault, now_s: float) -> None:
        if fault.kind == "stall":
            self._stall(fault, now_s)
        elif fault.kind == "outage" and now_s >= self._outage_until_s:
            self._outage_until_s = now_s + fault.for_s
            self.outages += 1
            self.supervisor.keep_down("store", fault.for_s)
            self._kill("store", f", and away for {fault.for_s:.0f} s")
        else:  # an outage within an outage is a kill of something else
            for name in fault.targets:
                self._kill(self._running(name))

    def _running(self, wanted: str) -> str:
        """It, or another one where it is down already: so that every kill is one."""
        up = self._up()
        others = [name for name in ("pipeline", "api", "rollup", "store") if name in up]
        return wanted if wanted in up or not others else others[0]

    def _up(self) -> dict[str, int]:
        self.supervisor.check()
        up = self.supervisor.pids()
        if self.broker is not None and not self._broker_is_coming:
            up[BROKER] = self.broker.pid
        return up

    @property
    def _broker_is_coming(self) -> bool:
        return self._broker_back is not None and self._broker_back.is_alive()

    def _kill(self, name: str, more: str = "") -> None:
        pid = self._up().get(name)
        if pid is None:
            self.tell(f"{name} is down already{more}")
            return
        self.kills[name] += 1
        self.tell(f"kill -9 {name} ({pid}){more}")
        if name == BROKER:
            self._kill_broker()
        else:
            os.kill(pid, signal.SIGKILL)
            self._wait_gone(name, pid)

    def _wait_gone(self, name: str, pid: int) -> None:
        while self.supervisor.pids().get(name) == pid:
            self.supervisor.check()
            time.sleep(0.01)

    def _kill_broker(self) -> None:
        broker = self.broker
        assert broker is not None
        broker.kill()

        def back() -> None:
            try:
                self._healed.wait(2.0)
                broker.restart()
                self.broker_restarts += 1
            except BaseException as failure:  # noqa: BLE001 - handed to the main thread, which raises it
                self._broker_failure = failure

        self._broker_back = threading.Thread(target=back, name="broker-back", daemon=True)
        self._broker_back.start()

    def _stall(self, fault: Fault, now_s: float) -> None:
        (name,) = fault.targets
        pid = self._up().get(name)
        if pid is None:
            self.tell(f"{name} is down already, so it can't be stalled")
            return
        self.stalls += 1
        self.tell(f"SIGSTOP {name} ({pid}) for {fault.for_s:.0f} s")
        os.kill(pid, signal.SIGSTOP)
        self._conts.append((now_s + fault.for_s, name, pid))

    def _continue(self, due_s: float, name: str, pid: int) -> None:
        self._conts.remove((due_s, name, pid))
        if self._up().get(name) == pid:  # else it was killed meanwhile
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            self.tell(f"SIGCONT {name}")
