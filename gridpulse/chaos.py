"""``gridpulse chaos``: everything runs under load while processes are killed and stalled; then the account.

On the embedded log, on a real Kafka, or on one after the other. Each run: start all, load and faults, heal, wait until
everything has settled, and then hold what senders were told against the log and ClickHouse, ClickHouse against tables
built anew from the log, and what detectors said against what they say in a replay. Nothing is mended in between: what
differs is reported, and the data directory is kept.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from rich.console import Console

from gridpulse import adapters
from gridpulse.chaos_account import account
from gridpulse.chaos_compare import compare
from gridpulse.chaos_faults import Breaker, plan
from gridpulse.chaos_load import Load, LoadError
from gridpulse.chaos_world import World, running_world
from gridpulse.draining import Draining, NotSettledError
from gridpulse.exit import EXIT_FAILED
from gridpulse.processes import stop_on_signal
from streams.log import EventLog

LogKind = Literal["sqlite", "kafka"]
LOGS: Final[tuple[LogKind, ...]] = ("sqlite", "kafka")
SETTLE_TIMEOUT_S: Final = 240.0
WARM_EVENTS: Final = 500
_LOOK_EVERY_S: Final = 0.1
_SHOWN: Final = 10
_SUMS: Final = (
    "kills", "outages", "stalls", "restarts", "acknowledged", "in_log", "in_clickhouse", "lost", "duplicated",
    "mismatched", "rejected", "rejected_in_log", "unread_in_log", "seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """``rate``: events per second that the district sends. ``data_dir`` None: a temporary one."""

    minutes: float
    logs: tuple[LogKind, ...]
    rate: float
    seed: int
    json: bool
    data_dir: Path | None


@dataclass(frozen=True, slots=True)
class Teller:
    """Says what happens, and when."""

    kind: LogKind
    console: Console
    started_s: float = field(default_factory=time.monotonic)

    def __call__(self, text: str) -> None:
        self.console.print(f"[{self.kind} {self.passed_s:6.1f} s] {text}", markup=False, soft_wrap=True)

    @property
    def passed_s(self) -> float:
        return time.monotonic() - self.started_s


@dataclass(frozen=True, slots=True)
class Frame:
    """What runs on one log after the other have in common. ``sums``: figures that are added up over them."""

    logs: tuple[LogKind, ...]
    json: bool
    data_dir: Path | None
    sums: tuple[str, ...]
    is_wrong: Callable[[dict[str, Any]], bool]

    def run(self, run_one: Callable[[LogKind, Path, Teller, threading.Event], dict[str, Any]]) -> None:
        """Run each; the last line on stdout is one JSON object when ``json`` is set. Exits with 1 when one is wrong."""
        console = Console(stderr=True, highlight=False)
        stop = stop_on_signal()
        place = self.data_dir or Path(tempfile.mkdtemp(prefix="gridpulse-chaos-"))
        runs: list[dict[str, Any]] = []
        kept = True
        try:
            for kind in self.logs:
                if not stop.is_set():
                    runs.append(run_one(kind, place / kind, Teller(kind, console), stop))
            kept = any(self.is_wrong(run) for run in runs) or self.data_dir is not None
        except (LoadError, NotSettledError) as error:
            console.print(f"gridpulse: {error}", markup=False)
            raise SystemExit(EXIT_FAILED) from None
        finally:
            if kept:
                console.print(f"数据保留于 · the data is kept in {place}")
            else:
                shutil.rmtree(place, ignore_errors=True)
        self._answer({**{name: _sum(runs, name) for name in self.sums}, "runs": runs}, console)

    def _answer(self, result: dict[str, Any], console: Console) -> None:
        if self.json:
            sys.stdout.write(orjson.dumps(result).decode() + "\n")
            sys.stdout.flush()
        else:
            console.print_json(orjson.dumps(result).decode())
        if self.is_wrong(result):
            raise SystemExit(EXIT_FAILED)


def run_chaos(options: ChaosOptions) -> None:
    """Run it, on each log for its share of the time."""
    seconds = options.minutes * 60 / len(options.logs)
    frame = Frame(options.logs, options.json, options.data_dir, _SUMS, wrong)
    frame.run(lambda kind, place, tell, stop: _Run(kind, place, options, seconds, tell, stop).run())


def wrong(result: dict[str, Any]) -> bool:
    """Whether anything was lost, is there twice, or is not what the log says."""
    return any(result[name] for name in ("lost", "duplicated", "mismatched", "rejected_in_log", "unread_in_log"))


def _sum(runs: list[dict[str, Any]], name: str) -> float:
    total: float = sum(run[name] for run in runs)
    return round(total, 1) if isinstance(total, float) else total


@dataclass(slots=True)
class _Run:
    """One log's run."""

    kind: LogKind
    data_dir: Path
    options: ChaosOptions
    seconds: float
    tell: Teller
    stop: threading.Event

    def run(self) -> dict[str, Any]:
        with (
            running_world(self.data_dir, self.kind == "kafka", self.tell) as world,
            adapters.the_log(world.settings) as log,
        ):
            return self._in(world, log)

    def _in(self, world: World, log: EventLog) -> dict[str, Any]:
        options, settings = self.options, world.settings
        load = Load(
            settings.api_url, world.api_key, log, partitions=settings.partitions, rate=options.rate, seed=options.seed
        )
        faults = plan(self.seconds, options.seed, kafka=world.broker is not None)
        breaker = Breaker(world.supervisor, world.broker, faults, self._with_figures(load))
        load.start()
        try:
            self._warm_up(world, load)
            load_s = self._break(world, load, breaker)
            self._heal(world, load, breaker)
        finally:
            load.abandon()
        self._settle(world, log)
        return self._result(world, log, load, breaker, load_s)

    def _with_figures(self, load: Load) -> Any:
        return lambda text: self.tell(f"{text:<40} 已确认 acknowledged {len(load.answers.acknowledged):,}")

    def _warm_up(self, world: World, load: Load) -> None:
        """Faults begin when events go in; what is still starting then is killed as it is."""
        give_up_s = time.monotonic() + SETTLE_TIMEOUT_S
        while len(load.answers.acknowledged) < WARM_EVENTS and not self.stop.is_set():
            self._look(world, load)
            if time.monotonic() > give_up_s:
                raise NotSettledError(f"the API took no events within {SETTLE_TIMEOUT_S:.0f} s; see its log")

    def _break(self, world: World, load: Load, breaker: Breaker) -> float:
        began_s = time.monotonic()
        while (passed_s := time.monotonic() - began_s) < self.seconds and not self.stop.is_set():
            breaker.step(passed_s)
            self._look(world, load)
        return time.monotonic() - began_s

    def _heal(self, world: World, load: Load, breaker: Breaker) -> None:
        self.tell("故障结束 · no more faults: everything comes back, senders send the rest")
        breaker.heal()
        load.finish()
        give_up_s = time.monotonic() + SETTLE_TIMEOUT_S
        while not load.ended:
            self._look(world, load)
            if time.monotonic() > give_up_s:
                raise NotSettledError(f"senders got no answer within {SETTLE_TIMEOUT_S:.0f} s; see the API's log")
        load.check()

    def _settle(self, world: World, log: EventLog) -> None:
        self.tell("等待全部入库 · waiting until everything is written, said and rolled up")

        def check() -> None:
            world.supervisor.check()
            world.look()

        with adapters.clickhouse(world.settings, later=True) as client:  # the store may be on its way back
            Draining(log, client, check, SETTLE_TIMEOUT_S, quiet_s=2.0).everything()

    def _look(self, world: World, load: Load) -> None:
        world.supervisor.check()
        load.check()
        world.look()
        time.sleep(_LOOK_EVERY_S)

    def _result(self, world: World, log: EventLog, load: Load, breaker: Breaker, load_s: float) -> dict[str, Any]:
        self.tell("对账 · holding all of it against the log")
        answers, settings = load.answers, world.settings
        with adapters.clickhouse(settings) as client:
            decode = adapters.flow_ports(settings, log, "chaos").decode
            found = account(log, decode, client, answers.acknowledged, answers.rejected)
            differences = compare(settings, log).differences
        for sentence in (*found.examples, *differences[:_SHOWN]):
            self.tell(sentence)
        return {
            "log": self.kind,
            "kills": breaker.kills.total(),
            "kills_by_process": dict(breaker.kills),
            "outages": breaker.outages,
            "stalls": breaker.stalls,
            "restarts": world.supervisor.restarts + breaker.broker_restarts,
            **{name: value for name, value in asdict(found).items() if name != "examples"},
            "mismatched": len(differences),
            "rejected": answers.refused,
            "duplicates_answered": answers.repeated,
            "requests_sent_again": answers.sent_again,
            "events_per_s": round(len(answers.acknowledged) / load_s, 1),
            "peak_rss_mb": world.memory.peak_mb,
            "seconds": round(self.tell.passed_s, 1),
            "examples": [*found.examples, *differences[:_SHOWN]],
        }
