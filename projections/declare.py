"""``python -m projections.declare``: the declared database as DDL; with ``--docs`` as the page ``docs/tables.md``.

A migration is written from this output by hand: take the statements of what is new, or alter what has changed.
"""

from __future__ import annotations

import sys

from projections.ddl import MaterializedView, Table, View
from projections.event_tables import ENVELOPE_COLUMNS, LOG_COLUMNS
from projections.late_tables import LATE_EVENTS
from projections.state_tables import LATEST
from projections.tables import DATABASE, EVENT_TABLES

_COMMON = {column.name for column in (*ENVELOPE_COLUMNS, *LOG_COLUMNS)} | {
    "city", "district", "street", "community", "grid",
}  # fmt: skip


def ddl() -> str:
    """All statements, in order, each ended by a semicolon at the end of a line."""
    return "\n\n".join(declared.ddl() + ";" for declared in DATABASE) + "\n"


def docs() -> str:
    """The page of the tables, in Markdown."""
    events = list(EVENT_TABLES.values())
    event_names = {table.name for table in events}
    views = [declared for declared in DATABASE if isinstance(declared, View)]
    metric_views = [view for view in views if view.name.startswith("metric_")]
    others = [d for d in DATABASE if isinstance(d, Table) and d.name not in event_names]
    parts = [
        _INTRODUCTION,
        "## 事件表 Event tables\n",
        "每张表都有 these columns are in every event table:\n",
        _column_table([(c.name, c.type, c.comment) for c in events[0].columns if c.name in _COMMON]),
        *(_event_section(table) for table in events),
        "## 视图 Views\n\n视图无需 `FINAL`。 Views need no `FINAL`.\n",
        *(_view_section(view) for view in views if view not in metric_views),
        "## 指标视图 Metric views\n\n每个视图含 `grain`（`minute`、`hour`、`day`），请选其一。 "
        "Each has rows of every `grain`: choose one.\n",
        _metric_table(metric_views),
        "## 其他表 Other tables\n",
        *(_table_section(table) for table in others),
        "## 如何填充 How they are fed\n",
        *(f"* `{d.name}`: `{d.source}` → `{d.target}`" for d in DATABASE if isinstance(d, MaterializedView)),
        f"* `{LATE_EVENTS.name}`: 由写入进程填写 listed by the writer, from every type that can be late",
    ]
    return "\n".join(parts) + "\n"


_INTRODUCTION = """# 数据表 Tables

由 `python -m projections.declare --docs` 生成，请勿手工修改。 Generated; do not edit.

事件表与汇总表会收到重复行，查询时请加 `FINAL`。
Event tables and rollups may hold repeated rows: read them with `FINAL`.

```sql
SELECT toStartOfHour(event_time) AS hour, community, count() FROM passages FINAL
WHERE direction = 'in' AND event_time >= now() - INTERVAL 1 DAY GROUP BY ALL ORDER BY ALL;

SELECT window_start, device, value FROM metric_noise_laeq
WHERE grain = 'hour' AND scope LIKE 'wuhu/jinghu/%' ORDER BY window_start;

SELECT status, count() FROM devices GROUP BY status;
```
"""


def _column_table(rows: list[tuple[str, str, str]]) -> str:
    lines = ["| 列 column | 类型 type | 含义 meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | `{kind}` | {_cell(comment)} |" for name, kind, comment in rows]
    return "\n".join(lines) + "\n"


def _event_section(table: Table) -> str:
    own = [(c.name, c.type, c.comment) for c in table.columns if c.name not in _COMMON]
    return f"### {table.name}\n\n{_cell(table.comment)}\n\n{_column_table(own)}"


def _table_section(table: Table) -> str:
    state_of = {latest.table for latest in LATEST} | {"alerts_state"}
    if table.name in state_of:
        return f"### {table.name}\n\n{_cell(table.comment)}\n"
    rows = [(c.name, c.type, c.comment) for c in table.columns if not c.is_alias]
    key = f"`{table.engine}`, `ORDER BY ({', '.join(table.order_by)})`"
    return f"### {table.name}\n\n{_cell(table.comment)}\n\n{key}\n\n{_column_table(rows)}"


def _view_section(view: View) -> str:
    lines = ["| 列 column | 含义 meaning |", "|---|---|", *(f"| `{n}` | {_cell(c)} |" for n, c in view.columns)]
    return f"### {view.name}\n\n{_cell(view.comment)}\n\n" + "\n".join(lines) + "\n"


def _metric_table(views: list[View]) -> str:
    lines = ["| 视图 view | 含义 meaning | 维度 dimensions |", "|---|---|---|"]
    for view in views:
        dimensions = ", ".join(f"`{name}`" for name, comment in view.columns if comment == "维度 dimension")
        lines.append(f"| `{view.name}` | {_cell(view.comment)} | {dimensions} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Print what was asked for; the exit code."""
    if arguments not in ([], ["--docs"]):
        sys.stderr.write("usage: python -m projections.declare [--docs]\n")
        return 2
    sys.stdout.write(docs() if arguments else ddl())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
