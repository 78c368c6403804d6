"""The register (台账) of the district: everything at its first moment, and what changes later."""

from __future__ import annotations

import orjson

from replay.simulator.block import Block, Rows
from replay.simulator.chance import HOUR_MS
from replay.simulator.day import Day
from replay.simulator.entities import CarePerson, Device, Site
from replay.simulator.world import World
from schemas.base import EventData
from schemas.event import new_event, to_new_record
from schemas.families import registry
from schemas.records import NewRecord

SOURCE = "/registry/city"


def first_entries(world: World, partitions: int) -> list[NewRecord]:
    """Everything that exists at the start, all recorded at the start; grids and sites before what stands in them."""
    entries: list[tuple[str, EventData]] = []
    for community in world.communities:
        for scope, title in zip(community.grids, community.grid_titles, strict=True):
            data = registry.Grid(change="registered", title=title, homes=360, residents=900)
            entries.append((scope, data))
    entries += [(site.scope, site_entry(site, "registered")) for site in world.sites]
    entries += [(person.scope, _person_entry(person)) for person in world.people]
    start_ms = world.config.start_ms
    entries += [(d.scope, device_entry(d, "registered")) for d in world.devices if d.born_ms <= start_ms]
    return [
        to_new_record(
            new_event(data, id=f"{world.config.tag}-reg-{nth}", source=SOURCE, scope=scope, event_time_ms=start_ms),
            partitions,
            start_ms,
        )
        for nth, (scope, data) in enumerate(entries)
    ]


def device_entry(device: Device, change: str) -> registry.Device:
    """What the register says about a device."""
    fields = ("kind", "site", "gateway", "noise_zone", "person", "model")
    values = {name: getattr(device, name) for name in fields}
    return registry.Device.model_validate({"change": change, "device": device.name, **values})


def site_entry(site: Site, change: str) -> registry.Site:
    """What the register says about a place."""
    values = {name: getattr(site, name) for name in ("kind", "parent", "title", "capacity")}
    return registry.Site.model_validate({"change": change, "site": site.name, **values})


def _person_entry(person: CarePerson) -> registry.Person:
    values = {name: getattr(person, name) for name in ("category", "home", "consent")}
    return registry.Person.model_validate({"change": "registered", "person": person.name, **values})


def _inside(data: EventData) -> str:
    """The JSON of an entry, without its braces."""
    return orjson.dumps(data.model_dump(exclude_none=True)).decode()[1:-1]


def changes(day: Day) -> list[Block]:
    """Devices retired and their successors registered on a day; now and then an entry is written again."""
    world, rows, sites = day.world, Rows(), Rows()

    def add(device: Device, change: str, moment_ms: int) -> None:
        sender = world.senders.of(SOURCE, device.scope)
        rows.add(sender, moment_ms, _inside(device_entry(device, change)))

    for device in world.devices:
        if day.start_ms <= device.retired_ms < day.end_ms:
            add(device, "retired", device.retired_ms)
        if day.start_ms <= device.born_ms < day.end_ms and device.born_ms > world.config.start_ms:
            add(device, "registered", device.born_ms)
    rng = day.rng("registry")
    moment = day.start_ms + int(rng.uniform(9.0, 17.0) * HOUR_MS)
    device = world.devices[int(rng.integers(len(world.devices)))]
    if device.born_ms < moment < device.retired_ms:
        add(device, "changed", moment)
    site = world.sites[int(rng.integers(len(world.sites)))]
    sites.add(world.senders.of(SOURCE, site.scope), moment, _inside(site_entry(site, "changed")))
    return [day.rows(registry.Device.type_name, "rd", rows), day.rows(registry.Site.type_name, "rs", sites)]
