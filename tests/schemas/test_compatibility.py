"""A change that would break stored events is refused, with what to do; a harmless one passes."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, create_model, model_validator

from schemas.base import EventData, EventType
from schemas.catalogue import EVENT_TYPES
from schemas.compatibility import STORED, breaks, freeze, load_frozen, main, unfrozen
from schemas.families.civic import Case
from schemas.families.fields import Ref
from schemas.families.readings import QUANTITIES, Heartbeat, HeartbeatV1, Presence
from schemas.families.system import ApiKey, Detection
from schemas.shape import ENVELOPE, IncompatibleError, catalogue_digest, shapes

Quantities = dict[str, tuple[str, float, float]]


def altered(model: type[EventData], *without: str, **fields: Any) -> type[EventData]:
    """The model with fields replaced, added or left out."""
    kept: dict[str, Any] = {name: (info.annotation, info) for name, info in model.model_fields.items()}
    kept = {name: field for name, field in kept.items() if name not in without} | fields
    new = create_model(model.__name__, __base__=EventData, **kept)
    new.type_name, new.version, new.family = model.type_name, model.version, model.family
    return new


def with_model(model: type[EventData]) -> list[EventType]:
    """The catalogue with one model in the place of its namesake."""
    return [
        replace(one, models=tuple(model if each.version == model.version else each for each in one.models))
        if one.name == model.type_name
        else one
        for one in EVENT_TYPES
    ]


def with_type(model: type[EventData], **changes: Any) -> list[EventType]:
    return [replace(one, **changes) if one.name == model.type_name else one for one in EVENT_TYPES]


def broken_by(event_types: list[EventType], quantities: Quantities = QUANTITIES) -> list[str]:
    return breaks(load_frozen(), shapes(event_types, quantities), event_types)


class _Checked(Presence):
    @model_validator(mode="after")
    def _never(self) -> _Checked:
        raise ValueError("impossible_value: never")


FORBIDDEN: dict[str, tuple[list[EventType], str]] = {
    "a type removed": ([one for one in EVENT_TYPES if one.name != Case.type_name], "civic.case.v1 is gone"),
    "a version removed": (
        with_type(Heartbeat, models=(Heartbeat,), upcasters=()),
        "readings.heartbeat.v1 is gone",
    ),
    "an upcaster removed": (with_type(Heartbeat, upcasters=()), "upcasters are missing"),
    "a field removed": (with_model(altered(Case, "alert")), "field alert was removed"),
    "a field renamed": (
        with_model(altered(Case, "rating", stars=(int | None, None))),
        "field rating was removed or renamed",
    ),
    "a unit suffix changed": (
        with_model(altered(Case, "deadline_h", deadline_s=(float | None, None))),
        "field deadline_h was removed or renamed",
    ),
    "a new required field": (with_model(altered(Case, operator=(str, ...))), "field operator is new and required"),
    "a new field with a default": (
        with_model(altered(Case, priority=(int, 3))),
        "field priority is new and has a default",
    ),
    "an optional field required": (
        with_model(altered(Case, rating=(int, Field(ge=1, le=5)))),
        "field rating is required now",
    ),
    "a type changed": (with_model(altered(Detection, score=(int, ...))), "the type changed from number to integer"),
    "a type widened": (with_model(altered(ApiKey, note=(int | str | None, None))), "its column would change"),
    "a maximum lowered": (
        with_model(altered(Case, rating=(int | None, Field(None, ge=1, le=4)))),
        "maximum was narrowed from 5 to 4",
    ),
    "a minimum raised": (
        with_model(altered(HeartbeatV1, battery_percent=(float | None, Field(None, ge=1.0, le=100.0)))),
        "minimum was narrowed from 0.0 to 1.0",
    ),
    "a bound made exclusive": (
        with_model(altered(HeartbeatV1, battery_percent=(float | None, Field(None, gt=0.0, le=100.0)))),
        "exclusiveMinimum was narrowed from none to 0.0",
    ),
    "a bound where there was none": (
        with_model(altered(Detection, score=(float, Field(ge=0.0)))),
        "minimum was narrowed from none",
    ),
    "a length shortened": (
        with_model(altered(Detection, reason_en=(str, Field(max_length=200)))),
        "maxLength was narrowed from 500 to 200",
    ),
    "a pattern changed": (
        with_model(altered(ApiKey, key_sha256=(str, Field(pattern="^[0-9a-f]{32}$")))),
        "the pattern changed",
    ),
    "a pattern where there was none": (
        with_model(altered(Detection, rule=(str, Field(max_length=64, pattern="^[a-z_]*$")))),
        "the pattern changed from none",
    ),
    "a value removed": (
        with_model(altered(Presence, signal=(Literal["infrared", "door_open", "door_close", "water"], ...))),
        "value power was removed",
    ),
    "values where any text was allowed": (
        with_model(altered(Detection, rule=(Literal["unusual_hour"], ...))),
        "only unusual_hour are allowed now",
    ),
    "a default changed": (
        with_model(altered(Case, rating=(int | None, Field(5, ge=1, le=5)))),
        "the default changed from None to 5",
    ),
    "a rule of the whole event": (with_model(_Checked), "a rule over the whole event is new"),
    "an unknown keyword": (
        with_model(altered(Case, rating=(int | None, Field(None, ge=1, le=5, multiple_of=2)))),
        "the keyword multipleOf changed",
    ),
    "a table renamed": (with_type(Case, table="cases"), "table changed from civic_cases to cases"),
    "another topic": (with_type(Case, family="online"), "topic changed from gridpulse.civic to gridpulse.online"),
}
ALLOWED: dict[str, list[EventType]] = {
    "a new optional field": with_model(altered(Case, operator=(str | None, None))),
    "a required field made optional": with_model(altered(Case, case=(str | None, Field(None, max_length=64)))),
    "wider bounds": with_model(altered(Case, rating=(int | None, Field(None, ge=0, le=10)))),
    "no bounds": with_model(altered(Case, deadline_h=(float | None, None))),
    "a longer text": with_model(altered(Detection, reason_en=(str, Field(max_length=900)))),
    "no pattern": with_model(altered(ApiKey, key_sha256=(str, ...))),
    "a new value": with_model(altered(Case, service=(Literal["grid", "repair", "hotline"], ...))),
    "any text": with_model(altered(Case, service=(str, ...))),
    "better words": with_model(altered(Case, case=(Ref, Field(description="工单 the case")))),
    "a new type": [
        *EVENT_TYPES,
        EventType("cn.gridpulse.civic.fence", "civic", "电子围栏", "fences", "fences", (Presence,)),
    ],
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_breaks_stored_events_is_refused_with_what_to_do(name: str) -> None:
    event_types, says = FORBIDDEN[name]
    (sentence,) = (one for one in broken_by(event_types) if says in one)
    assert "new version" in sentence or "Add one from each version to the next" in sentence


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_harmless_passes(name: str) -> None:
    assert broken_by(ALLOWED[name]) == []


def test_units_and_limits_of_quantities_stay() -> None:
    def said(change: Callable[[Quantities], Any]) -> list[str]:
        quantities = dict(QUANTITIES)
        change(quantities)
        return broken_by(list(EVENT_TYPES), quantities)

    assert "quantity smoke was removed" in said(lambda known: known.pop("smoke"))[0]
    assert "the unit changed from L/s to m3/h" in said(lambda known: known.update(water_flow=("m3/h", 0.0, 1e5)))[0]
    assert "maximum was narrowed from 300.0 to 250.0" in said(lambda q: q.update(heart_rate=("/min", 0.0, 250.0)))[0]
    assert said(lambda known: known.update(heart_rate=("/min", 0.0, 400.0), lux=("lx", 0.0, 200_000.0))) == []


def test_the_envelope_may_not_get_narrower() -> None:
    current = shapes()
    narrower = deepcopy(current[ENVELOPE])
    narrower["fields"]["id"]["maxLength"] = 64
    narrower["limits"]["max_event_bytes"] = 1024
    said = breaks(load_frozen(), {**current, ENVELOPE: narrower})
    assert [one.split(": ")[1:3] for one in said] == [
        ["field id", "maxLength was narrowed from 128 to 64"],
        ["max_event_bytes fell from 65536 to 1024", said[1].split(": ")[2]],
    ]


def test_a_new_version_with_an_upcaster_is_allowed() -> None:
    second = altered(Case, "rating", stars=(int | None, None))
    second.version = 2
    models = (Case, second)
    assert breaks(load_frozen(), shapes(with_type(Case, models=models)), with_type(Case, models=models))
    upcast = with_type(Case, models=models, upcasters=(lambda data: data,))
    assert broken_by(upcast) == []
    assert unfrozen(load_frozen(), shapes(upcast)) == [f"{Case.type_name}.v2"]


def test_what_is_frozen_is_today_s_and_an_optional_field_came_since() -> None:
    """The freeze began before ``detected_time_ms`` came to statuses and alerts; both shapes are kept."""
    assert main([]) == 0
    for name in ("cn.gridpulse.detections.device_status.v1", "cn.gridpulse.alerts.alert.v1"):
        first, second, *_ = load_frozen()[name]
        assert second["fields"].keys() - first["fields"].keys() == {"detected_time_ms"}


def test_freezing_adds_what_is_new_and_never_what_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    types = tmp_path / "types"
    types.mkdir()
    for path in (STORED / "types").glob("*.json"):
        (types / path.name).write_bytes(path.read_bytes())
    before = load_frozen(tmp_path)
    assert freeze(tmp_path) == []
    wider = with_model(altered(Case, operator=(str | None, None)))
    monkeypatch.setattr("schemas.compatibility.shapes", lambda: shapes(wider))
    assert freeze(tmp_path) == [f"{Case.type_name}.v1"]
    assert load_frozen(tmp_path)[f"{Case.type_name}.v1"][:-1] == before[f"{Case.type_name}.v1"]
    assert [one for one in breaks(load_frozen(tmp_path), shapes()) if "field operator was removed" in one]
    monkeypatch.setattr("schemas.compatibility.shapes", lambda: shapes(with_model(altered(Case, "alert"))))
    frozen = load_frozen(tmp_path)
    with pytest.raises(IncompatibleError, match="field alert was removed"):
        freeze(tmp_path)
    assert load_frozen(tmp_path) == frozen


def test_the_digest_of_the_catalogue_knows_rules_and_not_words() -> None:
    assert catalogue_digest() == catalogue_digest()
    assert shapes(ALLOWED["better words"]) == shapes()
    assert shapes(ALLOWED["wider bounds"]) != shapes()
