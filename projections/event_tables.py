"""One table per event type, derived from its pydantic model.

Repetition: the engine keeps one row per ``(scope, event_time, source, event_id)``, the one with the greatest
``version_key``. That key is the complement of the log coordinate, so the *first* record of an event wins, as it does
for everything else that reads the log, and a later record under the same id cannot rewrite history. An event and its
repetitions share a partition (the key is the community), where offsets order them; should a sender have forced two
partitions by hand, the partition number breaks the tie, so the outcome still depends on the log alone and never on
who inserted when. 48 bits of offset and 16 of partition are more than any log here will reach.

``by_offset`` lets the rollup find what is new: offsets rise with time, so within a granule (rows of one scope, close in
time) they lie close together, and all granules but the newest are skipped. ``recorded_time`` would serve as well but is
not unique, so a border could fall between two rows of one millisecond.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from projections.ddl import Column, Index, Table, scope_aliases
from schemas.base import EventType

DATETIME = "DateTime64(3, 'UTC')"
LOW = "LowCardinality(String)"

# Names and codes of which a city has hundreds, not millions: kept as a dictionary.
FEW_VALUES = frozenset(
    {
        "activity", "app", "detector", "gate", "hut", "kind", "lot", "model", "model_version", "page", "reason",
        "rule", "service", "station", "tenant", "unit", "venue",
    }
)  # fmt: skip

ENVELOPE_COLUMNS: tuple[Column, ...] = (
    Column("event_time", DATETIME, "事件时间 when it happened, UTC", codec="Delta(8), LZ4"),
    Column("recorded_time", DATETIME, "记录时间 when it was appended to the log, UTC", codec="Delta(8), LZ4"),
    Column("scope", LOW, "市/区/街道/社区/网格 scope path city/district/street/community/grid"),
    Column("source", LOW, "来源 who said it, a URI reference"),
    Column("event_id", "String", "事件号 id of the event, unique with source"),
)
LOG_COLUMNS: tuple[Column, ...] = (
    Column("log_topic", LOW, "日志主题 topic of the record"),
    Column("log_partition", "UInt32", "日志分区 partition of the record"),
    Column("log_offset", "UInt64", "日志位点 offset of the record", codec="Delta(8), LZ4"),
    Column(
        "version_key", "UInt64", "首条记录取值最大 the first record of an event has the greatest: it wins",
        "MATERIALIZED bitNot(bitShiftLeft(log_offset, 16) + log_partition)", "Delta(8), LZ4",
    ),
)  # fmt: skip
_INTEGERS = (
    ("UInt8", 0, 2**8 - 1), ("UInt16", 0, 2**16 - 1), ("UInt32", 0, 2**32 - 1),
    ("Int8", -(2**7), 2**7 - 1), ("Int16", -(2**15), 2**15 - 1), ("Int32", -(2**31), 2**31 - 1),
)  # fmt: skip


def event_table(event_type: EventType) -> Table:
    """The table of a type's rows, in its latest version."""
    fields = event_type.latest.model_fields
    reserved = {column.name for column in (*ENVELOPE_COLUMNS, *LOG_COLUMNS, *scope_aliases())}
    if clash := reserved & set(fields):
        raise ValueError(f"{event_type.name}: fields {sorted(clash)} have names of the table's own columns")
    return Table(
        name=event_type.table,
        comment=f"{event_type.title_zh} {event_type.title_en}: {event_type.wire_name}. 查询请加 FINAL; read with FINAL",
        columns=(
            *ENVELOPE_COLUMNS,
            *data_columns(event_type),
            *LOG_COLUMNS,
            *time_aliases(event_type),
            *scope_aliases(),
        ),
        engine="ReplacingMergeTree(version_key)",
        order_by=("scope", "event_time", "source", "event_id"),
        partition_by="toYYYYMM(event_time)",
        indexes=(Index("by_offset", "log_offset"),),
    )


def data_columns(event_type: EventType) -> tuple[Column, ...]:
    """One column per field of the model, in the model's order."""
    return tuple(
        Column(name, clickhouse_type(name, field), field.description or name)
        for name, field in event_type.latest.model_fields.items()
    )


def time_aliases(event_type: EventType) -> tuple[Column, ...]:
    """Fields that are epoch milliseconds, readable as times."""
    columns = []
    for name, field in event_type.latest.model_fields.items():
        if name.endswith("_time_ms"):
            optional = _without_none(field.annotation)[1]
            comment = (field.description or name).replace(", epoch ms", ", UTC")
            columns.append(
                Column(
                    name.removesuffix("_ms"), f"Nullable({DATETIME})" if optional else DATETIME, comment,
                    f"ALIAS fromUnixTimestamp64Milli({name}, 'UTC')",
                )
            )  # fmt: skip
    return tuple(columns)


def clickhouse_type(name: str, field: FieldInfo) -> str:
    """The narrowest type that holds every value the model allows; Nullable only where the model is optional."""
    bare, optional = _without_none(field.annotation)
    if get_origin(bare) is Literal or (bare is str and name in FEW_VALUES):
        return "LowCardinality(Nullable(String))" if optional else LOW
    plain = _plain_type(bare, field.metadata)
    return f"Nullable({plain})" if optional else plain


def _plain_type(bare: Any, metadata: Iterable[Any]) -> str:
    if bare is str:
        return "String"
    if bare is bool:
        return "Bool"
    if bare is float:
        return "Float64"
    if bare is int:
        return _integer_type(metadata)
    raise TypeError(f"no ClickHouse type for {bare!r}")


def _integer_type(metadata: Iterable[Any]) -> str:
    lowest = highest = None
    for bound in metadata:
        lowest = getattr(bound, "ge", lowest)
        highest = getattr(bound, "le", highest)
    if lowest is None:
        return "Int64"
    if highest is None:
        return "UInt64" if lowest >= 0 else "Int64"
    return next((name for name, low, high in _INTEGERS if low <= lowest and highest <= high), "Int64")


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """The annotation without ``| None`` and without ``Annotated``, and whether None was allowed."""
    if get_origin(annotation) in (Union, types.UnionType):
        options = [option for option in get_args(annotation) if option is not type(None)]
        if len(options) != 1:
            raise TypeError(f"a field must have one type, not {annotation!r}")
        return _bare(options[0]), True
    return _bare(annotation), False


def _bare(annotation: Any) -> Any:
    return annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation
