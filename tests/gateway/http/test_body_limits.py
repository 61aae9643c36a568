"""How large bodies may be, by the decorators and parameters of routes."""

from fastapi import UploadFile
from fastapi.routing import APIRoute

from gateway.http.body_limits import body_limit, max_body_bytes

MEGABYTE = 1_000_000


def test_a_limit_of_its_own_holds_on_a_route_with_files_within_that_for_uploads() -> None:
    async def unlimited(file: UploadFile) -> None: ...

    @body_limit(5 * MEGABYTE)
    async def limited(file: UploadFile) -> None: ...

    @body_limit(5 * MEGABYTE)
    async def without_files() -> None: ...

    found = [APIRoute("/x", endpoint, methods=["POST"]) for endpoint in (unlimited, limited, without_files)]
    assert [max_body_bytes(route, 7 * MEGABYTE) for route in found] == [7 * MEGABYTE, 5 * MEGABYTE, 5 * MEGABYTE]
    assert [max_body_bytes(route, 3 * MEGABYTE) for route in found] == [3 * MEGABYTE, 3 * MEGABYTE, 5 * MEGABYTE]
