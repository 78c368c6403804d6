"""What the database is made of, as values: columns, tables, views; and the DDL that makes them.

Statements are idempotent (``IF NOT EXISTS``) and name no database: they act on the one the client is connected to.
"""

from __future__ import annotations

from dataclasses import dataclass


def quoted(text: str) -> str:
    """A ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``computed``: ``ALIAS …`` or ``MATERIALIZED …``; such columns are not inserted.

    ``read_as``: SQL of what it says, where it holds the state of an aggregate function.
    """

    name: str
    type: str
    comment: str
    computed: str = ""
    codec: str = ""
    read_as: str = ""

    @property
    def reading(self) -> str:
        """SQL of what it says."""
        return self.read_as or self.name

    @property
    def is_alias(self) -> bool:
        return self.computed.startswith("ALIAS ")

    def ddl(self) -> str:
        parts = [f"`{self.name}` {self.type}", self.computed, f"COMMENT {quoted(self.comment)}"]
        if self.codec:
            parts.append(f"CODEC({self.codec})")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Index:
    """A data skipping index."""

    name: str
    expression: str
    type: str = "minmax"
    granularity: int = 1

    def ddl(self) -> str:
        return f"INDEX {self.name} {self.expression} TYPE {self.type} GRANULARITY {self.granularity}"


@dataclass(frozen=True, slots=True)
class Table:
    """One MergeTree table."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    engine: str
    order_by: tuple[str, ...]
    partition_by: str = ""
    indexes: tuple[Index, ...] = ()
    granule_rows: int | None = None  # rows that are read together at least; None: the engine's own 8192

    def column(self, name: str) -> Column:
        """:raises KeyError: no such column."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def ddl(self) -> str:
        parts = [column.ddl() for column in self.columns] + [index.ddl() for index in self.indexes]
        body = ",\n".join("    " + part for part in parts)
        lines = [f"CREATE TABLE IF NOT EXISTS {self.name}\n(\n{body}\n)", f"ENGINE = {self.engine}"]
        if self.partition_by:
            lines.append(f"PARTITION BY {self.partition_by}")
        lines.append(f"ORDER BY ({', '.join(self.order_by)})")
        if self.granule_rows is not None:
            lines.append(f"SETTINGS index_granularity = {self.granule_rows}")
        lines.append(f"COMMENT {quoted(self.comment)}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class View:
    """A plain view: no rows of its own; it finalises what it reads, so it needs no FINAL."""

    name: str
    comment: str
    select: str
    columns: tuple[tuple[str, str], ...]  # name, what it means

    def ddl(self) -> str:
        return f"CREATE VIEW IF NOT EXISTS {self.name} AS\n{self.select}\nCOMMENT {quoted(self.comment)}"


@dataclass(frozen=True, slots=True)
class MaterializedView:
    """Runs on each block inserted into ``source`` and inserts into ``target``, whose engine must absorb repetition."""

    name: str
    comment: str
    source: str
    target: str
    select: str

    def ddl(self) -> str:
        return (
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {self.name} TO {self.target} AS\n{self.select}\n"
            f"COMMENT {quoted(self.comment)}"
        )


Declared = Table | View | MaterializedView

SCOPE_LEVELS: tuple[tuple[str, str], ...] = (
    ("city", "市 city"),
    ("district", "区县 district"),
    ("street", "街道 street"),
    ("community", "社区 community"),
    ("grid", "网格 grid"),
)


SMALL_GRANULE_ROWS = 1024
"""For tables that are read by key, a community or a list of devices at a time: the engine's own granules hold sixteen
communities, and each part that has one of a question's rows costs a whole granule."""


def scope_segment(position: int, scope: str = "scope") -> str:
    """SQL of one level of the scope path, empty where the path is shorter."""
    return f"splitByChar('/', {scope})[{position}]"


def scope_aliases() -> tuple[Column, ...]:
    """The levels of the scope path as columns that cost nothing until they are read."""
    return tuple(
        Column(name, "LowCardinality(String)", f"{title}：scope 的一级 level {position} of scope",
               f"ALIAS {scope_segment(position)}")
        for position, (name, title) in enumerate(SCOPE_LEVELS, 1)
    )  # fmt: skip


def scope_select(scope: str = "scope") -> str:
    """The same levels for a view's select list."""
    return ", ".join(f"{scope_segment(i, scope)} AS {name}" for i, (name, _) in enumerate(SCOPE_LEVELS, 1))


SCOPE_VIEW_COLUMNS = tuple((name, title) for name, title in SCOPE_LEVELS)
COMMUNITY_PATH = "substringIndex(scope, '/', 4)"  # what a device's or person's name is unique within: the partition key
