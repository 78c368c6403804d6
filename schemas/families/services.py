"""线上服务、宜邻中心 Online services and neighbour centres: clicks, requests, visits, bookings, sales."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import DAY_S, EventData, EventType, with_lateness
from schemas.families.fields import Count, MoneyCny, PersonRef, Ref, ShortText


class Interaction(EventData):
    """A resident used an online service."""

    type_name: ClassVar[str] = "cn.gridpulse.online.interaction"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "online"

    app: Ref = Field(description="the app or mini-program")
    kind: Literal["page_view", "click", "search"] = Field(description="what was done")
    page: Ref = Field(description="page or element")
    session: PersonRef = Field(description="pseudonym of the session")


class ServiceRequest(EventData):
    """A service request moved one step."""

    type_name: ClassVar[str] = "cn.gridpulse.online.service_request"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "online"

    request: Ref = Field(description="the request")
    service: Ref = Field(description="the service asked for")
    step: Literal["submitted", "accepted", "completed", "rated"] = Field(description="the step reached")
    rating: int | None = Field(None, ge=1, le=5, description="stars, at step rated")


class Participation(EventData):
    """A vote, a post in a deliberation or a sign-up."""

    type_name: ClassVar[str] = "cn.gridpulse.online.participation"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "online"

    kind: Literal["vote", "post", "sign_up"] = Field(description="what was done")
    topic: Ref = Field(description="the vote, deliberation or activity")
    person: PersonRef = Field(description="pseudonym of the resident")


class Session(EventData):
    """A venue opened or closed."""

    type_name: ClassVar[str] = "cn.gridpulse.venue.session"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "venue"

    venue: Ref = Field(description="the venue")
    state: Literal["opened", "closed"] = Field(description="its state from now on")


class Visitors(EventData):
    """A counter at a venue's door counted visitors over an interval that ends at the event time."""

    type_name: ClassVar[str] = "cn.gridpulse.venue.visitors"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "venue"

    venue: Ref = Field(description="the venue")
    entered: Count = Field(description="persons who came in")
    left: Count = Field(description="persons who went out")


class Booking(EventData):
    """A room or course was booked, cancelled, attended or not shown up for."""

    type_name: ClassVar[str] = "cn.gridpulse.venue.booking"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "venue"

    venue: Ref = Field(description="the venue")
    booking: Ref = Field(description="the booking")
    step: Literal["made", "cancelled", "attended", "no_show"] = Field(description="the step reached")
    service: Ref | None = Field(None, description="room or course")


class Sale(EventData):
    """A tenant of a venue sold something."""

    type_name: ClassVar[str] = "cn.gridpulse.venue.sale"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "venue"

    venue: Ref = Field(description="the venue")
    tenant: Ref = Field(description="the tenant")
    amount_cny: MoneyCny = Field(description="amount, yuan")


class Activity(EventData):
    """An activity was held."""

    type_name: ClassVar[str] = "cn.gridpulse.venue.activity"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "venue"

    venue: Ref = Field(description="the venue")
    activity: Ref = Field(description="the activity")
    kind: ShortText = Field(description="kind of activity")
    attended: Count = Field(description="persons who took part")


class CanteenOrder(EventData):
    """A canteen order was placed, delivered or cancelled."""

    type_name: ClassVar[str] = "cn.gridpulse.venue.canteen_order"
    version: ClassVar[int] = 1
    family: ClassVar[str] = "venue"

    venue: Ref = Field(description="the venue")
    order: Ref = Field(description="the order")
    step: Literal["placed", "delivered", "cancelled"] = Field(description="the step reached")
    amount_cny: MoneyCny = Field(description="amount, yuan")


EVENT_TYPES = (
    *with_lateness(  # apps say at once what was done, or on the next day
        DAY_S,
        EventType(
            Interaction.type_name, "online", "线上点击", "online interactions", "online_interactions", (Interaction,)
        ),
        EventType(
            ServiceRequest.type_name, "online", "服务办理", "service requests", "service_requests", (ServiceRequest,)
        ),
        EventType(Participation.type_name, "online", "居民参与", "participation", "participation", (Participation,)),
    ),
    *with_lateness(  # shops and halls hand in books by the week
        7 * DAY_S,
        EventType(Session.type_name, "venue", "场馆开闭", "venue opening", "venue_sessions", (Session,)),
        EventType(Visitors.type_name, "venue", "场馆客流", "venue visitors", "venue_visitors", (Visitors,)),
        EventType(Booking.type_name, "venue", "场馆预约", "venue bookings", "venue_bookings", (Booking,)),
        EventType(Sale.type_name, "venue", "商户销售", "venue sales", "venue_sales", (Sale,)),
        EventType(Activity.type_name, "venue", "场馆活动", "venue activities", "venue_activities", (Activity,)),
        EventType(CanteenOrder.type_name, "venue", "食堂订单", "canteen orders", "canteen_orders", (CanteenOrder,)),
    ),
)
