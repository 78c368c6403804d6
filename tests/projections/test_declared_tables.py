"""Tables derived from the models; no database."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field

from projections.ddl import Table
from projections.declare import docs, main
from projections.event_tables import event_table
from projections.metric_tables import metric_view
from projections.tables import BY_NAME, DATABASE, EVENT_TABLES
from schemas.base import EventData, EventType
from schemas.catalogue import EVENT_TYPES
from schemas.families.fields import Count, RatioValue, Ref
from schemas.metrics import METRICS

ROOT = Path(__file__).parents[2]


class Sample(EventData):
    type_name: ClassVar[str] = "cn.gridpulse.test.sample"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "test"

    device: Ref
    unit: str
    kind: Ref | None = None
    colour: Literal["red", "green"] | None = None
    share: RatioValue | None = None
    stars: int = Field(ge=1, le=5)
    floor: int | None = Field(None, ge=-10, le=200)
    visitors: Count
    anything: int
    raw_bytes: int = Field(ge=0)
    ok: bool
    seen_time_ms: int | None = Field(None, description="when it was seen, epoch ms")


def sample_type(model: type[EventData] = Sample) -> EventType:
    return EventType(model.type_name, "test", "样例", "samples", "samples", (model,))


def test_types_follow_the_model() -> None:
    table = event_table(sample_type())
    assert {name: table.column(name).type for name in Sample.model_fields} == {
        "device": "String",
        "unit": "LowCardinality(String)",
        "kind": "LowCardinality(Nullable(String))",
        "colour": "LowCardinality(Nullable(String))",
        "share": "Nullable(Float64)",
        "stars": "UInt8",
        "floor": "Nullable(Int16)",
        "visitors": "UInt32",
        "anything": "Int64",
        "raw_bytes": "UInt64",
        "ok": "Bool",
        "seen_time_ms": "Nullable(Int64)",
    }
    seen = table.column("seen_time")
    assert (seen.type, seen.is_alias) == ("Nullable(DateTime64(3, 'UTC'))", True)


def test_a_field_may_not_hide_a_column_of_the_table() -> None:
    class Clash(Sample):
        grid: str

    with pytest.raises(ValueError, match="grid"):
        event_table(sample_type(Clash))


def test_every_type_but_ticks_has_a_table_of_its_own() -> None:
    assert set(EVENT_TABLES) == {event_type.name for event_type in EVENT_TYPES if event_type.table}
    assert len(BY_NAME) == len(DATABASE)  # no name twice


@pytest.mark.parametrize("table", EVENT_TABLES.values(), ids=lambda table: table.name)
def test_event_tables_replace_by_the_event_and_keep_the_first_record(table: Table) -> None:
    assert table.order_by == ("scope", "event_time", "source", "event_id")
    assert table.engine == "ReplacingMergeTree(version_key)"
    assert table.partition_by == "toYYYYMM(event_time)"
    assert all(column.comment for column in table.columns)
    nullable = {column.name for column in table.columns if "Nullable" in column.type and not column.is_alias}
    model = next(t.latest for t in EVENT_TYPES if t.table == table.name)
    assert nullable == {name for name, field in model.model_fields.items() if type(None) in _options(field.annotation)}


def _options(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__args__", ())


def test_every_metric_has_a_view_with_its_own_dimension_names() -> None:
    for metric in METRICS:
        view = metric_view(metric)
        names = [name for name, _ in view.columns]
        assert len(set(names)) == len(names)
        assert set(metric.dimensions) < set(names)
        assert BY_NAME[f"metric_{metric.name}"] == view


def test_the_page_of_tables_is_up_to_date() -> None:
    """Regenerate with ``python -m projections.declare --docs > docs/tables.md``."""
    assert (ROOT / "docs" / "tables.md").read_text("utf-8") == docs()


def test_the_command_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dcos"]) == 2
    assert "--docs" in capsys.readouterr().err
