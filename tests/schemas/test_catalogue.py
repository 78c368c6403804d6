"""The declarations fit together: types, versions, tables, topics and metrics."""

from __future__ import annotations

import re

import pytest

from schemas.base import EventType
from schemas.catalogue import BY_NAME, EVENT_TYPES
from schemas.compile import compile_model, data_schema
from schemas.families.readings import QUANTITIES
from schemas.metrics import BY_NAME as METRICS_BY_NAME
from schemas.metrics import METRICS, Metric
from schemas.topics import DOMAIN_FAMILIES, SYSTEM_FAMILIES, murmur2, partition_key, partition_of


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.name)
def test_types_are_declared_consistently(event_type: EventType) -> None:
    assert event_type.family in DOMAIN_FAMILIES + SYSTEM_FAMILIES
    assert re.fullmatch(rf"cn\.gridpulse\.{event_type.family}\.[a-z_]+", event_type.name)
    assert [model.version for model in event_type.models] == list(range(1, event_type.version + 1))
    assert {model.type_name for model in event_type.models} == {event_type.name}
    assert {model.family for model in event_type.models} == {event_type.family}
    assert len(event_type.upcasters) == event_type.version - 1
    assert all(info.description for model in event_type.models for info in model.model_fields.values())


def test_names_and_tables_are_unique() -> None:
    assert len(BY_NAME) == len(EVENT_TYPES)
    assert len(METRICS_BY_NAME) == len(METRICS)
    tables = [event_type.table for event_type in EVENT_TYPES if event_type.table]
    assert len(set(tables)) == len(tables)


def test_every_latest_model_goes_the_fast_path() -> None:
    assert [event_type.name for event_type in EVENT_TYPES if compile_model(event_type.latest) is None] == []


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metrics_refer_to_existing_columns(metric: Metric) -> None:
    schema = data_schema(BY_NAME[metric.type_name])
    columns = {field.name: str(field.type) for field in schema}
    assert len(metric.dimensions) <= 2
    assert set(metric.dimensions) | set(metric.where) <= set(columns)
    if metric.aggregate == "count":
        assert metric.value_column is None
    else:
        assert metric.value_column is not None
        kind = columns[metric.value_column]
        assert kind in (("string",) if metric.aggregate == "uniq" else ("double", "int64", "bool"))
    for column, value in metric.where.items():
        allowed = BY_NAME[metric.type_name].latest.model_json_schema()["properties"][column]
        assert value in allowed.get("enum", [value])
    if metric.type_name.endswith("readings.measured"):
        assert metric.unit == QUANTITIES[str(metric.where["quantity"])][0]


def test_every_quantity_is_documented_in_the_model() -> None:
    quantity = BY_NAME["cn.gridpulse.readings.measured"].latest.model_json_schema()["properties"]["quantity"]
    assert quantity["enum"] == list(QUANTITIES)


@pytest.mark.parametrize(
    ("key", "signed"), [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)]
)
def test_murmur2_is_that_of_kafka(key: bytes, signed: int) -> None:
    """Vectors of Kafka's own UtilsTest.testMurmur2."""
    assert murmur2(key) == signed & 0xFFFFFFFF
    assert partition_of(key, 12) == (signed & 0x7FFFFFFF) % 12


def test_the_partition_key_is_the_community() -> None:
    assert partition_key("wuhu/jinghu/tingtang/jianyang/g03") == "wuhu/jinghu/tingtang/jianyang"
    assert partition_key("wuhu/jinghu") == "wuhu/jinghu"
