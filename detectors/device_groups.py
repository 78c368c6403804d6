"""Which devices go together: those behind a gateway, and those of a site; and which groups are out as a whole.

A group's key is ``g:<gateway>`` (the gateway's own messages count as one of its devices) or ``s:<site>`` (the site's
devices without a gateway, and everything behind the gateways registered at the site).

Devices are rows of the device table here. Each knows its group and its neighbours in it, so that members keep the order
in which they came: 12 bytes a device, and about 60 a group. Empty groups are forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.growing import grown
from detectors.name_index import NameIndex

_NONE = -1
_GROUP, _BEFORE, _AFTER = range(3)  # columns of a device
_FIRST, _LAST = range(2)  # columns of a group


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

    __slots__ = ("_devices", "_gateways_at", "_groups", "_keys", "_site_of")

    def __init__(self, saved: dict[str, Any] | None = None) -> None:
        self._keys = NameIndex()
        self._devices: NDArray[np.int32] = np.zeros((0, 3), dtype=np.int32)
        self._groups: NDArray[np.int32] = np.zeros((0, 2), dtype=np.int32)
        self._site_of: dict[int, int] = {}  # group of a gateway -> group of the site that it is registered at
        self._gateways_at: dict[int, dict[int, None]] = {}  # insertion-ordered sets
        if saved is not None:
            self._keys = NameIndex(saved["keys"])
            self._devices, self._groups = saved["devices"].copy(), saved["groups"].copy()
            self._site_of, self._gateways_at = dict(saved["site_of"]), saved["gateways_at"]

    @property
    def nbytes(self) -> int:
        """Memory held, but for the gateways' sites."""
        return self._keys.nbytes + self._devices.nbytes + self._groups.nbytes

    def saved(self) -> dict[str, Any]:
        """Arrays to build it from again; views of this one's, so pickle them before going on."""
        return {
            "keys": self._keys.saved(),
            "devices": self._devices,
            "groups": self._groups,
            "site_of": self._site_of,
            "gateways_at": self._gateways_at,
        }

    held = saved

    def group_of(self, device: int) -> str | None:
        """The key of the group that a device belongs to."""
        group = self.group_number(device)
        return None if group == _NONE else self._keys.name_of(group)

    def group_number(self, device: int) -> int:
        """Its number, the same for all members while it has some; -1 for a device that stands alone."""
        return int(self._devices[device, _GROUP]) if device < len(self._devices) else _NONE

    def place(self, device: int, name: str, kind: str, gateway: str | None, site: str | None) -> None:
        """Put a device where it belongs, and take it out of where it was."""
        self.remove(device, name)
        if kind == "gateway":
            group = self._number(f"g:{name}")
            if site is not None:
                at = self._site_of[group] = self._number(f"s:{site}")
                self._gateways_at.setdefault(at, {})[group] = None
        elif gateway is not None:
            group = self._number(f"g:{gateway}")
        elif site is not None:
            group = self._number(f"s:{site}")
        else:
            return
        self._append(device, group)

    def remove(self, device: int, name: str) -> None:
        """Take a device out of its group."""
        own = self._keys.row_of(f"g:{name}") if self._site_of else _NONE
        site = self._site_of.pop(own, None)
        if site is not None:
            gateways = self._gateways_at[site]
            del gateways[own]
            if not gateways:
                del self._gateways_at[site]
            self._forget_empty(site)
        group = self.group_number(device)
        if group != _NONE:
            self._unlink(device, group)
            self._forget_empty(group)

    def site_key(self, group: str) -> str | None:
        """The key of the site that a gateway's group belongs to."""
        site = self._site_of.get(self._keys.row_of(group)) if group[0] == "g" else None
        return None if site is None else self._keys.name_of(site)

    def members(self, group: str) -> Iterator[int]:
        """Every device of the group."""
        number = self._keys.row_of(group)
        if number == _NONE:
            return
        yield from self._chain(number)
        for gateway in self._gateways_at.get(number, ()):
            yield from self._chain(gateway)

    def branches(self, site: str) -> int:
        """Gateways at a site."""
        return len(self._gateways_at.get(self._keys.row_of(site), ()))

    # -- chains ------------------------------------------------------------------------------------------------------
    def _chain(self, group: int) -> Iterator[int]:
        device = int(self._groups[group, _FIRST])
        while device != _NONE:
            yield device
            device = int(self._devices[device, _AFTER])

    def _append(self, device: int, group: int) -> None:
        if device >= len(self._devices):
            self._devices = grown(self._devices, device + 1, _NONE)
        last = int(self._groups[group, _LAST])
        self._devices[device] = group, last, _NONE
        if last == _NONE:
            self._groups[group, _FIRST] = device
        else:
            self._devices[last, _AFTER] = device
        self._groups[group, _LAST] = device

    def _unlink(self, device: int, group: int) -> None:
        _, before, after = self._devices[device].tolist()
        if before == _NONE:
            self._groups[group, _FIRST] = after
        else:
            self._devices[before, _AFTER] = after
        if after == _NONE:
            self._groups[group, _LAST] = before
        else:
            self._devices[after, _BEFORE] = before
        self._devices[device] = _NONE

    def _number(self, key: str) -> int:
        group, new = self._keys.row_or_new(key)
        if new:
            if group >= len(self._groups):
                self._groups = grown(self._groups, group + 1, _NONE)
            self._groups[group] = _NONE
        return group

    def _forget_empty(self, group: int) -> None:
        empty = self._groups[group, _FIRST] == _NONE
        if empty and group not in self._gateways_at and group not in self._site_of:
            self._keys.remove(group)


def common_scope(scopes: list[str]) -> str:
    """The scope path that all of them share, at least its first segment."""
    shared: list[str] = []
    for segments in zip(*(scope.split("/") for scope in scopes), strict=False):
        if len(set(segments)) > 1:
            break
        shared.append(segments[0])
    return "/".join(shared) or scopes[0].split("/")[0]
