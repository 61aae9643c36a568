"""Property-based tests: responses to generated requests conform to the OpenAPI document and are never server errors."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SLOW = ("/events", "/v1/images", "/v1/audio", "/v1/chat", "/translate", "/api/artifacts", "/api/ask", "/complete")
"""Routes that start work when a generated request is valid; they get fewer examples."""


def operations(address: str) -> list[tuple[str, str]]:
    document = httpx.get(f"{address}/openapi.json").json()
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


def test_responses_conform_to_the_openapi_document(address: str, maker_token: str) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    for method, path in operations(address):
        count = 4 if any(part in path for part in SLOW) else 12

        @settings(
            max_examples=count,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Case) -> None:
            case.call_and_validate(
                headers={"Authorization": f"Bearer {maker_token}"}, checks=CHECKS, timeout=120, allow_redirects=False
            )

        from hypothesis import given

        given(case=schema[path][method].as_strategy())(check)()
