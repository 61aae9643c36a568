"""Forms offer what the profile has, and Prefect accepts what the models may know beyond that."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import ValidationError, validate

from flows.running.content_forms import Text
from flows.running.form import profile_languages
from flows.subtitle_media import subtitle_media
from tests.paths import ROOT


@pytest.fixture
def swedish_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """A profile with a model that translates into Swedish."""
    document = yaml.safe_load((ROOT / "configs" / "models.yaml").read_text(encoding="utf-8"))
    document["models"]["translation-en-x"]["options"]["targets"] = ["sv", "zh"]
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setenv("TRIPTYCH_MODELS_CONFIG", str(path))
    monkeypatch.setenv("TRIPTYCH_PROFILE", "starter")
    profile_languages.cache_clear()
    yield
    profile_languages.cache_clear()


def choices(schema: dict[str, Any]) -> list[str]:
    return schema["anyOf"][0]["enum"]


@pytest.mark.usefixtures("swedish_profile")
def test_the_languages_that_a_form_offers_are_those_of_the_profile() -> None:
    fields = Text.model_json_schema()["properties"]
    assert choices(fields["target"]) == ["en", "sv", "zh", "zh-Hant"]
    assert choices(fields["source"]) == ["", "de", "en", "es", "fr", "zh"]


@pytest.mark.usefixtures("swedish_profile")
def test_prefect_accepts_languages_that_a_form_does_not_offer() -> None:
    """A run names those that no model knows; tags of regions are understood."""
    schema: Any = parameter_schema(subtitle_media).model_dump_for_openapi()
    offered = schema["definitions"]["SubtitleOrder"]["properties"]["languages"]["items"]
    assert choices(offered) == ["en", "sv", "zh", "zh-Hant"]
    order = {"recording": "ab" * 32}
    validate({"order": order | {"languages": ["sv", "it", "zh-TW"]}}, schema, raise_on_error=True)
    with pytest.raises(ValidationError):
        validate({"order": order | {"languages": [3]}}, schema, raise_on_error=True)
