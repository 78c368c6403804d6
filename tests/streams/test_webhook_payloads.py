"""What subscribers are sent, by kind: the golden bodies, the robots' limits, signatures and refusals."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import orjson
import pytest

from schemas.families.subscriptions import SubscriptionKind
from schemas.families.system import Alert, AlertStep, Severity
from schemas.rules import DETECTORS
from streams.webhooks.notices import DETECTOR_WORDS, SEVERITY_WORDS, STEP_WORDS, AlertNotice, Notice, PingNotice
from streams.webhooks.payloads import payload_of
from streams.webhooks.robots import refusal_of, signed

GOLDEN = Path(__file__).with_name("webhook_payloads.json")
WUHU = ZoneInfo("Asia/Shanghai")
AT_MS = 1_777_593_600_000
KINDS: tuple[SubscriptionKind, ...] = get_args(SubscriptionKind)
ALERT: dict[str, Any] = {
    "alert": "9c0f2b7a61d84e35", "alert_key": "noise_limit/over_limit/noise-0007", "step": "opened",
    "detector": "noise_limit", "rule": "over_limit", "subject": "noise-0007", "severity": "warning", "count": 1,
    "opened_time_ms": AT_MS, "updated_time_ms": AT_MS, "score": 52.8, "threshold": 45.0, "observed": 52.8,
    "unit": "dB(A)", "model_version": "noise_limit-1", "reason_zh": "夜间等效声级52.8 dB(A),超过1类区限值45 dB(A)。",
    "reason_en": "LAeq of 52.8 dB(A) at night, over the class 1 limit of 45 dB(A).",
}  # fmt: skip
LIFE: dict[str, Any] = {
    "step": "verdict", "actor": "warden-li", "comment": "现场核实 Checked on site", "assignee": "warden-wang",
    "verdict": "false", "case": "case-0032", "resolved_time_ms": AT_MS + 60_000, "grouped": 12, "unstable": True,
}  # fmt: skip


def notice(**changes: Any) -> AlertNotice:
    scope = "wuhu/jinghu/tingtang/jianyang/g03"
    return AlertNotice("ev-1", scope, AT_MS, Alert(**(ALERT | changes)))


CASES: dict[str, Notice] = {
    "opened": notice(),
    "resolved": notice(step="resolved", resolved_time_ms=AT_MS + 60_000),
    "critical": notice(step="escalated", severity="critical", detector="unheard_of", rule="new"),
    "people": notice(**LIFE),
    "ping": PingNotice("ping_1", "sub_1", AT_MS),
}


def bodies() -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        for name, case in CASES.items():
            payload = payload_of(kind, case, WUHU)
            body = payload.body.decode() if kind == "email" else orjson.loads(payload.body)
            made.setdefault(kind, {})[name] = {"subject": payload.subject, "body": body}
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_bodies_are_the_golden_ones(kind: str) -> None:
    """After a wanted change: ``python tests/streams/test_webhook_payloads.py``, and read what differs."""
    assert bodies()[kind] == orjson.loads(GOLDEN.read_bytes())[kind]


def test_a_standard_body_has_type_time_and_data() -> None:
    body = orjson.loads(payload_of("standard", notice(**LIFE), WUHU).body)
    assert list(body) == ["type", "timestamp", "data"]
    assert (body["type"], body["timestamp"]) == ("alert.verdict", "2026-05-01T00:00:00.000Z")
    assert body["data"]["resolved_time"] == "2026-05-01T00:01:00.000Z"
    assert body["data"]["scope"] == "wuhu/jinghu/tingtang/jianyang/g03"
    assert not [name for name, value in body["data"].items() if value is None or name.endswith("_ms")]


def test_every_step_severity_and_detector_has_its_words() -> None:
    assert set(STEP_WORDS) == set(get_args(AlertStep))
    assert set(SEVERITY_WORDS) == set(get_args(Severity))
    assert set(DETECTORS) <= set(DETECTOR_WORDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_longest_alert_fits(kind: SubscriptionKind) -> None:
    """企业微信 takes 4096 bytes of markdown, the others about 20,000 in all."""
    wide = {"reason_zh": "声" * 500, "reason_en": "声" * 500, "comment": "声" * 500, "actor": "声" * 200}
    names = {"subject": "声" * 128, "detector": "d" * 64, "rule": "r" * 64, "alert": "a" * 64, "assignee": "声" * 200}
    longest = AlertNotice("e", "/".join(["s" * 32] * 5), AT_MS, Alert(**(ALERT | LIFE | wide | names)))
    body = payload_of(kind, longest, WUHU).body
    assert len(body) < 20_000
    if kind == "wecom":
        assert len(orjson.loads(body)["markdown"]["content"].encode()) <= 4_096


HOSTILE = "<@all> <at id=all></at> @all **big** [here](https://evil.example) `x`\r\nBcc: a@b\n# head \u202e"


@pytest.mark.parametrize("kind", ["wecom", "dingtalk", "feishu"])
def test_what_people_write_is_text_and_nothing_more(kind: SubscriptionKind) -> None:
    plain = orjson.loads(payload_of(kind, notice(step="commented", comment="x", subject="y"), WUHU).body)
    hostile = orjson.loads(payload_of(kind, notice(step="commented", comment=HOSTILE, subject=HOSTILE), WUHU).body)

    def markup(body: Any) -> str:
        text = body["markdown"].get("content") or body["markdown"]["text"] if "markdown" in body else None
        text = text or body["card"]["elements"][0]["text"]["content"]
        return "".join(letter for letter in text if letter in "<>[]*`@\n")

    assert markup(hostile) == markup(plain)


def test_an_email_s_subject_is_one_line() -> None:
    payload = payload_of("email", notice(detector="x\r\nBcc: all@example.org", comment=HOSTILE), WUHU)
    assert payload.subject is not None
    assert payload.subject.isprintable()
    assert b"\r\nBcc" not in payload.body


def test_dingtalk_wants_time_and_signature_in_the_url() -> None:
    url, body = signed("dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=t", b"{}", "SEC1", AT_MS)
    asked = parse_qs(urlsplit(url).query)
    expected = hmac.digest(b"SEC1", f"{AT_MS}\nSEC1".encode(), "sha256")
    assert asked == {
        "access_token": ["t"], "timestamp": [str(AT_MS)], "sign": [base64.b64encode(expected).decode()],
    }  # fmt: skip
    assert body == b"{}"
    assert signed("dingtalk", "https://h.example/r", b"{}", "SEC1", AT_MS)[0].startswith(
        "https://h.example/r?timestamp="
    )


def test_feishu_wants_them_in_the_body() -> None:
    url, body = signed("feishu", "https://open.feishu.cn/open-apis/bot/v2/hook/h", b'{"msg_type":"text"}', "s1", AT_MS)
    expected = hmac.new(f"{AT_MS // 1000}\ns1".encode(), digestmod=hashlib.sha256).digest()
    assert url == "https://open.feishu.cn/open-apis/bot/v2/hook/h"
    assert orjson.loads(body) == {
        "timestamp": str(AT_MS // 1000), "sign": base64.b64encode(expected).decode(), "msg_type": "text",
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "secret"), [("dingtalk", None), ("feishu", None), ("wecom", "s"), ("standard", "s")])
def test_without_a_secret_nothing_is_signed(kind: SubscriptionKind, secret: str | None) -> None:
    assert signed(kind, "https://h.example/", b"{}", secret, AT_MS) == ("https://h.example/", b"{}")


@pytest.mark.parametrize(
    ("kind", "response", "refusal"),
    [
        ("wecom", b'{"errcode":0,"errmsg":"ok"}', None),
        ("wecom", b'{"errcode":45009,"errmsg":"api freq out of limit"}', "wecom 45009: api freq out of limit"),
        ("dingtalk", b'{"errcode":310000,"errmsg":"sign not match"}', "dingtalk 310000: sign not match"),
        ("feishu", b'{"code":19021,"msg":"sign match fail"}', "feishu 19021: sign match fail"),
        ("feishu", b'{"StatusCode":0,"StatusMessage":"success","code":0,"msg":"success"}', None),
        ("feishu", b"<html>", None),
        ("wecom", b"[]", None),
        ("wecom", b"", None),
        ("standard", b'{"errcode":1}', None),
    ],
)
def test_a_platform_s_refusal_is_seen_in_its_answer(
    kind: SubscriptionKind, response: bytes, refusal: str | None
) -> None:
    assert refusal_of(kind, response) == refusal


if __name__ == "__main__":
    GOLDEN.write_bytes(orjson.dumps(bodies(), option=orjson.OPT_INDENT_2) + b"\n")
