"""``gridpulse rescale``: the log copied into a new one with another number of partitions, and verified."""

from __future__ import annotations

from typing import Any

from gridpulse.cli.output import progress_bar
from gridpulse.exit import StartError
from gridpulse.settings import Settings
from schemas.topics import ALL_TOPICS
from streams.clocks import wall_clock
from streams.log import EventLog
from streams.log_copy import TopicReport, copy_log
from streams.log_url import open_log


def rescale(settings: Settings, to_url: str, partitions: int, *, resume: bool, quiet: bool) -> dict[str, Any]:
    """Copy the log of the settings into that of ``to_url``; what was copied.

    :raises StartError: there is no log yet.
    :raises streams.log.LogError: one of them can't be used, or the copy is not whole.
    """
    if settings.log_url is None and not (settings.data_dir / "log.sqlite").exists():
        raise StartError(f"there is no log in {settings.data_dir}: give --data-dir, or set GRIDPULSE_LOG_URL")
    with (
        open_log(settings.effective_log_url, wall_clock) as source,
        open_log(to_url, wall_clock) as target,
        progress_bar(quiet) as bar,
    ):
        total = 2 * _records(source)
        task = bar.add_task("复制与核对 · records copied, then verified", total=total)
        reports = copy_log(
            source, target, partitions, resume=resume, advance=lambda records: bar.advance(task, records)
        )
        bar.update(task, completed=total)  # what was left out needs no verifying
        return _result(reports, partitions)


def next_steps(partitions: int) -> str:
    """What is left to do, for people."""
    return (
        "已核对,旧日志未动 · verified; the old log is untouched. 接下来 · next: "
        f"set GRIDPULSE_PARTITIONS={partitions} and GRIDPULSE_LOG_URL to the copy, choose a new database "
        "(docs/operations.md, Rescale), start"
    )


def _records(log: EventLog) -> int:
    topics = list(log.describe(ALL_TOPICS).partitions)
    earliest = log.earliest_offsets(topics)
    return sum(end - earliest[where] for where, end in log.end_offsets(topics).items())


def _result(reports: list[TopicReport], partitions: int) -> dict[str, Any]:
    left_out: dict[str, int] = {}
    for report in reports:
        for kind, count in report.left_out.items():
            left_out[kind] = left_out.get(kind, 0) + count
    return {
        "partitions": partitions,
        "records": sum(report.records for report in reports),
        "appended": sum(report.appended for report in reports),
        "left_out": left_out,
        "verified": True,
        "topics": [
            {
                "topic": report.topic,
                "from_partitions": report.from_partitions,
                "records": report.records,
                "digest": report.digest,
            }
            for report in reports
        ],
    }
