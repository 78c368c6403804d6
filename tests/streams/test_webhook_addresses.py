"""Deliveries go to global addresses only, however a private one is written."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.webhooks.addresses import (
    MAX_URL_CHARS,
    AddressRefusedError,
    AddressRule,
    Target,
    check_address,
    check_addresses,
    check_url,
    networks,
)

STRICT = AddressRule()
V6 = "2606:4700:4700::1111"
LOOPBACK = AddressRule(allow_http=True, allowed=networks(["127.0.0.0/8", "::1"]))

PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1", "127.255.0.1",
    "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "100::1", "2001::1", "2001:0:7f00:1::1",
    "2001:db8::1", "2002:7f00:1::1", "2002:c0a8:101::", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fd00:ec2::254",
    "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2606:4700:4700::1111%eth0",
]  # fmt: skip
GLOBAL = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
    "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111",
    "240e::1", "2408:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_reserved_addresses_are_refused(address: str) -> None:
    with pytest.raises(AddressRefusedError):
        check_address(address, STRICT)


@pytest.mark.parametrize("address", GLOBAL)
def test_global_addresses_are_allowed(address: str) -> None:
    assert check_address(address, STRICT) == ip_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "::1", "127.9.9.9"])
def test_networks_that_the_operator_allows_are_let_through(address: str) -> None:
    assert check_address(address, LOOPBACK) == ip_address(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "fd00::1", "::2", "", "example.org", "1.2.3"])
def test_and_nothing_beside_them(address: str) -> None:
    with pytest.raises(AddressRefusedError):
        check_address(address, LOOPBACK)


def test_one_private_address_of_a_name_spoils_it() -> None:
    assert check_addresses(["1.1.1.1", "2606:4700:4700::1111"], STRICT) == [
        ip_address("1.1.1.1"), ip_address("2606:4700:4700::1111"),
    ]  # fmt: skip
    for addresses in (["1.1.1.1", "10.0.0.1"], ["fd00::1", "1.1.1.1"], []):
        with pytest.raises(AddressRefusedError):
            check_addresses(addresses, STRICT)


@given(st.integers(0, 2**32 - 1))
def test_wrapping_an_ipv4_address_changes_nothing(number: int) -> None:
    plain = IPv4Address(number)

    def refused(address: str) -> bool:
        try:
            check_address(address, STRICT)
        except AddressRefusedError:
            return True
        return False

    assert refused(str(plain)) == refused(f"::ffff:{plain}") == refused(f"64:ff9b::{plain}")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.org/a?b=c", Target("https", "hooks.example.org", 443, None)),
        ("https://Hooks.Example.org:8443/", Target("https", "hooks.example.org", 8443, None)),
        ("https://xn--fiqs8s.cn/x", Target("https", "xn--fiqs8s.cn", 443, None)),
        ("https://1.1.1.1/x", Target("https", "1.1.1.1", 443, IPv4Address("1.1.1.1"))),
        (f"https://[{V6}]:444/", Target("https", V6, 444, ip_address(V6))),
        ("https://a.example.org.", Target("https", "a.example.org.", 443, None)),
    ],
)  # fmt: skip
def test_a_url_that_is_allowed_leads_somewhere(url: str, target: Target) -> None:
    assert check_url(url, STRICT) == target


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.example.org", "//hooks.example.org", "http://hooks.example.org/", "ftp://hooks.example.org/",
        "file:///etc/passwd", "gopher://hooks.example.org", "HTTPS//x", "https://", "https:///x", "https://:443/",
        "https://user@hooks.example.org/", "https://user:password@hooks.example.org/", "https://@hooks.example.org/",
        "https://1.1.1.1@127.0.0.1/", "https://hooks.example.org/#part", "https://hooks.example.org/#",
        "https://hooks.example.org:0/", "https://hooks.example.org:65536/", "https://hooks.example.org:-1/",
        "https://hooks.example.org:https/", "https://hooks example.org/", "https://hooks.example.org/a b",
        "https://hooks.example.org\\@127.0.0.1/", "https://hooks.example.org/\n", "https://例子.cn/", "https://.example.org",
        "https://a..example.org/", "https://-a.example.org/", "https://a.example.org%00.b/", "https://[::1/",
        "https://[fe80::1%25eth0]/", "https://[::ffff:127.0.0.1]/", "https://[1.1.1.1]/", "https://[v1.x]/",
        "https://127.0.0.1/", "https://127.0.0.1./", "https://127.1/", "https://127.0.1/", "https://2130706433/",
        "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://017700000001/", "https://0/",
        "https://127.0.0.0x1/", "https://1.1.1.01/", "https://1.1.1.256/", "https://8.8.8.8.8/", "https://hooks.0x/",
        "https://169.254.169.254/latest/meta-data/", "https://" + "a" * 64 + ".org/", "https://" + "a." * 130 + "org/",
        "https://hooks.example.org/" + "x" * MAX_URL_CHARS,
    ],
)  # fmt: skip
def test_what_is_no_allowed_url_is_refused_in_both_languages(url: str) -> None:
    with pytest.raises(AddressRefusedError) as caught:
        check_url(url, STRICT)
    assert any("一" <= letter <= "鿿" for letter in caught.value.problem_zh)
    assert caught.value.problem_en


def test_http_is_for_the_operator_to_allow() -> None:
    assert check_url("http://127.0.0.1:9000/hook", LOOPBACK).port == 9000
    assert check_url("http://hooks.example.org", LOOPBACK).port == 80
    with pytest.raises(AddressRefusedError, match="GRIDPULSE_WEBHOOK_ALLOW_HTTP"):
        check_url("http://hooks.example.org", AddressRule(allowed=LOOPBACK.allowed))
    with pytest.raises(AddressRefusedError, match="GRIDPULSE_WEBHOOK_ALLOW_PRIVATE"):
        check_url("http://10.0.0.1/", LOOPBACK)
