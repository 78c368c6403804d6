"""图像、出入、轨迹 Vision findings, passages and positions: what cameras, gates and bracelets saw."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import DAY_S, EventData, EventType, with_lateness
from schemas.families.fields import PersonRef, RatioValue, Ref, ShortText


class Finding(EventData):
    """A camera platform recognised something."""

    type_name: ClassVar[str] = "cn.gridpulse.vision.finding"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "vision"

    camera: Ref = Field(description="the camera")
    kind: Literal[
        "ebike_in_lift", "thrown_object", "exposed_litter", "child_alone_in_lift", "road_occupation",
        "damaged_facility", "fire_lane_blocked", "crowd",
    ] = Field(description="what was recognised")  # fmt: skip
    confidence_ratio: RatioValue = Field(description="how sure the recogniser is, 0 to 1")
    site: Ref | None = Field(None, description="where")
    floor: int | None = Field(None, ge=-10, le=200, description="floor it came from, for thrown objects")
    picture: ShortText | None = Field(None, description="reference of the picture in the camera platform")


class Passage(EventData):
    """A person or vehicle went through a gate or door."""

    type_name: ClassVar[str] = "cn.gridpulse.passages.passage"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "passages"

    gate: Ref = Field(description="the gate or door")
    kind: Literal["person", "vehicle"] = Field(description="who passed")
    direction: Literal["in", "out"] = Field(description="into or out of the compound")
    method: Literal["face", "card", "code", "plate", "phone", "guard", "unknown"] = Field(description="how it opened")
    person: PersonRef | None = Field(None, description="pseudonym, if known")
    plate: PersonRef | None = Field(None, description="pseudonym of the plate, if known")


class Sighting(EventData):
    """A person under care was seen at a place by a camera, bracelet or Bluetooth beacon."""

    type_name: ClassVar[str] = "cn.gridpulse.positions.sighting"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "positions"

    person: PersonRef = Field(description="pseudonym of the person")
    place: Ref = Field(description="the site where the person was seen")
    method: Literal["camera", "bracelet", "bluetooth", "gate", "worker"] = Field(description="who saw the person")
    confidence_ratio: RatioValue | None = Field(None, description="how sure, 0 to 1")


class Patrol(EventData):
    """A grid member checked in on patrol."""

    type_name: ClassVar[str] = "cn.gridpulse.positions.patrol"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "positions"

    member: PersonRef = Field(description="pseudonym of the grid member")
    place: Ref = Field(description="the site checked")


EVENT_TYPES = (
    EventType(Finding.type_name, "vision", "图像识别", "vision findings", "vision_findings", (Finding,)),
    EventType(Passage.type_name, "passages", "人车出入", "passages", "passages", (Passage,)),
    EventType(
        Sighting.type_name, "positions", "关爱对象轨迹", "sightings of persons under care", "sightings", (Sighting,)
    ),
    *with_lateness(  # grid members on foot, where phones have no network
        7 * DAY_S, EventType(Patrol.type_name, "positions", "巡查签到", "patrol check-ins", "patrols", (Patrol,))
    ),
)
