"""Use what docs/contributing.md adds, in the copy of the checkout that this script is started in; prints JSON."""

import asyncio
import json
import sys
from importlib import import_module
from pkgutil import resolve_name
from typing import Any

import yaml
from fastapi.testclient import TestClient

from flows.running import preload
from flows.running.context import local_context
from flows.running.platform import Platform
from flows.running.settings import ROOT, load_settings
from gateway.gallery.app import add_gallery
from gateway.http.app import create_app
from modalities.errors import InvalidRequest


def main(project: str) -> dict[str, Any]:
    shouting = import_module("modalities.shouting.requests")
    settings = load_settings()
    first, second = Platform(settings), Platform(settings)
    request = shouting.Shout(model="megaphone", text="hello")
    answer = first.space(project).answers.run(request)
    again = second.space(project).answers.run(request)
    try:
        first.space(project).answers.run(shouting.Shout(model="megaphone", text=""))
        refused = False
    except InvalidRequest:
        refused = True

    flow, content_forms = import_module("flows.shout_text"), import_module("flows.running.content_forms")
    form = content_forms.Announcement(text="fire", project=project)
    report = asyncio.run(flow.shout(local_context(first.space(project)), form))
    deployments = yaml.safe_load((ROOT / "configs" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    deployment = next(entry for entry in deployments if entry["name"] == flow.shout_text.name)
    module, _, name = deployment["entrypoint"].rpartition(".")

    app = create_app(second)
    add_gallery(app)
    headers = {"Authorization": f"Bearer {settings.gateway_token.get_secret_value()}", "Accept-Language": "zh-CN"}
    with TestClient(app, headers=headers) as client:
        where = {"project": project}
        posted = client.post("/api/shouts", params=where, json={"text": "hello"})
        anonymous = client.post("/api/shouts", json={"text": "hello"}, headers={"Authorization": ""}).status_code
        page = client.get("/shouting", params=where | {"text": "hello"})
    return {
        "answers": [answer.text, again.text],
        "loaded": [[model.name for model in platform.pool.loaded()] for platform in (first, second)],
        "recipe": first.pool.recipe(request).operator,
        "refused": refused,
        "report": [report.text, str(report)],
        "deployed": [resolve_name(f"{module}:{name}").name, module in preload.PRELOAD, deployment["work_pool"]["name"]],
        "posted": [posted.status_code, posted.json(), anonymous],
        "page": page.text,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
