"""Takes orders about subscriptions: makes, changes, pauses, tests and deletes them, as events in the control topic.

A subscription answers to those whose scope covers its own; to all others it does not exist. What is asked for is
checked whole before anything is appended. An order has happened when it is durable in the log and is the state that
counts there; of two at once from the same state one is told to look again (:class:`ConflictError`).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from schemas.families.deliveries import Redelivery
from schemas.families.subscriptions import SubscriptionKind, SubscriptionPing, SubscriptionState
from schemas.families.system import ALERT_STEPS
from schemas.rules import ALL_RULES, DETECTORS
from schemas.topics import covers
from streams.control_state import ControlState
from streams.log import EventLog
from streams.ports import Principal
from streams.webhooks.addresses import MAX_URL_CHARS, AddressRefusedError, AddressRule, Target, check_url
from streams.webhooks.filters import AlertFilter, FilterError, checked_filter, joined
from streams.webhooks.robots import SIGNING_KINDS
from streams.webhooks.shown import MAILTO, shown_url
from streams.webhooks.subscriptions import (
    SIGN_SECRET_FIELD,
    URL_FIELD,
    Subscription,
    follows,
    key_of,
    new_id,
    ping_record,
    redelivery_record,
    state_record,
)
from streams.webhooks.vault import Vault

MAX_PER_KEY: Final = 200
MAX_WORDS: Final = 50
MAX_NOTE_CHARS: Final = 200
MAX_REASON_CHARS: Final = 200
MAX_SIGN_SECRET_CHARS: Final = 200
DEFAULT_OVERLAP_S: Final = 86_400
MAX_OVERLAP_S: Final = 30 * 86_400
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}")

T = TypeVar("T")


class UnknownSubscriptionError(LookupError):
    """No such subscription in the principal's scope."""


class ConflictError(Exception):
    """Somebody changed the subscription at the same time, and was first."""


class NotActiveError(Exception):
    """The subscription is paused or disabled: that is not delivered to it."""


class TooManyError(Exception):
    """The key has as many subscriptions as it may have."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscription shall be. In a change, None leaves as it is; a list without words means all."""

    url: str | None = None
    detectors: Sequence[str] | None = None
    rules: Sequence[str] | None = None
    min_severity: str | None = None
    steps: Sequence[str] | None = None
    silenced: bool | None = None
    note: str | None = None  # empty: none
    sign_secret: str | None = None  # empty: none


