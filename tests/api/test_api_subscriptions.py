"""Subscriptions by API: who may have which, what is refused and in which words, and what is never shown."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from schemas.event import Event
from schemas.families.subscriptions import SubscriptionPing, SubscriptionState
from schemas.records import TopicPartition
from schemas.strict import Limits, parse_strict
from streams.control_state import CONTROL_TOPIC, LatestByKey
from streams.ports import Principal
from streams.webhooks.addresses import AddressRule
from streams.webhooks.registrar import Registrar
from streams.webhooks.reports import disabled_state
from streams.webhooks.subscriptions import SubscriptionBook, state_record
from streams.webhooks.vault import Vault

URL = "https://hooks.example.org/in?token=top-secret"
JINGHU = "wuhu/jinghu"


def values(world: Any) -> list[tuple[int, bytes]]:
    """What is in the control topic, with its partition."""
    return [
        (number, value)
        for number in range(world.live_log.partitions(CONTROL_TOPIC))
        for value in world.live_log.read(TopicPartition(CONTROL_TOPIC, number), 0, 1_000).values
    ]


def subscribe(http: TestClient, key: str = "admin", **wanted: Any) -> dict[str, Any]:
    answer = http.post("/v1/subscriptions", json={"url": URL} | wanted, headers={"X-API-Key": key})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def refused(http: TestClient, key: str = "admin", **wanted: Any) -> dict[str, Any]:
    answer = http.post("/v1/subscriptions", json={"url": URL} | wanted, headers={"X-API-Key": key})
    assert answer.status_code == 422, answer.text
    problem: dict[str, Any] = answer.json()
    return problem


def test_a_new_subscription_is_answered_with_its_secret_once(http: TestClient) -> None:
    made = subscribe(http, scope=JINGHU, detectors=["noise_limit"], steps=["resolved", "opened"], note="值班群")
    assert made["secret"].startswith("whsec_")
    assert made["url"] == "https://hooks.example.org/in?token=…"
    assert (made["scope"], made["detectors"], made["steps"]) == (JINGHU, ["noise_limit"], ["opened", "resolved"])
    assert (made["status"], made["revision"], made["actor"], made["note"]) == ("active", 1, "k0", "值班群")
    shown = http.get(f"/v1/subscriptions/{made['subscription']}").json()
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert http.get("/v1/subscriptions").json() == {"next_cursor": None, "subscriptions": [shown]}


def test_the_log_and_the_answers_hold_nothing_secret(world: Any, http: TestClient) -> None:
    made = subscribe(http)
    robot = subscribe(http, kind="dingtalk", sign_secret="SECabc")
    assert robot["secret"] is None
    assert robot["sign_secret"] is True
    http.post(f"/v1/subscriptions/{made['subscription']}/rotate-secret")
    logged = b"".join(value for _, value in values(world))
    shown = http.get("/v1/subscriptions").text
    for secret in ("top-secret", "SECabc", made["secret"], made["secret"].removeprefix("whsec_"), "whsec_"):
        assert secret.encode() not in logged
        assert secret not in shown


def test_what_was_made_is_in_the_book_rebuilt_from_the_log(world: Any, http: TestClient) -> None:
    kept, gone = subscribe(http, scope=JINGHU)["subscription"], subscribe(http)["subscription"]
    http.patch(f"/v1/subscriptions/{kept}", json={"min_severity": "critical"})
    http.delete(f"/v1/subscriptions/{gone}")
    book = SubscriptionBook(2)
    for number in range(2):
        book.absorb(world.live_log.read(TopicPartition(CONTROL_TOPIC, number), 0, 1_000))
    (found,) = book.active()
    assert found.subscription == kept
    assert (found.filter.scope, found.filter.min_severity) == (JINGHU, "critical")


def test_only_operators_and_admins_subscribe(http: TestClient) -> None:
    for key in ("reader", "writer", "reader-a", "writer-a"):
        answer = http.post("/v1/subscriptions", json={"url": URL}, headers={"X-API-Key": key})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:gridpulse:problem:role-not-allowed"), key
        assert http.get("/v1/subscriptions", headers={"X-API-Key": key}).status_code == 403


def test_a_key_subscribes_below_its_own_scope_and_nowhere_else(http: TestClient) -> None:
    assert subscribe(http, "operator-a")["scope"] == JINGHU
    assert subscribe(http, "operator-a", scope="wuhu/jinghu/tingtang")["scope"] == "wuhu/jinghu/tingtang"
    for scope in ("", "wuhu", "wuhu/jinghu2", "wuhu/yijiang"):
        wanted = {"url": URL, "scope": scope}
        answer = http.post("/v1/subscriptions", json=wanted, headers={"X-API-Key": "operator-a"})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:gridpulse:problem:scope-not-allowed"), scope


def test_others_subscriptions_do_not_exist(http: TestClient) -> None:
    elsewhere = subscribe(http, scope="wuhu/yijiang")["subscription"]
    above = subscribe(http, scope="wuhu")["subscription"]
    below = subscribe(http, scope="wuhu/jinghu/tingtang")["subscription"]
    http.headers["X-API-Key"] = "operator-a"
    assert [each["subscription"] for each in http.get("/v1/subscriptions").json()["subscriptions"]] == [below]
    for one in (elsewhere, above, "sub_none"):
        path = f"/v1/subscriptions/{one}"
        answers = [
            http.get(path), http.patch(path, json={"silenced": True}), http.post(path + "/pause"),
            http.post(path + "/resume"), http.post(path + "/test"), http.post(path + "/rotate-secret"),
            http.patch(path, json={"url": URL}), http.delete(path),
        ]  # fmt: skip
        assert {answer.status_code for answer in answers} == {404}
    assert http.delete(f"/v1/subscriptions/{below}").json()["status"] == "deleted"


REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    ({"detectors": ["noise_limt"]}, "body.detectors", "相近:noise_limit", "near: noise_limit"),
    ({"rules": ["loud"]}, "body.rules", "可选:unusual_hour", "allowed: unusual_hour"),
    ({"detectors": ["noise_limit"], "rules": ["silent"]}, "body.rules", "不属于所选检测器", "over_limit"),
    ({"steps": ["open"]}, "body.steps", "相近:opened", "near: opened"),
    ({"scope": "Wuhu"}, "body.scope", "不是有效范围", "is no scope"),
    ({"scope": "wuhu/"}, "body.scope", "wuhu/jinghu", "1 to 5 segments"),
    ({"scope": "hefei"}, "body.scope", "没有范围 hefei;现有:wuhu", "there are wuhu"),
    ({"url": "http://hooks.example.org/"}, "body.url", "https://", "GRIDPULSE_WEBHOOK_ALLOW_HTTP"),
    ({"url": "https://10.0.0.1/"}, "body.url", "内网", "private"),
    ({"url": "https://[::ffff:169.254.169.254]/"}, "body.url", "内网", "private"),
    ({"url": "https://two.example.org/"}, "body.url", "10.0.0.1", "10.0.0.1"),
    ({"url": "https://nowhere.example.org/"}, "body.url", "无法解析", "can't be resolved"),
    ({"url": "https://a:b@hooks.example.org/"}, "body.url", "口令", "password"),
    ({"kind": "email", "url": URL}, "body.url", "mailto:", "mailto:"),
    ({"kind": "email", "url": "mailto:a@b.cn?bcc=x@y.cn"}, "body.url", "mailto:", "mailto:"),
    ({"sign_secret": "s"}, "body.sign_secret", "dingtalk", "feishu"),
]  # fmt: skip


def test_what_can_t_be_is_refused_in_both_languages(world: Any, http: TestClient) -> None:
    world.names["two.example.org"] = ["1.1.1.1", "10.0.0.1"]
    for wanted, parameter, zh, en in REFUSED:
        problem = refused(http, **wanted)
        assert problem["errors"][0]["parameter"] == parameter, wanted
        assert zh in problem["detail"], wanted
        assert en in problem["detail_en"], wanted
    assert values(world) == []


def test_email_is_refused_where_no_mail_server_is_known(world: Any) -> None:
    wanted = {"kind": "email", "url": "mailto:zhang.san@example.org"}
    with world.client() as http:
        assert http.post("/v1/subscriptions", json=wanted, headers={"X-API-Key": "admin"}).status_code == 201
    world.registrar = Registrar(world.live_log, Vault(b"k" * 32), AddressRule(), lambda: 0, sends_email=False)
    with world.client() as http:
        answer = http.post("/v1/subscriptions", json=wanted, headers={"X-API-Key": "admin"})
    assert answer.status_code == 422
    assert "GRIDPULSE_WEBHOOK_SMTP_URL" in answer.json()["detail"]


TOO_LONG_OR_OF_ANOTHER_TYPE: list[dict[str, Any]] = [
    {"url": "https://h.example/" + "x" * 1000}, {"detectors": ["noise_limit"] * 51}, {"detectors": ["x" * 65]},
    {"note": "x" * 201}, {"kind": "pigeon"}, {"min_severity": "grave"}, {"silenced": "yes"}, {"secret": "mine"},
    {"url": None}, {"steps": "opened"},
]  # fmt: skip


def test_lengths_and_types_are_bounded(world: Any, http: TestClient) -> None:
    for wanted in TOO_LONG_OR_OF_ANOTHER_TYPE:
        assert refused(http, **wanted)["errors"], wanted
    assert values(world) == []


def test_a_change_leaves_what_it_does_not_name(http: TestClient) -> None:
    made = subscribe(http, detectors=["noise_limit"], min_severity="warning", note="n")
    path = f"/v1/subscriptions/{made['subscription']}"
    changed = http.patch(path, json={"url": "https://1.1.1.1/new", "steps": ["opened"]}).json()
    assert (changed["url"], changed["steps"], changed["revision"]) == ("https://1.1.1.1/new", ["opened"], 2)
    assert (changed["detectors"], changed["min_severity"], changed["note"]) == (["noise_limit"], "warning", "n")
    changed = http.patch(path, json={"detectors": [], "note": ""}).json()
    assert (changed["detectors"], changed["note"], changed["url"]) == ([], None, "https://1.1.1.1/new")
    refusal = http.patch(path, json={"url": "https://192.168.0.1/"})
    assert (refusal.status_code, refusal.json()["errors"][0]["parameter"]) == (422, "body.url")
    assert http.get(path).json() == changed


def test_pause_resume_and_delete(http: TestClient) -> None:
    path = f"/v1/subscriptions/{subscribe(http)['subscription']}"
    paused = http.post(path + "/pause", json={"reason": "交接班"}).json()
    assert (paused["status"], paused["status_reason"], paused["revision"]) == ("paused", "交接班", 2)
    assert http.post(path + "/pause").json()["revision"] == 2
    resumed = http.post(path + "/resume").json()
    assert (resumed["status"], resumed["status_reason"]) == ("active", None)
    assert http.delete(path).json()["status"] == "deleted"
    assert http.get(path).status_code == http.post(path + "/resume").status_code == http.delete(path).status_code == 404
    assert http.get("/v1/subscriptions").json()["subscriptions"] == []


def test_a_rotated_secret_and_the_one_before_sign_together_for_a_day(http: TestClient) -> None:
    made = subscribe(http)
    path = f"/v1/subscriptions/{made['subscription']}"
    rotated = http.post(path + "/rotate-secret").json()
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_secret_expires_time"] == "2026-03-02T12:00:00+08:00"
    at_once = http.post(path + "/rotate-secret", json={"overlap_s": 0}).json()
    assert at_once["previous_secret_expires_time"] is None
    assert http.post(path + "/rotate-secret", json={"overlap_s": -1}).status_code == 422
    robot = subscribe(http, kind="wecom")["subscription"]
    assert http.post(f"/v1/subscriptions/{robot}/rotate-secret").json()["errors"][0]["parameter"] == "body.kind"


def test_a_test_appends_a_ping_behind_the_subscription(world: Any, http: TestClient) -> None:
    made = subscribe(http, "operator-a")["subscription"]
    answer = http.post(f"/v1/subscriptions/{made}/test", headers={"X-API-Key": "operator-a"})
    assert answer.status_code == 202
    pings = LatestByKey(SubscriptionPing, 2, lambda ping: ping.subscription, lambda known, new: True)
    for number, value in values(world):
        pings.absorb_value(number, value)
    assert pings.latest[made].ping == answer.json()["ping"]
    assert pings.latest[made].actor == "k7"


def test_a_paused_subscription_can_be_tested_and_a_disabled_or_deleted_one_can_not(
    world: Any, http: TestClient
) -> None:
    path = f"/v1/subscriptions/{subscribe(http)['subscription']}"
    http.post(path + "/pause")
    assert http.post(path + "/test").status_code == 202
    state = world.registrar.get(Principal("k0", "admin", ""), path.rsplit("/", 1)[1]).state
    world.live_log.append([state_record(world.live_log, disabled_state(state, "410"))])
    before = values(world)
    refusal = http.post(path + "/test")
    assert (refusal.status_code, refusal.json()["type"]) == (409, "urn:gridpulse:problem:not-now")
    assert "恢复" in refusal.json()["detail"]
    assert "resume it first" in refusal.json()["detail_en"]
    assert values(world) == before, "nothing is promised and nothing is said"
    http.post(path + "/resume")
    assert http.post(path + "/test").status_code == 202
    http.delete(path)
    assert http.post(path + "/test").status_code == 404


def test_a_key_has_so_many_subscriptions_and_no_more(http: TestClient) -> None:
    made = [subscribe(http)["subscription"] for _ in range(3)]
    answer = http.post("/v1/subscriptions", json={"url": URL})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:gridpulse:problem:limit-reached")
    assert "3" in answer.json()["detail_en"]
    subscribe(http, "operator")
    http.delete(f"/v1/subscriptions/{made[0]}")
    subscribe(http)


def test_of_two_changes_at_once_one_is_told_to_look_again(world: Any, http: TestClient) -> None:
    made = subscribe(http)["subscription"]
    appended = world.live_log.append

    def append_after_somebody_else(records: Any) -> Any:
        world.live_log.append = appended
        http.post(f"/v1/subscriptions/{made}/pause")
        return appended(records)

    world.live_log.append = append_after_somebody_else
    answer = http.patch(f"/v1/subscriptions/{made}", json={"silenced": True})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:gridpulse:problem:conflict")
    now = http.get(f"/v1/subscriptions/{made}").json()
    assert (now["status"], now["silenced"]) == ("paused", False)


def test_the_list_comes_in_pages(http: TestClient) -> None:
    made = sorted(subscribe(http, key)["subscription"] for key in ("admin", "operator", "admin-a", "operator-a"))
    seen: list[str] = []
    asked: dict[str, Any] | None = {"limit": 3}
    while asked is not None:
        page = http.get("/v1/subscriptions", params=asked).json()
        assert len(page["subscriptions"]) <= 3
        seen += [each["subscription"] for each in page["subscriptions"]]
        asked = {"limit": 3, "cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert seen == made


def test_every_event_is_one_that_the_catalogue_accepts(world: Any, http: TestClient) -> None:
    made = subscribe(http, kind="feishu", sign_secret="s", detectors=["device_offline"], rules=["silent"])
    http.post(f"/v1/subscriptions/{made['subscription']}/test")
    parsed = [parse_strict(value, None, 1_772_337_600_000, Limits()) for _, value in values(world)]
    assert {type(event.data) for event in parsed if isinstance(event, Event)} == {SubscriptionState, SubscriptionPing}
    assert len(parsed) == 2
