"""Keys, roles and scopes, over every route there is."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from streams.ports import Principal

OPEN = {"/healthz", "/readyz"}


def operations(http: TestClient) -> list[tuple[str, str, dict[str, Any]]]:
    paths = http.get("/openapi.json").json()["paths"]
    return [(path, method, operation) for path, methods in paths.items() for method, operation in methods.items()]


def call(http: TestClient, path: str, method: str, key: str | None, **params: str) -> Any:
    headers = {"X-API-Key": key} if key is not None else {}
    names = {"metric": "noise_laeq", "device": "d", "alert": "a", "silence": "s", "subscription": "u"}
    url = path.format_map(names)
    with TestClient(http.app, raise_server_exceptions=False) as bare:
        return bare.request(method, url, params=params, headers=headers)


def test_every_route_but_health_needs_a_key(http: TestClient) -> None:
    found = operations(http)
    assert len(found) >= 35
    for path, method, _ in found:
        for key in (None, "", "gp_wrong", "x" * 5000):
            answer = call(http, path, method, key)
            if path in OPEN:
                assert answer.status_code == 200, path
            else:
                assert answer.status_code == 401, (path, key)
                assert answer.json()["type"] == "urn:gridpulse:problem:unauthorized"
                assert answer.headers["www-authenticate"].startswith("Bearer")


def test_roles(world: Any, http: TestClient) -> None:
    """Who may not: nobody gets a role's rights by having another's."""
    world.keys._keys["operator"] = Principal("k9", "operator", "")
    acting = ("/v1/alerts/{alert}/", "/v1/silences", "/v1/subscriptions")
    for path, method, _ in operations(http):
        if path in OPEN or path == "/openapi.json":
            continue
        keys = ("reader", "writer", "operator", "admin")
        refused = {key for key in keys if call(http, path, method, key).status_code == 403}
        expected = {
            "/v1/events": {"reader", "operator"},
            "/v1/deadletters": {"reader", "writer", "operator"},
        }.get(path, {"writer"})
        if path.startswith(acting) and (path, method) != ("/v1/silences", "get"):
            expected = {"reader", "writer"}
        assert refused == expected, (path, method)


def test_bearer_and_header_both_work(http: TestClient) -> None:
    bare = TestClient(http.app)
    assert bare.get("/v1/metrics", headers={"Authorization": "Bearer reader"}).status_code == 200
    assert bare.get("/v1/metrics", headers={"X-API-Key": "reader"}).status_code == 200
    assert bare.get("/v1/metrics", headers={"Authorization": "Basic reader"}).status_code == 401


def test_a_foreign_scope_is_refused_on_every_route_that_takes_one(http: TestClient) -> None:
    scoped = [
        (path, method)
        for path, method, operation in operations(http)
        if any(parameter["name"] == "scope" for parameter in operation.get("parameters", ()))
    ]
    assert len(scoped) >= 11
    for path, method in scoped:
        for foreign in ("wuhu", "wuhu/yijiang", "wuhu/jinghu2", "wuhu/jingh"):
            answer = call(http, path, method, "admin-a", scope=foreign)
            assert answer.status_code == 403, (path, foreign)
            assert answer.json()["type"] == "urn:gridpulse:problem:scope-not-allowed"
            assert answer.json()["allowed_scope"] == "wuhu/jinghu"
        assert call(http, path, method, "admin-a", scope="wuhu/jinghu/a").status_code in (200, 404), path


def test_without_a_scope_it_is_the_keys_own(world: Any, http: TestClient) -> None:
    assert call(http, "/v1/metrics/heartbeats", "get", "reader-a").json()["scope"] == "wuhu/jinghu"
    assert world.queries.metric_queries[-1].scope == "wuhu/jinghu"
    assert call(http, "/v1/boards/perception", "get", "reader-a").json()["scope"] == "wuhu/jinghu"
    assert world.queries.board_queries[-1].scope == "wuhu/jinghu"


@pytest.mark.parametrize("scope", ["Wuhu", "wuhu/", "/wuhu", "a/b/c/d/e/f", "a" * 33, "wuhu' OR 1=1", "湖"])
def test_a_malformed_scope_is_a_wrong_parameter(http: TestClient, scope: str) -> None:
    answer = call(http, "/v1/devices", "get", "reader", scope=scope)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "query.scope"


def test_keys_that_cannot_be_checked_let_nobody_in(world: Any, http: TestClient) -> None:
    world.keys.available = False
    answer = call(http, "/v1/metrics", "get", "reader")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:gridpulse:problem:log-unavailable"


def test_prometheus_metrics_need_a_key_for_everything(http: TestClient) -> None:
    assert call(http, "/metrics", "get", "reader-a").status_code == 403
    assert call(http, "/metrics", "get", "reader").status_code == 200
