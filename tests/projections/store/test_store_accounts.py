"""Accounts, configuration and error mapping; no sockets."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from projections.store import StoreConfig, StoreStartError, StoreUser, password_hash
from projections.store.auth import authenticate
from projections.store.errors import StoreError, from_engine, http_status

USERS = {"ada": StoreUser(password_hash("pw:1")), "default": StoreUser(password_hash(""))}


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "params"),
    [
        (basic("ada:pw:1"), {}),
        ({"x-clickhouse-user": "ada", "x-clickhouse-key": "pw:1"}, {}),
        ({}, {"user": "ada", "password": "pw:1"}),
    ],
)
def test_three_ways_to_say_who_is_asking(headers: dict[str, str], params: dict[str, str]) -> None:
    assert authenticate(USERS, headers, params).name == "ada"


@pytest.mark.parametrize(
    ("headers", "params"),
    [
        (basic("ada:no"), {}),
        (basic("bob:pw:1"), {}),
        ({"authorization": "Basic ###"}, {}),
        ({"authorization": "Bearer ada"}, {}),
        ({"x-clickhouse-user": "ada"}, {}),
        ({}, {"user": "ada"}),
        ({}, {"user": "ada", "password": password_hash("pw:1")}),
    ],
)
def test_wrong_credentials_say_nothing_more(headers: dict[str, str], params: dict[str, str]) -> None:
    with pytest.raises(StoreError) as refusal:
        authenticate(USERS, headers, params)
    assert (refusal.value.code, refusal.value.status) == (516, 403)


def test_no_credentials_ask_for_some() -> None:
    with pytest.raises(StoreError) as refusal:
        authenticate(USERS, {}, {})
    assert (refusal.value.code, refusal.value.status) == (194, 401)


def test_hashes_are_not_shown() -> None:
    config = StoreConfig(Path("x"), 8123, USERS)
    assert password_hash("pw:1") not in repr(config)
    assert StoreConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be used"),
        ("{}", "users"),
        ('{"users": {}, "data_dir": "x", "port": 1}', "users is empty"),
        ('{"users": {"a": {"password_sha256_hex": "x"}}, "data_dir": "x", "port": 1}', "hexadecimal"),
        ('{"users": {"a": {"password_sha256_hex": "%s"}}, "data_dir": "x", "port": 0}' % ("0" * 64), "port"),
        ('{"users": {"a": {"password_sha256_hex": "%s"}}, "data_dir": "x", "port": 1, "b": 2}' % ("0" * 64), "'b'"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(StoreStartError, match=says):
        StoreConfig.from_json(text)


@pytest.mark.parametrize(
    ("text", "code", "name", "message"),
    [
        ("Code: 60. DB::Exception: No t. (UNKNOWN_TABLE)", 60, "UNKNOWN_TABLE", "No t."),
        ("Streaming query failed: Code: 47. DB::Exception: x (A) y. (B_C) (version 1.2)", 47, "B_C", "x (A) y."),
        ("Code: 73. DB::Exception: Code: 73. DB::Exception: No. (F_G) (version 1). (F_G)", 73, "F_G", "No."),
        ("Code: 62. DB::Exception: at 1\n/* gp-run-%s */. (S)" % ("0" * 32), 62, "UNKNOWN_EXCEPTION", "at 1. (S)"),
        ("Code: 400. DB::ErrnoException: Cannot stat. (CANNOT_STAT)", 400, "CANNOT_STAT", "Cannot stat."),
        ("something else", 1001, "STD_EXCEPTION", "something else"),
    ],
)
def test_the_engines_messages_become_errors(text: str, code: int, name: str, message: str) -> None:
    error = from_engine(text)
    assert (error.code, error.name, error.message) == (code, name, message)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (62, 400),
        (60, 404),
        (81, 404),
        (115, 404),
        (497, 403),
        (516, 403),
        (194, 401),
        (159, 408),
        (164, 500),
        (241, 500),
        (48, 501),
    ],
)
def test_status_of_codes(code: int, status: int) -> None:
    assert http_status(code) == status
