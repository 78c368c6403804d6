"""Subscriptions: what they match, how the book is rebuilt from the log, and what is secret about them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import detectors
from schemas.families.subscriptions import SubscriptionState
from schemas.families.system import ALERT_STEPS, SEVERITIES, Alert
from schemas.golden import golden_examples
from schemas.rules import ALL_RULES, DETECTORS
from schemas.topics import ALL_TOPICS
from streams.control_state import CONTROL_TOPIC
from streams.log_memory import MemoryLog
from streams.webhooks.filters import AlertFilter, FilterError, checked_filter, joined
from streams.webhooks.shown import shown_url
from streams.webhooks.subscriptions import Subscription, SubscriptionBook, new_id, state_record
from streams.webhooks.vault import SealBrokenError, Vault

MASTER = bytes(range(32))
SCOPE = "wuhu/jinghu/tingtang/jianyang/g03"
BASE = Alert(
    alert="a", alert_key="k", step="opened", detector="noise_limit", rule="over_limit", subject="noise-7",
    severity="warning", count=1, opened_time_ms=0, updated_time_ms=0, score=1.0, threshold=1.0, model_version="1",
    reason_zh="甲", reason_en="a",
)  # fmt: skip


def alert(**changes: Any) -> Alert:
    return BASE.model_copy(update=changes)


def state(subscription: str = "sub_1", revision: int = 1, **changes: Any) -> SubscriptionState:
    fields: dict[str, Any] = {
        "subscription_scope": "wuhu/jinghu", "kind": "standard", "shown_url": "https://h.example/", "sealed_url": "s1",
        "min_severity": "info", "silenced": False, "secret_id": "sec_1", "status": "active", "key_id": "k1",
        "actor": "k1",
    }  # fmt: skip
    return SubscriptionState(subscription=subscription, revision=revision, **(fields | changes))


# -- what they match ---------------------------------------------------------------------------------------------------

segments = st.sampled_from(["wuhu", "wuhu2", "jinghu", "jing", "a", "b_", "g-1"])
scopes = st.lists(segments, max_size=5).map("/".join)
beside = st.sampled_from(["", "2", "-", "/a", "2/a", "/a/b_"])  # what is written alike is not below
words = st.frozensets(st.sampled_from([*DETECTORS, *ALERT_STEPS, *ALL_RULES]))
alerts = st.builds(
    alert,
    step=st.sampled_from(ALERT_STEPS),
    detector=st.sampled_from(DETECTORS),
    rule=st.sampled_from(ALL_RULES),
    severity=st.sampled_from(SEVERITIES),
    silenced=st.sampled_from([None, False, True]),
)


@given(
    st.builds(AlertFilter, scopes, words, words, st.sampled_from(SEVERITIES), words, st.booleans()),
    alerts,
    scopes,
    beside,
    st.booleans(),
)
def test_a_subscriber_never_hears_of_anything_outside_its_scope(
    wanted: AlertFilter, step: Alert, other: str, ending: str, near: bool
) -> None:
    scope = wanted.scope + ending if near else other
    mine = wanted.scope.split("/") if wanted.scope else []
    inside = scope.split("/")[: len(mine)] == mine
    assert AlertFilter(wanted.scope, silenced=True).matches(step, scope) is inside
    assert inside or not wanted.matches(step, scope)


@pytest.mark.parametrize(
    ("wanted", "step", "expected"),
    [
        ({}, {}, True),
        ({"detectors": ["device_offline"]}, {}, False),
        ({"detectors": ["device_offline", "noise_limit"]}, {}, True),
        ({"rules": ["night_burst"]}, {}, False),
        ({"rules": ["over_limit"]}, {}, True),
        ({"steps": ["resolved"]}, {}, False),
        ({"steps": ["resolved"]}, {"step": "resolved"}, True),
        ({"min_severity": "warning"}, {}, True),
        ({"min_severity": "critical"}, {}, False),
        ({"min_severity": "warning"}, {"severity": "critical"}, True),
        ({"min_severity": "warning"}, {"severity": "info"}, False),
        ({"steps": ["opened"]}, {"step": "unsilenced"}, True),
        ({"steps": ["opened"], "silenced": True}, {"step": "unsilenced"}, False),
        ({"steps": ["resolved"]}, {"step": "unsilenced"}, False),
        ({"steps": ["opened"]}, {"step": "silenced", "silenced": True}, False),
        ({}, {"silenced": True}, False),
        ({"silenced": True}, {"silenced": True}, True),
        ({"silenced": True}, {}, True),
        ({}, {"group": "a0"}, False),
        ({}, {"grouped": 3}, True),
        ({"silenced": True}, {"group": "a0"}, True),
    ],
)
def test_filters(wanted: dict[str, Any], step: dict[str, Any], expected: bool) -> None:
    chosen = checked_filter("wuhu", **wanted)
    assert chosen.matches(alert(**step), SCOPE) is expected
    again = state(
        subscription_scope="wuhu", detectors=joined(chosen.detectors, DETECTORS), min_severity=chosen.min_severity,
        rules=",".join(sorted(chosen.rules)) or None, steps=joined(chosen.steps, ALERT_STEPS), silenced=chosen.silenced,
    )  # fmt: skip
    assert Subscription(again).filter == chosen


@pytest.mark.parametrize("scope", ["Wuhu", "/", "wuhu/", "a/b/c/d/e/f", "wuhu\n", "芜湖"])
def test_a_filter_s_scope_is_a_scope(scope: str) -> None:
    with pytest.raises(FilterError):
        checked_filter(scope)


def test_every_rule_that_detectors_speak_of_is_known() -> None:
    """A rule that is missing in schemas/rules.py could not be subscribed to."""
    known = set(ALL_RULES)
    said: set[ast.expr] = set()
    for path in Path(detectors.__path__[0]).glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "_say":
                flags = [n for n, each in enumerate(call.args) if getattr(each, "value", None) in (True, False)]
                said |= {
                    call.args[n - back] for n in flags for back in (1, 2)
                }  # rule, active; or rule, subject, active
    texts = {node.value for node in said if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert len(texts) > 5
    assert texts <= known


# -- the book ----------------------------------------------------------------------------------------------------------


def log_of(states: Sequence[SubscriptionState]) -> MemoryLog:
    log = MemoryLog(lambda: 1_700_000_000_000)
    log.create_topics(ALL_TOPICS, 3)
    log.append([state_record(log, each) for each in states])
    return log


def book_of(log: MemoryLog, cuts: Sequence[int] = (1000,)) -> SubscriptionBook:
    book = SubscriptionBook(3)
    for where, end in log.end_offsets([CONTROL_TOPIC]).items():
        at = 0
        while at < end:
            for size in cuts:
                if at < end:
                    batch = log.read(where, at, size)
                    book.absorb(batch)
                    at += len(batch)
    return book


def test_the_book_is_the_same_however_the_log_is_cut_or_repeated() -> None:
    chosen = Random(7)
    states = [state(f"sub_{n}", r) for r in range(1, 5) for n in range(20) if chosen.random() < 0.8]
    states += [state(f"sub_{n}", 9, status="deleted") for n in range(0, 20, 3)]
    whole = book_of(log_of(states))
    assert len(whole.all()) == 13
    for log, cuts in ((log_of(states), (1,)), (log_of(states), (2, 3)), (log_of([*states, *states]), (1000,))):
        assert [each.state for each in book_of(log, cuts).all()] == [each.state for each in whole.all()]


def test_of_two_states_with_one_number_the_first_counts() -> None:
    states = [state(), state(revision=2, note="first"), state(revision=2, note="second"), state(revision=1, note="old")]
    (found,) = book_of(log_of(states)).all()
    assert found.state.note == "first"


def test_the_book_says_which_subscription_a_record_changed() -> None:
    states = [state(), state("sub_2"), state(), state(revision=2), state(revision=2, note="second")]
    records = [state_record(log_of([]), each) for each in states]
    book = SubscriptionBook(3)
    changed = [book.absorb_value(record.partition, record.value) for record in records]
    assert changed == ["sub_1", "sub_2", None, "sub_1", None]
    later = state_record(log_of([]), state(revision=3))
    assert book.absorb_value((later.partition + 1) % 3, later.value) is None
    assert book.absorb_value(later.partition, later.value.replace(b'"revision":3', b'"revision":"x"')) is None
    assert book.absorb_value(later.partition, later.value) == "sub_1"


@pytest.mark.parametrize(
    "changes",
    [{"subscription_scope": ""}, {"subscription_scope": "wuhu"}, {"kind": "email"}, {"key_id": "k2"}],
)
def test_scope_kind_and_owner_never_change(changes: dict[str, Any]) -> None:
    (found,) = book_of(log_of([state(), state(revision=2, **changes)])).all()
    assert found.state.revision == 1


def test_deleted_is_for_ever_and_only_active_ones_are_delivered_to() -> None:
    states = [state(revision=1), state(revision=2, status="deleted"), state(revision=3)]
    others = [state("sub_p", status="paused"), state("sub_d", status="disabled"), state("sub_a")]
    book = book_of(log_of([*states, *others]))
    gone = book.get("sub_1")
    assert gone is not None
    assert gone.state.status == "deleted"
    assert [each.subscription for each in book.active()] == ["sub_a"]
    assert [each.subscription for each in book.all()] == ["sub_a", "sub_d", "sub_p"]


def test_a_state_in_another_partition_or_of_nonsense_counts_for_nothing() -> None:
    log = log_of([state()])
    record = state_record(log, state(revision=2, status="paused"))
    wrong = record._replace(partition=(record.partition + 1) % 3)
    broken = [record._replace(value=value) for value in (b"", b"{", b"control.subscription.v1", b"[]")]
    lacking = orjson.dumps({"type": "cn.gridpulse.control.subscription.v1", "data": {"subscription": "sub_1"}})
    log.append([wrong, *broken, record._replace(value=lacking)])
    (found,) = book_of(log).all()
    assert found.is_active


def test_a_state_is_said_below_its_own_scope() -> None:
    log = log_of([])
    envelope = orjson.loads(state_record(log, state()).value)
    assert (envelope["scope"], envelope["id"]) == ("wuhu/jinghu", "sub_1.1")
    assert orjson.loads(state_record(log, state(subscription_scope="")).value)["scope"] == "-"


# -- what is secret ----------------------------------------------------------------------------------------------------


def test_the_present_secret_signs_first_and_the_one_before_until_it_expires() -> None:
    vault = Vault(MASTER)
    rotated = Subscription(state(secret_id="new", previous_secret_id="old", previous_secret_expires_time_ms=1_000))
    new, old = vault.signing_key("sub_1", "new"), vault.signing_key("sub_1", "old")
    assert rotated.signing_keys(vault, 999) == [new, old]
    assert rotated.signing_keys(vault, 1_000) == [new]
    assert Subscription(state(secret_id="new")).signing_keys(vault, 0) == [new]


def test_secrets_depend_on_the_key_the_subscription_and_the_secret_s_id() -> None:
    cases = [(MASTER, "sub_1", "a"), (MASTER, "sub_1", "b"), (MASTER, "sub_2", "a"), (MASTER[::-1], "sub_1", "a")]
    keys = {Vault(master).signing_key(subscription, secret) for master, subscription, secret in cases}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
    assert Vault(MASTER).signing_secret("sub_1", "a") == "whsec_iY7AdBqI/btZ2uUnI1vyOIc5T1n6QGolvjm2mMogrzM="


@given(st.text(max_size=300))
def test_what_is_sealed_opens_and_is_not_to_be_seen(text: str) -> None:
    vault = Vault(MASTER)
    sealed = vault.seal(text, "sub_1", "url")
    assert vault.open(sealed, "sub_1", "url") == text
    assert len(text) < 8 or text not in sealed
    assert sealed != vault.seal(text, "sub_1", "url")


def test_a_sealed_text_opens_nowhere_else_and_not_when_changed() -> None:
    vault = Vault(MASTER)
    sealed = vault.seal("https://hooks.example.org/in?token=t", "sub_1", "url")
    for subscription, field in (("sub_2", "url"), ("sub_1", "sign_secret"), ("sub_1url", "")):
        with pytest.raises(SealBrokenError):
            vault.open(sealed, subscription, field)
    with pytest.raises(SealBrokenError):
        Vault(MASTER[::-1]).open(sealed, "sub_1", "url")
    for at in range(len(sealed)):
        changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        with pytest.raises(SealBrokenError):
            vault.open(changed, "sub_1", "url")
    for nonsense in ("", "s1", "s1..", "s1.AAAA", "s1.AAAA.AAAA", "s2" + sealed[2:], sealed + ".x", "s1.é.é"):
        with pytest.raises(SealBrokenError):
            vault.open(nonsense, "sub_1", "url")


def test_nothing_secret_is_printed() -> None:
    assert repr(Vault(MASTER)) == "Vault(…)"
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(b"short")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7xxx", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…"),
        ("https://oapi.dingtalk.com/robot/send?access_token=abc&x=1", "https://oapi.dingtalk.com/robot/send?access_token=…&x=…"),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/8f3a2c1d-aaaa-bbbb", "https://open.feishu.cn/open-apis/bot/v2/hook/8f3a…"),
        ("https://hooks.example.org/in", "https://hooks.example.org/in"),
        ("https://hooks.example.org?sesame", "https://hooks.example.org?…"),
        ("mailto:zhang.san@example.org", "mailto:z…@example.org"),
    ],
)  # fmt: skip
def test_what_is_secret_in_an_address_is_not_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_ids_are_names_that_events_allow() -> None:
    assert len({new_id("sub") for _ in range(50)}) == 50
    assert state(new_id("sub")).subscription.startswith("sub_")


def test_the_golden_example_is_a_subscription() -> None:
    (example,) = golden_examples()["cn.gridpulse.control.subscription.v1"]
    golden = Subscription(SubscriptionState(**orjson.loads(example)["data"]))
    assert golden.filter.detectors == {"noise_limit", "device_offline"}
    assert golden.matches(alert(severity="critical"), "wuhu/jinghu/tingtang/x")
    assert not golden.matches(alert(severity="critical"), "wuhu/jinghu")
