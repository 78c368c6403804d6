"""The one catalogue: every event type there is. Topics, tables, codec, docs and checks are derived from it."""

from __future__ import annotations

from schemas.base import EventType
from schemas.families import civic, deliveries, movement, readings, registry, services, subscriptions, system

EVENT_TYPES: tuple[EventType, ...] = (
    *registry.EVENT_TYPES,
    *readings.EVENT_TYPES,
    *movement.EVENT_TYPES,
    *services.EVENT_TYPES,
    *civic.EVENT_TYPES,
    *system.EVENT_TYPES,
    *subscriptions.EVENT_TYPES,
    *deliveries.EVENT_TYPES,
)
BY_NAME: dict[str, EventType] = {event_type.name: event_type for event_type in EVENT_TYPES}
