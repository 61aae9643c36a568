"""/docs: a page generated from the OpenAPI document, without scripts and without requests to other hosts."""

from functools import lru_cache
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter()
_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code { font-size: .95em } summary { cursor: pointer; padding: .3rem 0 } .method { display: inline-block; width: 4.5em }
td, th { text-align: left; vertical-align: top; padding: .15rem 1rem .15rem 0 } details { border-top: 1px solid #8884 }
"""


@router.get("/docs", include_in_schema=False)
def documents(request: Request) -> HTMLResponse:
    """The documentation of the API as one HTML page."""
    return HTMLResponse(_page(request.app))


@lru_cache(1)
def _page(app: Any) -> str:
    document: dict[str, Any] = app.openapi()
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            row = _operation_html(method, path, operation, document)
            groups.setdefault(operation.get("tags", ["Other"])[0], []).append(row)
    sections = "".join(f"<h2>{escape(name)}</h2>{''.join(rows)}" for name, rows in groups.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Triptych API</title><style>{_STYLE}</style><h1>Triptych API</h1><p>{escape(app.description)} "
        "Every request needs a token: <code>Authorization: Bearer …</code>. "
        f'<a href="openapi.json">openapi.json</a> is the same for programs.</p>{sections}'
    )


def _operation_html(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    fields = [_parameter_row(each) for each in operation.get("parameters", [])] + _body_rows(operation, document)
    table = f"<table>{''.join(fields)}</table>" if fields else ""
    return (
        f'<details><summary><code><b class="method">{method.upper()}</b> {escape(path)}</code></summary>'
        f"<p>{escape(operation.get('description', ''))}</p>{table}</details>"
    )


def _parameter_row(parameter: dict[str, Any]) -> str:
    return _row(parameter["name"], parameter["in"], parameter.get("description") or "")


def _body_rows(operation: dict[str, Any], document: dict[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    for media_type, body in content.items():
        fields = _resolve_reference(body.get("schema", {}), document).get("properties", {})
        return [_row(name, media_type, each.get("description") or "") for name, each in fields.items()]
    return []


def _resolve_reference(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    name = str(schema.get("$ref", "")).rsplit("/", 1)[-1]
    return document["components"]["schemas"][name] if name else schema


def _row(name: str, location: str, description: str) -> str:
    return f"<tr><td><code>{escape(name)}</code><td>{escape(location)}<td>{escape(description)}"
