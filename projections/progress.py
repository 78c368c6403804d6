"""How far what is appended to the log can be queried: the writer's progress, as any reader sees it."""

from __future__ import annotations

from projections.client import Client
from schemas.records import TopicPartition


def queryable(client: Client) -> dict[TopicPartition, int]:
    """Per partition one past the last offset that can be queried, whoever wrote it. :raises StoreError:"""
    rows = client.query(
        "SELECT topic, partition, max(next_offset) FROM projection_progress GROUP BY topic, partition"
    ).rows
    return {TopicPartition(str(topic), int(partition)): int(end) for topic, partition, end in rows}
