"""The account at the end of a chaos run: every acknowledged event held against the log and against ClickHouse.

Counts identities (16-byte digests of source and id), each looked up by itself in what the log gives back decoded and in
what the tables give back with ``FINAL``: no count of one side is ever compared with a count of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Final

from projections.client import Client
from projections.ddl import Table
from projections.tables import EVENT_TABLES
from replay.fill import spans
from schemas.catalogue import BY_NAME
from schemas.codec import Decoded
from schemas.records import RawBatch
from schemas.topics import DOMAIN_TOPICS, SYSTEM_FAMILIES
from streams.log import EventLog
from streams.pages import pages
from streams.recent_ids import Digest, digest_of

_SHOWN: Final = 5
Decode = Callable[[RawBatch], Decoded]
Identity = tuple[str, str]  # source, id


@dataclass(frozen=True, slots=True)
class Account:
    """All are numbers of identities. ``examples``: a few of what is wrong, to look for."""

    acknowledged: int
    in_log: int  # acknowledged ones that the log has
    in_clickhouse: int  # acknowledged ones that ClickHouse has
    lost: int  # acknowledged ones that are not in both
    duplicated: int  # rows beyond the first that share an identity
    rejected_in_log: int  # the log has what its sender was told is rejected
    unread_in_log: int  # records of the domain topics that nobody can read, though ingest let them in
    examples: tuple[str, ...]

    @property
    def faults(self) -> int:
        return self.lost + self.duplicated + self.rejected_in_log + self.unread_in_log


def account(log: EventLog, decode: Decode, client: Client, acknowledged: Set[Digest], rejected: Set[Digest]) -> Account:
    """Read everything once on each side. :raises LogError: :raises StoreError:"""
    unread: list[str] = []
    wrong: list[str] = []
    in_log: set[Digest] = set()
    for source, event_id in _identities_in_log(log, decode, unread):
        digest = digest_of(source, event_id)
        if digest not in in_log and digest in rejected and digest not in acknowledged:
            wrong.append(f"rejected, but in the log: {source} {event_id}")
        in_log.add(digest)
    in_clickhouse, twice = _once(_identities_in_tables(client))
    missing = [
        f"acknowledged and in the log, but not in ClickHouse: {source} {event_id}"
        for source, event_id in _missing(log, decode, (acknowledged & in_log) - in_clickhouse)
    ]
    gone = acknowledged - in_log
    examples = [f"acknowledged, but not in the log: digest {digest.hex()}" for digest in list(gone)[:_SHOWN]]
    examples += [*missing[:_SHOWN], *twice[:_SHOWN], *wrong[:_SHOWN], *unread[:_SHOWN]]
    return Account(
        acknowledged=len(acknowledged),
        in_log=len(acknowledged & in_log),
        in_clickhouse=len(acknowledged & in_clickhouse),
        lost=len(acknowledged - (in_log & in_clickhouse)),
        duplicated=len(twice),
        rejected_in_log=len(wrong),
        unread_in_log=len(unread),
        examples=tuple(examples),
    )


def _once(identities: Iterable[tuple[str, Identity]]) -> tuple[set[Digest], list[str]]:
    """The digests, and what came again."""
    seen: set[Digest] = set()
    twice: list[str] = []
    for table, (source, event_id) in identities:
        digest = digest_of(source, event_id)
        if digest in seen:
            twice.append(f"twice in ClickHouse ({table}): {source} {event_id}")
        seen.add(digest)
    return seen, twice


def _missing(log: EventLog, decode: Decode, digests: Set[Digest]) -> Iterator[Identity]:
    """Names of digests: read from the log again, which is only needed when something is wrong."""
    if digests:
        named = {digest_of(*one): one for one in _identities_in_log(log, decode, [])}
        yield from (named[digest] for digest in digests)


def _identities_in_log(log: EventLog, decode: Decode, unread: list[str]) -> Iterator[Identity]:
    for span in spans(log, DOMAIN_TOPICS, log.end_offsets(DOMAIN_TOPICS)):
        for batch in pages(log, span.where, span.start, span.end):
            decoded = decode(batch)
            unread += [f"unreadable in the log: {span.where}/{dead.offset}: {dead.detail}" for dead in decoded.dead]
            for typed in decoded.events.types.values():
                yield from zip(typed.texts("source"), typed.texts("id"), strict=True)


def _domain_tables() -> list[Table]:
    return [table for name, table in EVENT_TABLES.items() if BY_NAME[name].family not in SYSTEM_FAMILIES]


def _identities_in_tables(client: Client) -> Iterator[tuple[str, Identity]]:
    """Every row of the tables of events from outside, as a reader sees them."""
    for table in _domain_tables():
        rows = client.query_arrow(f"SELECT source, event_id FROM {table.name} FINAL")
        sources, ids = rows.column("source").to_pylist(), rows.column("event_id").to_pylist()
        yield from ((table.name, identity) for identity in zip(sources, ids, strict=True))
