"""Schemas, golden examples and generated pages: derived from the catalogue, and as they are on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.catalogue import BY_NAME, EVENT_TYPES
from schemas.codec import Decoder
from schemas.event import Event
from schemas.export import (
    data_json_schema,
    event_json_schema,
    export_json_schemas,
    json_schema,
    model_of,
    render_events_markdown,
    render_metrics_markdown,
    wire_names,
)
from schemas.golden import golden_examples
from schemas.reasons import Reason
from schemas.records import RawBatch
from schemas.strict import Limits, parse_strict

DOCS = Path(__file__).parents[2] / "docs"
RECORDED_MS = 1_790_000_000_000
WIRE_NAMES = [name for event_type in EVENT_TYPES for name in wire_names(event_type)]
GOLDEN = golden_examples()


def test_every_type_and_version_has_a_golden_example() -> None:
    assert set(GOLDEN) == set(WIRE_NAMES)


@pytest.mark.parametrize("wire_name", WIRE_NAMES)
def test_golden_examples_decode_for_ever(wire_name: str) -> None:
    for value in GOLDEN[wire_name]:
        event = parse_strict(value, None, RECORDED_MS, Limits())
        assert isinstance(event, Event), event
        assert f"{event.event_type.name}.v{event.version}" == wire_name
        assert type(event.data) is event.event_type.latest
        decoded = Decoder(Limits()).decode(RawBatch.of("gridpulse.readings", 0, [0], [RECORDED_MS], [value]))
        assert decoded.dead == []


@pytest.mark.parametrize("wire_name", WIRE_NAMES)
def test_golden_examples_fit_the_exported_schemas(wire_name: str) -> None:
    for schema in (event_json_schema(wire_name), data_json_schema(wire_name)):
        Draft202012Validator.check_schema(schema)
    for value in GOLDEN[wire_name]:
        event = json.loads(value)
        assert _errors(event_json_schema(wire_name), event) == []
        assert _errors(data_json_schema(wire_name), event["data"]) == []
        assert _errors(event_json_schema(wire_name), {**event, "scope": "Wuhu"}) != []
        assert _errors(data_json_schema(wire_name), {**event["data"], "unheard_of": 1}) != []


def _errors(schema: dict[str, Any], instance: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(instance)]


def test_schemas_are_written_to_files(tmp_path: Path) -> None:
    written = export_json_schemas(tmp_path / "schemas")
    assert len(written) == 2 * len(WIRE_NAMES)
    path = tmp_path / "schemas" / "cn.gridpulse.readings.heartbeat.v2.json"
    assert json.loads(path.read_bytes()) == json_schema(BY_NAME["cn.gridpulse.readings.heartbeat"])


def test_models_are_found_by_wire_name() -> None:
    for event_type in EVENT_TYPES:
        assert [model_of(name) for name in wire_names(event_type)] == list(event_type.models)
    with pytest.raises(KeyError):
        model_of("cn.gridpulse.readings.heartbeat.v3")


@pytest.mark.parametrize(
    ("page", "rendered"), [("events.md", render_events_markdown), ("metrics.md", render_metrics_markdown)]
)
def test_generated_pages_are_up_to_date(page: str, rendered: Any) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == rendered(), "run `python -m schemas.export docs`"


def test_pages_name_every_type_metric_and_reason() -> None:
    page = render_events_markdown()
    for event_type in EVENT_TYPES:
        assert f"### {event_type.title_zh} {event_type.title_en}" in page
    for reason in Reason:
        assert f"| `{reason}` | {reason.title_zh} | {reason.title_en} |" in page
        assert not reason.title_zh.isascii()