class Registrar:
    """See the module. ``scope_roots``: subtrees that there are, none: any. ``now_ms``: the present, for expiries."""

    def __init__(
        self,
        event_log: EventLog,
        vault: Vault,
        rule: AddressRule,
        now_ms: Callable[[], int],
        scope_roots: Sequence[str] = (),
        max_per_key: int = MAX_PER_KEY,
        monotonic_s: Callable[[], float] = time.monotonic,
        sends_email: bool = True,
    ) -> None:
        """:raises streams.log.LogUnavailableError: the control topic can't be read."""
        self.rule = rule
        self._log = event_log
        self._vault = vault
        self._now_ms = now_ms
        self._scope_roots = tuple(scope_roots)
        self._max_per_key = max_per_key
        self._sends_email = sends_email
        self._state = ControlState(event_log, SubscriptionState, key_of, follows, monotonic_s)
        self._orders = threading.Lock()

    def all(self, principal: Principal) -> list[Subscription]:
        """Those in the principal's scope, by id."""
        self._state.refresh()
        seen = (state for state in self._state.all() if principal.covers(state.subscription_scope))
        return [Subscription(state) for state in seen if state.status != "deleted"]

    def get(self, principal: Principal, subscription: str) -> Subscription:
        """:raises UnknownSubscriptionError: not in the principal's scope, or deleted."""
        self._state.refresh()
        return self._known(principal, subscription)

    def target(self, kind: SubscriptionKind, url: str) -> Target | None:
        """Where a URL leads, None for email. A host that is a name has yet to be resolved and checked.

        :raises AddressRefusedError: nothing may be delivered there.
        """
        if kind != "email":
            return check_url(url, self.rule)
        if len(url) > MAX_URL_CHARS or not url.startswith(MAILTO) or not _EMAIL.fullmatch(url.removeprefix(MAILTO)):
            raise AddressRefusedError(
                "邮件订阅的 url 须为 mailto:名称@域名", "the url of an email subscription is mailto:name@domain"
            )
        if not self._sends_email:
            raise AddressRefusedError(
                "本系统未配置邮件;请运维设置 GRIDPULSE_WEBHOOK_SMTP_URL",
                "no email is sent from here; ask the operator to set GRIDPULSE_WEBHOOK_SMTP_URL",
            )
        return None

    def create(self, principal: Principal, kind: SubscriptionKind, scope: str, wish: Wish) -> tuple[Subscription, str]:
        """A new subscription and its signing secret, which is told this once.

        :raises FilterError: the filter is not as it must be. :raises AddressRefusedError: the URL is not allowed.
        :raises TooManyError: the key has enough. :raises streams.log.LogUnavailableError: nothing was made.
        """
        subscription, secret_id = new_id("sub"), new_id("sec")
        if not principal.covers(scope):
            raise FilterError(
                "scope", f"允许的范围:{principal.scope} 及其下级", f"allowed: {principal.scope} and below"
            )
        fields = self._fields(subscription, kind, AlertFilter(scope), wish)
        self._check_scope(scope)
        state = SubscriptionState(
            subscription=subscription, revision=1, subscription_scope=scope, kind=kind, secret_id=secret_id,
            status="active", key_id=principal.key_id, actor=principal.key_id, **fields,
        )  # fmt: skip
        with self._orders:
            self._state.read_now()
            mine = [each for each in self._state.all() if each.key_id == principal.key_id and each.status != "deleted"]
            if len(mine) >= self._max_per_key:
                raise TooManyError(f"{self._max_per_key}")
            made = self._append(state)
        return made, self._vault.signing_secret(subscription, secret_id)

    def change(self, principal: Principal, subscription: str, wish: Wish) -> Subscription:
        """Change its URL or filter. :raises: as :meth:`create`, :class:`UnknownSubscriptionError`, ConflictError."""
        known = self._newest(principal, subscription).state
        fields = self._fields(subscription, known.kind, AlertFilter.of(known), wish)
        return self._next(principal, known, **fields)

    def set_status(
        self,
        principal: Principal,
        subscription: str,
        status: Literal["active", "paused", "deleted"],
        reason: str | None = None,
    ) -> Subscription:
        """Pause, resume or delete it; resuming also ends that it was disabled. :raises: as :meth:`change`."""
        known = self._newest(principal, subscription).state
        if known.status == status:
            return Subscription(known)
        return self._next(principal, known, status=status, status_reason=reason)

    def rotate_secret(self, principal: Principal, subscription: str, overlap_s: int) -> tuple[Subscription, str]:
        """A new signing secret; the one before signs beside it for ``overlap_s``. :raises: as :meth:`change`."""
        known = self._newest(principal, subscription).state
        if known.kind != "standard":
            raise FilterError(
                "kind", f"{known.kind} 订阅没有签名密钥", f"a {known.kind} subscription has no signing secret of ours"
            )
        secret_id = new_id("sec")
        changed = self._next(
            principal,
            known,
            secret_id=secret_id,
            previous_secret_id=known.secret_id if overlap_s else None,
            previous_secret_expires_time_ms=self._now_ms() + overlap_s * 1000 if overlap_s else None,
        )
        return changed, self._vault.signing_secret(subscription, secret_id)

    def ping(self, principal: Principal, subscription: str) -> str:
        """Order a test delivery, also to a paused one; its id.

        :raises UnknownSubscriptionError: as :meth:`get`. :raises NotActiveError: it is disabled.
        """
        known = self._newest(principal, subscription)
        if not known.takes_pings:
            raise NotActiveError(subscription)
        ping = SubscriptionPing(ping=new_id("ping"), subscription=subscription, actor=principal.key_id)
        self._log.append([ping_record(self._log, ping, known.state.subscription_scope)])
        return ping.ping

    def redeliver(
        self,
        principal: Principal,
        subscription: str,
        what: Literal["one", "failed", "span"],
        alert_event: str | None = None,
        span_ms: tuple[int, int] | None = None,
    ) -> str:
        """Order that alert steps are delivered again; the order's id. ``span_ms``: when they were recorded, half-open.

        :raises UnknownSubscriptionError: as :meth:`get`. :raises NotActiveError: nothing is delivered to it now.
        """
        known = self._newest(principal, subscription)
        if not known.is_active:
            raise NotActiveError(subscription)
        from_ms, to_ms = span_ms or (None, None)
        order = Redelivery(
            redelivery=new_id("red"), subscription=subscription, what=what, alert_event=alert_event,
            from_time_ms=from_ms, to_time_ms=to_ms, actor=principal.key_id,
        )  # fmt: skip
        self._log.append([redelivery_record(self._log, order, known.state.subscription_scope)])
        return order.redelivery

    def _newest(self, principal: Principal, subscription: str) -> Subscription:
        """As it is in the log at this moment, not half a second ago."""
        self._state.read_now()
        return self._known(principal, subscription)

    def _known(self, principal: Principal, subscription: str) -> Subscription:
        state = self._state.get(subscription)
        if state is None or state.status == "deleted" or not principal.covers(state.subscription_scope):
            raise UnknownSubscriptionError(subscription)
        return Subscription(state)

    def _next(self, principal: Principal, known: SubscriptionState, **fields: Any) -> Subscription:
        changes = {"revision": known.revision + 1, "actor": principal.key_id, **fields}
        return self._append(SubscriptionState(**(known.model_dump() | changes)))

    def _append(self, state: SubscriptionState) -> Subscription:
        self._log.append([state_record(self._log, state)])
        self._state.read_now()
        if self._state.get(state.subscription) != state:
            raise ConflictError(state.subscription)
        return Subscription(state)

    def _check_scope(self, scope: str) -> None:
        roots = self._scope_roots
        if roots and not any(covers(root, scope) or covers(scope, root) for root in roots):
            known = "、".join(roots)
            raise FilterError(
                "scope", f"本系统没有范围 {scope};现有:{known}", f"there is no scope {scope}; there are {known}"
            )

    def _fields(self, subscription: str, kind: SubscriptionKind, before: AlertFilter, wish: Wish) -> dict[str, Any]:
        """The event's fields that a wish is about; those of the URL and secrets only where they are wished for."""
        wanted = checked_filter(
            before.scope,
            _or(wish.detectors, sorted(before.detectors)),
            _or(wish.rules, sorted(before.rules)),
            _or(wish.min_severity, before.min_severity),
            _or(wish.steps, sorted(before.steps)),
            _or(wish.silenced, before.silenced),
        )
        fields: dict[str, Any] = {
            "detectors": joined(wanted.detectors, DETECTORS),
            "rules": joined(wanted.rules, ALL_RULES),
            "min_severity": wanted.min_severity,
            "steps": joined(wanted.steps, ALERT_STEPS),
            "silenced": wanted.silenced,
        }
        if wish.url is not None:
            self.target(kind, wish.url)
            fields["shown_url"] = shown_url(wish.url)
            fields["sealed_url"] = self._vault.seal(wish.url, subscription, URL_FIELD)
        if wish.note is not None:
            fields["note"] = wish.note or None
        if wish.sign_secret is not None:
            fields["sealed_sign_secret"] = self._sealed_secret(subscription, kind, wish.sign_secret)
        return fields

    def _sealed_secret(self, subscription: str, kind: SubscriptionKind, secret: str) -> str | None:
        if not secret:
            return None
        if kind not in SIGNING_KINDS:
            allowed = ", ".join(SIGNING_KINDS)
            raise FilterError("sign_secret", f"仅用于 {allowed}", f"is for {allowed} only")
        return self._vault.seal(secret, subscription, SIGN_SECRET_FIELD)


def _or(wished: T | None, before: T) -> T:
    return before if wished is None else wished
