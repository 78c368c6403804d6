"""台账 Registry: what exists. Every event carries the whole present state of its subject, so the latest one is it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import EventData, EventType, with_lateness
from schemas.families.fields import Change, PersonRef, Ref, ShortText

DeviceKind = Literal[
    "gateway", "noise", "smoke", "gas", "climate", "charging", "hydrant", "manhole", "door",
    "presence", "wearable", "water", "camera", "gate", "venue", "parking", "other",
]  # fmt: skip
NoiseZone = Literal["0", "1", "2", "3", "4a", "4b"]
SiteKind = Literal["compound", "building", "home", "venue", "shop", "gate", "parking", "street", "other"]
CareCategory = Literal["living_alone", "dementia", "disabled", "mental", "child", "other"]


class Device(EventData):
    """A device was registered, changed or retired."""

    type_name: ClassVar[str] = "cn.gridpulse.registry.device"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "registry"

    change: Change = Field(description="registered, changed or retired")
    device: Ref = Field(description="the device")
    kind: DeviceKind = Field(description="kind of device")
    site: Ref | None = Field(None, description="the site it stands at")
    gateway: Ref | None = Field(None, description="the gateway it reports through")
    noise_zone: NoiseZone | None = Field(None, description="GB 3096-2008 class of the place, for noise meters")
    person: PersonRef | None = Field(None, description="pseudonym of the person who wears it or lives with it")
    model: ShortText | None = Field(None, description="maker's model")


class Person(EventData):
    """A person under care was registered, changed or retired. A pseudonym, never a name."""

    type_name: ClassVar[str] = "cn.gridpulse.registry.person"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "registry"

    change: Change = Field(description="registered, changed or retired")
    person: PersonRef = Field(description="pseudonym of the person")
    category: CareCategory = Field(description="why the person is under care")
    home: Ref = Field(description="site of the home")
    consent: bool = Field(description="agreed to be watched over; without it nothing is learned or flagged")


class Site(EventData):
    """A place: compound, building, home, venue, shop, gate, parking lot, street."""

    type_name: ClassVar[str] = "cn.gridpulse.registry.site"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "registry"

    change: Change = Field(description="registered, changed or retired")
    site: Ref = Field(description="the place")
    kind: SiteKind = Field(description="kind of place")
    parent: Ref | None = Field(None, description="the place it is part of")
    title: ShortText | None = Field(None, description="display name of a public place, never of a home")
    capacity: int | None = Field(None, ge=0, le=10_000_000, description="persons, bays or seats it holds")


class Grid(EventData):
    """A grid (网格) of a community: the smallest unit of the scope path."""

    type_name: ClassVar[str] = "cn.gridpulse.registry.grid"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "registry"

    change: Change = Field(description="registered, changed or retired")
    title: ShortText = Field(description="display name")
    homes: int | None = Field(None, ge=0, le=10_000_000, description="homes in the grid")
    residents: int | None = Field(None, ge=0, le=10_000_000, description="residents in the grid")


EVENT_TYPES = with_lateness(  # entries are states, not happenings in a window: the latest counts whenever it comes
    None,
    EventType(Device.type_name, "registry", "设备台账", "device registry", "registry_devices", (Device,)),
    EventType(Person.type_name, "registry", "关爱对象台账", "persons under care", "registry_persons", (Person,)),
    EventType(Site.type_name, "registry", "场所台账", "site registry", "registry_sites", (Site,)),
    EventType(Grid.type_name, "registry", "网格台账", "grid registry", "registry_grids", (Grid,)),
)
