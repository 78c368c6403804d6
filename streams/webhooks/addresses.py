"""Where deliveries may go: the address rule, applied to a URL at creation and to the address actually connected to.

Allowed are globally reachable unicast addresses and nothing else: loopback, private, link-local, carrier-grade NAT,
multicast, documentation and metadata addresses are refused, also where they hide in IPv4-mapped IPv6, 6to4, Teredo or
NAT64, or are written as one number, octal or hex. Networks of :attr:`AddressRule.allowed` are let through in spite of
it. Pure: no name is looked up here; a name is judged by the addresses it resolves to (:func:`check_address`).
Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 3986; RFC 6052; WHATWG URL 3.5 (numbers as hosts).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
MAX_URL_CHARS: Final = 1_000
MAX_HOST_CHARS: Final = 253
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_REFUSED_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "168.63.129.16/32",  # a cloud's metadata service on an address that is otherwise public
        ),
    )
)  # fmt: skip
_GLOBAL_IPV6: Final = IPv6Network("2000::/3")
_REFUSED_IPV6: Final = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_DOTTED: Final = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_WRITTEN: Final = re.compile(r"[!-\[\]-~]+")  # visible ASCII but the backslash, which some readers take for a slash


class AddressRefusedError(ValueError):
    """A URL or address is not allowed; the texts say why and what is."""

    def __init__(self, problem_zh: str, problem_en: str) -> None:
        super().__init__(f"{problem_zh} · {problem_en}")
        self.problem_zh = problem_zh
        self.problem_en = problem_en


@dataclass(frozen=True, slots=True)
class AddressRule:
    """What is allowed besides https to global addresses."""

    allow_http: bool = False
    allowed: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads. ``host`` is lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int
    address: Address | None  # where the host is an address and no name


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks such as ``127.0.0.0/8`` or ``::1``. :raises ValueError: one is none."""
    return tuple(ip_network(text) for text in texts)


def check_url(url: str, rule: AddressRule) -> Target:
    """What a URL leads to, if it may be delivered to. A host that is a name has yet to be resolved and checked.

    :raises AddressRefusedError: it may not.
    """
    if len(url) > MAX_URL_CHARS:
        raise AddressRefusedError(f"URL 最多 {MAX_URL_CHARS} 个字符", f"a URL has at most {MAX_URL_CHARS} characters")
    if not _WRITTEN.fullmatch(url):
        raise AddressRefusedError(
            "URL 只能含可见 ASCII 字符,不含空格与反斜杠;中文域名请写成 xn-- 形式",
            "a URL has visible ASCII characters only, no spaces or backslashes; write other names as xn--…",
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if "[" in parts.netloc and ":" not in host:
            raise ValueError("in brackets, and no IPv6 address")
    except ValueError:
        raise AddressRefusedError("URL 的主机或端口无效", "the URL's host or port is not valid") from None
    if parts.scheme not in ("https", "http") or (parts.scheme == "http" and not rule.allow_http):
        raise AddressRefusedError(
            "URL 须以 https:// 开头(http 须由运维设置 GRIDPULSE_WEBHOOK_ALLOW_HTTP 放行)",
            "the URL must begin with https:// (the operator can allow http with GRIDPULSE_WEBHOOK_ALLOW_HTTP)",
        )
    if "@" in parts.netloc:
        raise AddressRefusedError("URL 不得含用户名或口令", "the URL must hold no user name or password")
    if "#" in url:
        raise AddressRefusedError("URL 不得含 # 片段", "the URL must hold no fragment (#)")
    if port == 0:
        raise AddressRefusedError("端口须为 1 至 65535", "the port must be 1 to 65535")
    address = _address_of(host)
    if address is not None:
        check_address(address, rule)
    return Target(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], address)


def check_address(address: Address | str, rule: AddressRule) -> Address:
    """The address, if it may be connected to. :raises AddressRefusedError: it may not, or is no address."""
    try:
        given = ip_address(address) if isinstance(address, str) else address
    except ValueError:
        raise AddressRefusedError(f"不是 IP 地址:{address!r}", f"not an IP address: {address!r}") from None
    real = _unwrapped(given)
    if any(real in network for network in rule.allowed if network.version == real.version):
        return given
    if not _is_global(real):
        raise AddressRefusedError(
            f"地址 {given} 为内网、本机或保留地址,不可投递(运维可用 GRIDPULSE_WEBHOOK_ALLOW_PRIVATE 放行)",
            f"the address {given} is private, local or reserved: nothing is delivered there "
            "(the operator can allow networks with GRIDPULSE_WEBHOOK_ALLOW_PRIVATE)",
        )
    return given


def check_addresses(addresses: Iterable[str], rule: AddressRule) -> list[Address]:
    """All addresses of a name, if every one may be connected to: one that may not spoils the name.

    :raises AddressRefusedError: one may not, or there is none.
    """
    checked = [check_address(address, rule) for address in addresses]
    if not checked:
        raise AddressRefusedError("域名没有地址", "the name has no address")
    return checked


def _address_of(host: str) -> Address | None:
    """The address that a host is, None for a name. :raises AddressRefusedError: it is neither."""
    if ":" in host:
        try:
            address = IPv6Address(host)
        except ValueError:
            raise AddressRefusedError(f"IPv6 地址无效:{host}", f"not an IPv6 address: {host}") from None
        return address
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):  # whatever ends in a number is read as an address by somebody
        return _ipv4_of(host)
    if len(host) > MAX_HOST_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefusedError(f"主机名无效:{host[:80]!r}", f"not a host name: {host[:80]!r}")
    return None


def _ipv4_of(host: str) -> IPv4Address:
    try:
        if _DOTTED.fullmatch(host):
            return IPv4Address(host)
    except ValueError:
        pass
    raise AddressRefusedError(
        "IPv4 地址须写成四段十进制数,例如 198.51.100.7", "write an IPv4 address as four decimal numbers: 198.51.100.7"
    )


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for on the way, else the address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_global(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_IPV4)
    if address.scope_id is not None or address not in _GLOBAL_IPV6:
        return False
    return not any(address in network for network in _REFUSED_IPV6)
