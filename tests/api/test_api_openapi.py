"""The OpenAPI document is complete, true to its own examples, and holds against made-up requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis
import jsonschema
import schemathesis
from fastapi.testclient import TestClient
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from projections.queries.life_cycle_ports import SilenceRow
from projections.queries.ports import AlertRow, DeviceRow

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
OPEN = {"/healthz", "/readyz"}
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance,
]  # fmt: skip


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]


def test_every_operation_has_summary_examples_and_its_problems(http: TestClient) -> None:
    for path, operation in operations(http.get("/openapi.json").json()):
        assert any("一" <= letter <= "鿿" for letter in operation["summary"]), path
        assert any("a" <= letter <= "z" for letter in operation["summary"]), path
        for status, response in operation["responses"].items():
            for media in response["content"].values():
                assert "example" in media or "examples" in media, (path, status)
        if path not in OPEN:
            assert "401" in operation["responses"], path
            assert operation["security"], path
        if path not in OPEN and path != "/openapi.json":
            assert {"403", "422"} <= set(operation["responses"]), path


def test_every_example_fits_its_schema(http: TestClient) -> None:
    document = http.get("/openapi.json").json()
    checked = 0
    for path, operation in operations(document):
        for status, response in operation["responses"].items():
            for media in response["content"].values():
                examples = (
                    [media["example"]] if "example" in media else [e["value"] for e in media["examples"].values()]
                )
                schema = media.get("schema", {}) | {"components": document["components"]}
                for example in examples:
                    jsonschema.Draft202012Validator(schema).validate(example)
                    checked += 1
                    assert not status.startswith("2") or schema["components"], path
    assert checked > 60


def test_both_ways_to_give_a_key_are_declared(http: TestClient) -> None:
    schemes = http.get("/openapi.json").json()["components"]["securitySchemes"]
    assert {scheme["type"] for scheme in schemes.values()} == {"http", "apiKey"}


def test_made_up_requests_get_documented_answers(world: Any, http: TestClient) -> None:
    scope = "wuhu/jinghu/tingtang/jianyang/g03"
    world.queries.device_rows = [DeviceRow(scope, "d", "noise", None, None, None, None, "unknown", None, None, None)]
    world.queries.alert_rows = [
        AlertRow(
            name, scope, "noise_limit", "day_limit", "d", "info", "open", 1, NOON, NOON, None, 1.0, 1.0, None, None,
            None, "1", "甲", "a",
        )
        for name in ("a", "0")  # the second is the name that is made up most often
    ]  # fmt: skip
    until = NOON + timedelta(hours=1)
    world.queries.silence_rows = [
        SilenceRow("0", scope, "silence", "active", None, None, None, NOON, until, "k", "c", NOON, None, None, None)
    ]
    app: Any = http.app
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    seen: set[tuple[str, int]] = set()

    for result in schema.get_all_operations():
        operation = result.ok()
        is_one_of_many = operation.method == "post" and operation.path.count("/") > 3  # what is done to one thing

        @hypothesis.settings(
            max_examples=8 if is_one_of_many else 25, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )  # fmt: skip
        @hypothesis.given(case=operation.as_strategy())
        def run(case: Any) -> None:
            response = case.call(headers={"X-API-Key": "admin"})
            seen.add((case.operation.path, response.status_code))
            case.validate_response(response, checks=CHECKS)

        run()
    assert len({path for path, _ in seen}) >= 31
    assert {200, 202, 404, 415, 422} <= {status for _, status in seen}
