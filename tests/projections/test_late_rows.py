"""The rows that the writer lists as late are those that :meth:`EventType.is_late` names, in order and whole."""

from __future__ import annotations

import random
from typing import Any

from projections.late_rows import late_of, lateness_s
from schemas.catalogue import BY_NAME
from tests.projections.batches import NOON_MS, Row, batch

BEAT, MEASURED, SITE = "readings.heartbeat", "readings.measured", "registry.site"
DATA: dict[str, dict[str, Any]] = {
    BEAT: {"device": "d1"},
    MEASURED: {"device": "d1", "quantity": "laeq", "value": 50.0, "unit": "dB(A)"},
    SITE: {"change": "registered", "site": "s1", "kind": "home"},
}


def _row(rng: random.Random, number: int, short: str) -> Row:
    allowed_ms = (BY_NAME["cn.gridpulse." + short].allowed_lateness_s or 86_400) * 1000
    lag_ms = rng.choice((-300_000, 0, allowed_ms, allowed_ms + 1, 2 * allowed_ms))
    source = rng.choice(("//import/x", "//imports", "/devices/1", "x//import/"))
    return Row(number, NOON_MS - lag_ms, DATA[short], source=source, recorded_time_ms=NOON_MS)


def test_late_rows_are_exactly_those_that_the_rule_names() -> None:
    rng = random.Random(11)
    seen = 0
    for _ in range(60):
        rows = {short: [_row(rng, number, short) for number in range(rng.randrange(1, 12))] for short in DATA}
        found = {typed.type_name: typed for typed in late_of([batch(rows)])}
        for short, of_type in rows.items():
            event_type = BY_NAME["cn.gridpulse." + short]
            late = [row for row in of_type if event_type.is_late(row.source, row.event_time_ms, NOON_MS)]
            seen += len(late)
            typed = found.pop(event_type.name, None)
            assert [row.offset for row in late] == ([] if typed is None else typed.ints("offset").tolist())
            if typed is not None:
                assert lateness_s(typed).to_pylist() == [(NOON_MS - row.event_time_ms) / 1000 for row in late]
        assert not found
    assert seen > 100


def test_a_batch_in_time_has_none() -> None:
    assert late_of([batch({MEASURED: [Row(1, NOON_MS, DATA[MEASURED], recorded_time_ms=NOON_MS)]})]) == []
