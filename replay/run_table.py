"""The rows of ``runs`` in the live database: what is known of each run, from its beginning to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from projections.client import Client
from projections.run_tables import RUNS
from replay.difference import Window
from replay.difference_sql import ALERTS, DETECTIONS, STATUSES
from replay.run_errors import RunError
from replay.run_spec import RunSpec
from replay.run_state import Manifest
from schemas.times import EPOCH, rfc3339

_COLUMNS = tuple(column.name for column in RUNS.columns)
_PREFIX = "run_"
_COUNTED = (("detections", DETECTIONS), ("alerts", ALERTS), ("statuses", STATUSES))
_NOTHING: dict[str, Any] = {
    "lane_ends_ms": [], "records": 0, "events": 0, "detections": 0, "alerts": 0, "statuses": 0, "events_per_s": 0.0,
    "hash": "", "base_hash": "", "added": 0, "gone": 0, "moved": 0, "relabelled": 0, "notes": [], "error": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the table has it, by column."""

    values: dict[str, Any]

    @property
    def run(self) -> str:
        return str(self.values["run"])

    @property
    def spec(self) -> RunSpec:
        """What was asked of it."""
        one = self.values
        warm_up_s = one["warm_up_s"]
        return RunSpec(
            timezone=one["timezone"], from_ms=_epoch_ms(one["from_time"]), to_ms=_epoch_ms(one["to_time"]),
            warm_up_ms=None if warm_up_s is None else round(warm_up_s * 1000), scopes=tuple(one["scopes"]),
            types=tuple(one["types"]), keys=tuple(one["keys"]), parameters=tuple(one["parameters"]),
            has_tables=bool(one["has_tables"]),
        )  # fmt: skip

    @property
    def window(self) -> Window:
        """What it covers of what the detectors say."""
        return Window(_epoch_ms(self.values["from_time"]), tuple(self.values["lane_ends_ms"]), self.spec.scopes)

    def with_values(self, **changed: Any) -> RunRow:
        return RunRow({**self.values, **changed})

    def summary(self) -> dict[str, Any]:
        """The run as JSON: figures, hashes, and the difference to its base."""
        one = self.values
        is_compared = bool(one["base_hash"])
        return {
            "run": one["run"], "status": one["status"], "database": one["database"],
            "from": _text(one["from_time"]), "to": _text(one["to_time"]), "warm_up_s": one["warm_up_s"],
            "scopes": list(one["scopes"]), "types": list(one["types"]), "keys": list(one["keys"]),
            "parameters": list(one["parameters"]), "tables": bool(one["has_tables"]),
            "code_version": one["code_version"], "records": one["records"], "events": one["events"],
            "detections": one["detections"], "alerts": one["alerts"], "statuses": one["statuses"],
            "events_per_s": round(one["events_per_s"]), "hash": one["hash"], "base": one["base"],
            "base_hash": one["base_hash"], "same": one["hash"] == one["base_hash"] if is_compared else None,
            "difference": {kind: one[kind] for kind in ("added", "gone", "moved", "relabelled")},
            "notes": list(one["notes"]), "error": one["error"], "started": _text(one["started_time"]),
        }  # fmt: skip


def database_of(run: str) -> str:
    """The name of a run's database; ids hold nothing but letters, digits and ``_``."""
    return _PREFIX + run


def new_row(manifest: Manifest) -> RunRow:
    """A run that has just begun."""
    return begun_row(manifest.document())


def begun_row(document: Mapping[str, Any]) -> RunRow:
    """What a saved manifest says of its run. One of other code may say less: the rest is as if it was not asked for."""
    spec = {**RunSpec().to_json(), **document["spec"]}
    return RunRow(
        {
            **_NOTHING, "run": document["run"], "status": "running", "database": database_of(document["run"]),
            "from_time": _time(spec["from_ms"]), "to_time": _time(spec["to_ms"]),
            "warm_up_s": None if spec["warm_up_ms"] is None else spec["warm_up_ms"] / 1000,
            "scopes": list(spec["scopes"]), "types": list(spec["types"]), "keys": list(spec["keys"]),
            "parameters": list(spec["parameters"]), "timezone": spec["timezone"], "has_tables": spec["has_tables"],
            "code_version": document["code"], "base": document["base"], "started_time": _time(document["started_ms"]),
        }
    )  # fmt: skip


def counts(run_client: Client) -> dict[str, int]:
    """Detections, alert steps and status changes in a run's database."""
    return {
        name: int(run_client.query(f"SELECT count() FROM {table.name} FINAL").rows[0][0]) for name, table in _COUNTED
    }


def write_row(live: Client, row: RunRow, now: datetime) -> None:
    """Store the row in place of what was stored of the run."""
    values = {**row.values, "updated_time": now}
    live.insert_rows(RUNS.name, _COLUMNS, [[values[name] for name in _COLUMNS]])


def read_rows(live: Client) -> list[RunRow]:
    """Every run that has a row."""
    return [RunRow(row) for row in live.query(f"SELECT {', '.join(_COLUMNS)} FROM runs FINAL").dicts()]


def no_such_run(run: str) -> RunError:
    return RunError(f"there is no run {run}: `gridpulse runs list` shows them")


def drop_run(live: Client, run: str) -> None:
    """Remove a run's database, its row and every difference that it has a part in. Repeating it is harmless."""
    live.command(f"DROP DATABASE IF EXISTS {database_of(run)}")
    live.command("DELETE FROM run_differences WHERE run = {run:String} OR base = {run:String}", {"run": run})
    live.command("DELETE FROM runs WHERE run = {run:String}", {"run": run})


def database_exists(live: Client, database: str) -> bool:
    found = live.query("SELECT count() FROM system.databases WHERE name = {name:String}", {"name": database}).rows
    return bool(found[0][0])


def _time(time_ms: int | None) -> datetime | None:
    return None if time_ms is None else EPOCH + timedelta(milliseconds=time_ms)


def _epoch_ms(time: datetime | None) -> int | None:
    return None if time is None else (time - EPOCH) // timedelta(milliseconds=1)


def _text(time: datetime | None) -> str | None:
    time_ms = _epoch_ms(time)
    return None if time_ms is None else rfc3339(time_ms)
