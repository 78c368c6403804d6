"""Which devices go together: those behind a gateway, and those of a site; and which groups are out as a whole.

A group's key is ``g:<gateway>`` (the gateway's own messages count as one of its devices) or ``s:<site>`` (the site's
devices without a gateway, and everything behind the gateways registered at the site).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class OpenGroup:
    """A gateway or site that is out as a whole."""

    scope: str
    cause_ms: int  # when it was said
    since_ms: int
    out: int  # devices whose silence it stands for
    back: int = 0


class Membership:
    """Devices by gateway and site, as the registry last said."""

    def __init__(self) -> None:
        self.by_gateway: dict[str, dict[str, None]] = {}  # insertion-ordered sets
        self.by_site: dict[str, dict[str, None]] = {}  # devices without gateway
        self.gateways_at: dict[str, dict[str, None]] = {}
        self.site_of_gateway: dict[str, str] = {}

    def place(self, device: str, kind: str, gateway: str | None, site: str | None) -> str | None:
        """Put a device where it belongs; its group key, None when it stands alone."""
        if kind == "gateway":
            self.by_gateway.setdefault(device, {})[device] = None
            if site is not None:
                self.site_of_gateway[device] = site
                self.gateways_at.setdefault(site, {})[device] = None
            return f"g:{device}"
        if gateway is not None:
            self.by_gateway.setdefault(gateway, {})[device] = None
            return f"g:{gateway}"
        if site is not None:
            self.by_site.setdefault(site, {})[device] = None
            return f"s:{site}"
        return None

    def remove(self, device: str, group: str | None) -> None:
        """Take a device out of its group."""
        site = self.site_of_gateway.pop(device, None)
        if site is not None:
            _discard(self.gateways_at, site, device)
        if group is not None:
            _discard(self.by_gateway if group[0] == "g" else self.by_site, group[2:], device)

    def site_key(self, group: str) -> str | None:
        """The key of the site that a gateway's group belongs to."""
        site = self.site_of_gateway.get(group[2:]) if group[0] == "g" else None
        return None if site is None else f"s:{site}"

    def members(self, group: str) -> Iterator[str]:
        """Every device of the group."""
        name = group[2:]
        if group[0] == "g":
            yield from self.by_gateway.get(name, ())
            return
        yield from self.by_site.get(name, ())
        for gateway in self.gateways_at.get(name, ()):
            yield from self.by_gateway.get(gateway, ())

    def branches(self, site: str) -> int:
        """Gateways at a site."""
        return len(self.gateways_at.get(site[2:], ()))


def _discard(groups: dict[str, dict[str, None]], name: str, device: str) -> None:
    members = groups.get(name)
    if members is not None:
        members.pop(device, None)
        if not members:
            del groups[name]


def common_scope(scopes: list[str]) -> str:
    """The scope path that all of them share, at least its first segment."""
    shared: list[str] = []
    for segments in zip(*(scope.split("/") for scope in scopes), strict=False):
        if len(set(segments)) > 1:
            break
        shared.append(segments[0])
    return "/".join(shared) or scopes[0].split("/")[0]
