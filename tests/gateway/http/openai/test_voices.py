"""The voices of several models have an order: the default first, then by the names of the models."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from fastapi.testclient import TestClient

from flows.running.platform import Platform
from flows.running.settings import Settings
from gateway.http.app import create_app
from gateway.tokens import Tokens


@pytest.fixture
def several_voices(settings: Settings, tmp_path: Path) -> Path:
    """The catalogue with three more models that read aloud, one of them with the voice of the default."""
    document: dict[str, Any] = yaml.safe_load(settings.models_config.read_text(encoding="utf-8"))
    models = document["models"]
    for name, voice in (("z-bass", "bass"), ("a-alto", "alto"), ("a-heart", "heart")):
        models[name] = models["hibari-heart"] | {"options": {"voice": voice}}
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_the_default_voice_is_listed_first_and_the_others_by_model(settings: Settings, several_voices: Path) -> None:
    changed = {"models_config": several_voices, "prefect_api_url": "http://127.0.0.1:1/api"}
    platform = Platform(settings.model_copy(update=changed))
    token = Tokens(platform.bucket).create(f"voices-{uuid4().hex[:8]}", "viewer", "voices")
    with TestClient(create_app(platform), headers={"Authorization": f"Bearer {token}"}) as client:
        voices = client.get("/v1/audio/voices").json()["voices"]
    assert [(each["id"], each["model"]) for each in voices] == [
        ("heart", "hibari-heart"),
        ("alto", "a-alto"),
        ("bass", "z-bass"),
    ]
