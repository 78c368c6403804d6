"""Times to acknowledge, act, resolve and close, cases of alerts, and silences, on the real store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from projections.client import Client
from projections.queries.clickhouse import ClickHouseQueries
from projections.queries.life_cycle_ports import AlertTimesQuery, AlertTimesRow, SilenceQuery, Spread
from tests.conftest import NewDatabase
from tests.projections.queries.conftest import inserter, reader_of

C, D = "hefei/shushan/wulidun/xiyuan", "hefei/shushan/wulidun/xiyuan2"  # the second only begins like the first
DAY = datetime(2026, 4, 1, tzinfo=UTC)
NEVER = Spread(0, None, None)
Insert = Callable[..., None]


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


class Life:
    """One alert: what is said of it, a number of seconds after it was opened; the lane comes to it 5 s later."""

    def __init__(
        self, insert: Insert, name: str, scope: str, opened: datetime, rule: str = "day_limit", **opening: Any
    ) -> None:
        self._insert, self._name, self._scope, self._opened, self._rule = insert, name, scope, opened, rule
        self._steps = 0
        self.say(0, "opened", **opening)

    def say(self, after_s: float, step: str, scope: str | None = None, **more: Any) -> Life:
        self._steps += 1
        at = self._opened + timedelta(seconds=after_s)
        ended = {"resolved_time_ms": ms(at)} if step == "resolved" else {}
        self._insert(
            "alerts.alert", scope or self._scope, at, alert=self._name, alert_key="k", step=step,
            detector="noise_limit", rule=self._rule, subject="n", severity="warning", count=1,
            opened_time_ms=ms(self._opened), updated_time_ms=ms(at), score=1.0, threshold=1.0, model_version="1",
            reason_zh="超限", reason_en="over", detected_time_ms=ms(at) + 5_000, step_number=self._steps,
            **ended, **more,
        )  # fmt: skip
        return self


@pytest.fixture(scope="module")
def writer_client(new_database: NewDatabase) -> Client:
    """A database of its own: others count the alerts of theirs."""
    return new_database()


@pytest.fixture(scope="module")
def insert(writer_client: Client) -> Insert:
    return inserter(writer_client)


@pytest.fixture(scope="module")
def queries(writer_client: Client) -> Iterator[ClickHouseQueries]:
    with reader_of(writer_client) as client:
        yield ClickHouseQueries(client)


@pytest.fixture(scope="module")
def lives(insert: Insert) -> None:
    for number, seconds in enumerate((10, 20, 30, 40, 50)):
        life = Life(insert, f"c-{number}", f"{C}/g01", DAY + timedelta(minutes=number))
        life.say(seconds, "acknowledged", actor="k1").say(seconds * 10, "resolved")
    Life(insert, "c-quiet", f"{C}/g01", DAY).say(60, "updated")
    moved = Life(insert, "c-moved", f"{C}/g01", DAY, "night_limit")
    moved.say(100, "assigned", assignee="w1", actor="k1").say(200, "closed", f"{C}/g02", actor="k2", comment="done")
    Life(insert, "d-0", f"{D}/g01", DAY).say(7, "acknowledged")
    Life(insert, "c-later", f"{C}/g01", DAY + timedelta(days=1)).say(7, "acknowledged")


@pytest.mark.usefixtures("lives")
def test_what_nobody_was_told_of_does_not_count(queries: ClickHouseQueries, insert: Insert) -> None:
    """Silenced all along, or under another of its group; one that is told of later begins then."""
    scope = "bengbu/longzihu/yanan/huaibin/g07"
    Life(insert, "c-silent", scope, DAY, silenced=True).say(20, "acknowledged", silenced=True)
    Life(insert, "c-under", scope, DAY, group="c-silent").say(20, "updated", group="c-silent")
    later = Life(insert, "c-told", scope, DAY, silenced=True)
    later.say(100, "unsilenced", silenced=False).say(160, "acknowledged").say(300, "resolved")
    (row,) = times(queries, scope)
    assert (row.alerts, row.acknowledge, row.resolve) == (1, Spread(1, 60.0, 60.0), Spread(1, 300.0, 300.0))
    silent = queries.alert_times_of(scope, "c-silent")
    assert silent is not None
    assert (silent.raised_time, silent.acknowledge_s, silent.act_s) == (None, None, None)


def case(insert: Insert, name: str, after_s: float, step: str, scope: str = f"{C}/g01", **more: Any) -> None:
    at = DAY + timedelta(seconds=after_s)
    insert("civic.case", scope, at, case=name, service="grid", kind="noise", step=step, **more)


def times(queries: ClickHouseQueries, scope: str = C, **changes: Any) -> list[AlertTimesRow]:
    values: dict[str, Any] = {
        "scope": scope, "by": "grid_and_kind", "detector": None, "rule": None, "from_time": DAY,
        "to_time": DAY + timedelta(hours=1), "limit": 100,
    }  # fmt: skip
    return queries.alert_times(AlertTimesQuery(**(values | changes)))


@pytest.mark.usefixtures("lives")
def test_times_by_grid_and_kind(queries: ClickHouseQueries) -> None:
    first, second = times(queries)
    assert (first.grid, first.detector, first.rule, first.alerts) == (f"{C}/g01", "noise_limit", "day_limit", 6)
    assert first.acknowledge == first.act == Spread(5, 30.0, 46.0)
    assert (first.resolve, first.close) == (Spread(5, 300.0, 460.0), NEVER)
    # It is where it last was; the time to act begins when the lane came to it.
    assert (second.grid, second.rule, second.acknowledge) == (f"{C}/g02", "night_limit", NEVER)
    assert (second.act, second.close) == (Spread(1, 100.0, 100.0), Spread(1, 200.0, 200.0))


@pytest.mark.usefixtures("lives")
def test_times_by_one_of_them_and_filters(queries: ClickHouseQueries) -> None:
    assert [(row.grid, row.rule, row.alerts) for row in times(queries, by="kind")] == [
        (None, "day_limit", 6),
        (None, "night_limit", 1),
    ]
    assert [(row.grid, row.rule, row.alerts) for row in times(queries, by="grid")] == [
        (f"{C}/g01", None, 6),
        (f"{C}/g02", None, 1),
    ]
    assert [row.alerts for row in times(queries, rule="night_limit")] == [1]
    assert times(queries, detector="device_offline") == []
    assert [row.grid for row in times(queries, f"{C}/g02")] == [f"{C}/g02"]
    assert [row.alerts for row in times(queries, to_time=DAY + timedelta(days=2), rule="day_limit")] == [7]
    assert [row.alerts for row in times(queries, limit=1)] == [6]


@pytest.mark.usefixtures("lives")
def test_times_are_those_of_the_scope_alone(queries: ClickHouseQueries) -> None:
    assert [row.acknowledge for row in times(queries, D)] == [Spread(1, 7.0, 7.0)]
    assert [row.alerts for row in times(queries, "hefei")] == [6, 1, 1]
    assert queries.alert_times_of(D, "c-0") is None
    assert queries.alert_times_of(f"{C}/g01", "c-moved") is None


@pytest.mark.usefixtures("lives")
def test_the_view_says_the_same(queries: ClickHouseQueries, writer_client: Client) -> None:
    one = queries.alert_times_of(C, "c-2")
    assert one is not None
    assert (one.raised_time, one.acknowledge_s, one.resolve_s) == (DAY + timedelta(seconds=125), 30.0, 300.0)
    rows = writer_client.query(
        "SELECT raised_time, acknowledge_s, act_s, resolve_s, close_s, grid FROM alert_times WHERE alert = 'c-2'"
    ).rows
    assert [tuple(row) for row in rows] == [(one.raised_time, 30.0, 30.0, 300.0, None, "g01")]


@pytest.mark.usefixtures("lives")
def test_a_case_acts_and_closes(queries: ClickHouseQueries, insert: Insert) -> None:
    """Named by the alert, or naming it; a case of the same name elsewhere is another."""
    Life(insert, "c-named", f"{C}/g05", DAY).say(20, "reported", case="case-1", actor="k1")
    case(insert, "case-1", 30, "dispatched")
    case(insert, "case-1", 1, "closed", D)
    (named,) = times(queries, f"{C}/g05")
    assert (named.act, named.close) == (Spread(1, 20.0, 20.0), NEVER)
    case(insert, "case-1", 405, "closed")
    case(insert, "case-1", 500, "rated", rating=5)
    (named,) = times(queries, f"{C}/g05")
    assert named.close == Spread(1, 400.0, 400.0)
    (listed,) = queries.alert_cases(f"{C}/g05", "c-named", "case-1")
    assert (listed.status, listed.closed_time, listed.reported_time) == ("rated", DAY + timedelta(seconds=405), None)

    Life(insert, "c-namer", f"{C}/g06", DAY)
    case(insert, "case-2", 65, "reported", alert="c-namer")
    case(insert, "case-2", 125, "closed")  # the link is said once
    (namer,) = times(queries, f"{C}/g06")
    assert (namer.act, namer.close) == (Spread(1, 60.0, 60.0), Spread(1, 120.0, 120.0))
    (listed,) = queries.alert_cases(f"{C}/g06", "c-namer", None)
    assert (listed.case, listed.status, listed.kind) == ("case-2", "closed", "noise")


def silence(insert: Insert, name: str, at: datetime, scope: str = C, **more: Any) -> None:
    data = {
        "silence": name, "kind": "maintenance", "silenced_scope": scope, "rule": "day_limit",
        "starts_time_ms": ms(DAY), "ends_time_ms": ms(DAY + timedelta(hours=1)), "actor": "k1", "comment": "why",
        "status": "active",
    }  # fmt: skip
    insert("civic.alert_silence", scope, at, **(data | more))


def test_silences(queries: ClickHouseQueries, insert: Insert) -> None:
    silence(insert, "s-1", DAY - timedelta(hours=2))
    silence(insert, "s-2", DAY - timedelta(hours=1))
    silence(insert, "s-d", DAY, D)
    silence(insert, "s-2", DAY + timedelta(minutes=5), status="lifted", actor="k2", comment="done early")

    def asked(scope: str, at: datetime, **changes: Any) -> list[tuple[str, str]]:
        query = {"scope": scope, "state": None, "known_to": at, "before": None, "limit": 10} | changes
        return [(row.silence, row.state) for row in queries.silences(SilenceQuery(**query))]

    assert asked(C, DAY) == [("s-2", "lifted"), ("s-1", "active")]
    assert asked(C, DAY - timedelta(seconds=1), state="pending") == [("s-1", "pending")]
    assert asked(C, DAY + timedelta(hours=1), state="ended") == [("s-1", "ended")]
    assert asked(C, DAY, before=(DAY - timedelta(hours=1), "s-2")) == [("s-1", "active")]
    assert [name for name, _ in asked("hefei", DAY, limit=2)] == ["s-d", "s-2"]
    assert queries.silence(D, "s-2", DAY) is None
    lifted = queries.silence(C, "s-2", DAY)
    assert lifted is not None
    assert (lifted.actor, lifted.comment, lifted.created_time) == ("k1", "why", DAY - timedelta(hours=1))
    assert (lifted.lifted_by, lifted.lifted_comment) == ("k2", "done early")
    assert lifted.lifted_time == DAY + timedelta(minutes=5)
    assert (lifted.detector, lifted.rule, lifted.subject) == (None, "day_limit", None)


def test_a_silence_said_in_every_partition_counts_once(
    queries: ClickHouseQueries, insert: Insert, writer_client: Client
) -> None:
    silence(insert, "s-everywhere", DAY, "hefei/luyang")
    columns = (
        "event_time, recorded_time, scope, source, event_id, silence, kind, silenced_scope, starts_time_ms, "
        "ends_time_ms, actor, status"
    )
    writer_client.command(
        f"INSERT INTO alert_silences ({columns}, log_topic, log_partition, log_offset) "
        f"SELECT {columns}, log_topic, 1, 0 FROM alert_silences WHERE silence = 's-everywhere'"
    )
    found = queries.silences(SilenceQuery("hefei/luyang", None, DAY, None, 10))
    assert [row.silence for row in found] == ["s-everywhere"]
    assert (
        writer_client.query("SELECT count() FROM alert_silences FINAL WHERE silence = 's-everywhere'").rows[0][0] == 1
    )
