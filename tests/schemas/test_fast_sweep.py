"""Every kind of value in every field of every type, on the fast path: never accepted but as the strict path does.

Cutting and parsing are tried each alone. The values go in batches of one Arrow type, so that the parse succeeds and the
checks over columns must decide.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import pytest

from schemas import parse
from schemas.admit import Accepted, FastType
from schemas.catalogue import EVENT_TYPES
from schemas.event import Event
from schemas.families.readings import QUANTITIES
from schemas.fast import Thresholds, accept
from schemas.strict import Limits, Rejected, parse_strict
from tests.schemas.inputs import ATTRIBUTES, GOLDEN, NUMBERS, OTHERS, RECORDED_MS, TEXTS, encoded, with_change, without

LIMITS = Limits()
KINDS = {wire_name: kind for event_type in EVENT_TYPES for wire_name, kind in FastType.of(event_type).items()}
KNOWN = [event for event in GOLDEN if event["type"] in KINDS]
MEASURED = next(event for event in KNOWN if event["type"].endswith("measured.v1"))


def sort_of_value(value: Any) -> str:
    """Values of one sort parse together."""
    if isinstance(value, str):
        return "broken text" if "\ud800" in value else "text"
    if isinstance(value, int) and abs(value) >= 2**63:
        return f"large integer {len(str(value))}"
    return type(value).__name__


def batches(values: tuple[Any, ...]) -> list[list[Any]]:
    return [list(same) for _, same in groupby(sorted(values, key=sort_of_value), key=sort_of_value)]


NEVER = 10**9
CUT, PARSE = Thresholds(cut=1, parse=NEVER), Thresholds(cut=NEVER, parse=1)


def accepted_by(how: Thresholds, values: list[bytes]) -> list[Accepted]:
    """What one way of reading takes, on its own."""
    recorded = np.full(len(values), RECORDED_MS, dtype=np.int64)
    return list(accept(values, np.arange(len(values)), recorded, KINDS, LIMITS, how))


def check_fast(events: list[dict[str, Any]]) -> int:
    """Each way of reading against the strict path. Returns how many the less willing one accepted."""
    values = [encoded(event) for event in events]
    outcomes = [parse_strict(value, None, RECORDED_MS, LIMITS) for value in values]
    return min(check_accepted(accepted_by(how, values), outcomes, values) for how in (CUT, PARSE))


def check_accepted(found: list[Accepted], outcomes: list[Event | Rejected], values: list[bytes]) -> int:
    """Every row accepted is the strict path's event. Returns how many there are."""
    count = 0
    for rows in found:
        for of_type in rows.types:
            at = rows.at[of_type.rows]
            fields = of_type.data.to_pylist() if of_type.data.num_columns else [{}] * len(at)  # a tick has none
            texts = [column.to_pylist()[of_type.rows] for column in (rows.id, rows.source, rows.scope)]
            for place, event_time_ms, data, *given in zip(
                at, rows.event_time_ms[of_type.rows], fields, *texts, strict=True
            ):
                outcome = outcomes[place]
                assert isinstance(outcome, Event), (outcome, values[place])
                assert given == [outcome.id, outcome.source, outcome.scope]
                assert (event_time_ms, of_type.event_type) == (outcome.event_time_ms, outcome.event_type)
                assert data == outcome.data.model_dump()
                count += 1
        assert len(rows.at) == sum(of_type.rows.stop - of_type.rows.start for of_type in rows.types)
    return count


@pytest.mark.parametrize("event", KNOWN, ids=lambda event: str(event["id"]))
def test_every_value_in_every_data_field(event: dict[str, Any]) -> None:
    for name in (*event["data"], "unknown_field"):
        for values in batches((*TEXTS, *NUMBERS, *OTHERS)):
            check_fast([with_change(event, ("data", name), value) for value in values] + [event])
        check_fast([without(event, ("data", name)), event])


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_value_in_every_attribute(name: str) -> None:
    for values in batches((*ATTRIBUTES[name], *OTHERS)):
        changed = [with_change(MEASURED, (name,), value) for value in values if name != "type"]
        check_fast([MEASURED, *changed])
    check_fast([MEASURED, without(MEASURED, (name,))])


@pytest.mark.parametrize("name", ["id", "source", "time", "scope", "partitionkey"])
def test_good_rows_beside_doubted_ones_are_accepted(name: str) -> None:
    """Texts of an attribute parse in any case, so the rows that are right must not suffer from those that are not."""
    events = [with_change(MEASURED, (name,), value) for value in ATTRIBUTES[name] if sort_of_value(value) == "text"]
    for event in events:
        assert check_fast([MEASURED, event, MEASURED]) >= 2


def test_quantities_have_their_units_and_ranges() -> None:
    units = sorted({unit for unit, _, _ in QUANTITIES.values()})
    events = []
    for quantity, (_, lowest, highest) in QUANTITIES.items():
        for unit in units:
            for value in (lowest, highest, np.nextafter(lowest, -np.inf), np.nextafter(highest, np.inf)):
                data = {"device": "d", "quantity": quantity, "unit": unit, "value": float(value)}
                events.append({**MEASURED, "data": data})
    assert check_fast(events) == 2 * len(QUANTITIES)


def alone(values: list[bytes], how: Thresholds = PARSE) -> list[int]:
    """Which of the records one way of reading takes."""
    return sorted(int(at) for rows in accepted_by(how, values) for at in rows.at)


@pytest.mark.parametrize("how", [CUT, PARSE], ids=["cut", "parse"])
def test_records_can_not_run_into_each_other(how: Thresholds) -> None:
    good = encoded(MEASURED)
    assert alone([b'{"data":', b"{}}", good + good, good], how) == [3]
    assert alone([good[:-1], b"}", good + good, good], how) == [3]
    assert alone([b'{"subject":"', b'"}', good + good, good], how) == [3]
    assert alone([good, b"", good], how) == [0, 2]
    assert alone([good + b"\0" + good, b"{}", good], how) == [2]
    assert alone([good, good[:40], good[40:], good[:-9], good[-9:], good], how) == [0, 5]


def test_a_wrongly_guessed_type_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    good = encoded(MEASURED)
    other = encoded({**MEASURED, "type": "cn.gridpulse.readings.sos.v1"})
    wire_name = MEASURED["type"].encode()
    monkeypatch.setattr(parse, "_by_type", lambda values: {wire_name: list(range(len(values)))})
    assert alone([other, good, other]) == [1]


@pytest.mark.parametrize("how", [CUT, PARSE], ids=["cut", "parse"])
def test_data_must_be_there_even_where_it_has_no_fields(how: Thresholds) -> None:
    tick = next(event for event in KNOWN if event["type"].endswith("tick.v1"))
    values = [encoded(event) for event in (tick, without(tick, ("data",)), {**tick, "data": None})]
    assert alone(values, how) == [0]


def test_deep_nesting_never_reaches_the_recursive_parser() -> None:
    good = encoded(MEASURED)
    for deep in (b"[" * 30_000 + b"]" * 30_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000):
        for spot in (b'"subject":', b'"x":', b'"data":', b'"data":{"device":', b'"data":{"x":'):
            end = b"}}" if b'{"' in spot else b"}"
            assert alone([good, b"{" + spot + deep + end, good]) == [0, 2]
        assert alone([good, deep, good]) == [0, 2]
