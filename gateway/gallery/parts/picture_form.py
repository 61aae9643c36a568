"""The form that asks for pictures, and its conversion from and to a PictureOrder."""

from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict

from flows.library.inputs import resolve_input
from flows.running.content_forms import PictureOrder
from flows.running.platform import Space
from modalities.generation.requests import defaults_for

STYLES = ("soft", "bold", "3d", "flat")
"""The styles of the starter model, offered as suggestions; other models have others."""
_SEED_STEP = 64
"""Added to the seed of a repeated order; the largest number of pictures in one order, so that no seed repeats."""


class PictureForm(BaseModel):
    """The fields of the form as strings, as a browser sends them."""

    model_config = ConfigDict(extra="ignore")

    prompt: str = ""
    style: str = ""
    count: str = "4"
    size: str = "native"
    seed: str = "1"
    start_from: str = ""
    strength: str = "0.6"
    avoid: str = ""
    steps: str = "0"
    guidance: str = "-1"
    scheduler: str = "default"
    model: str = ""

    @property
    def query(self) -> str:
        """The fields that differ from their defaults, as a query string."""
        return urlencode(self.model_dump(exclude_defaults=True))

    def order(self, project: str) -> PictureOrder:
        """Convert to an order. Raises ValidationError."""
        return PictureOrder.model_validate(self.model_dump() | {"project": project})


def form_like(space: Space, identity: str) -> PictureForm:
    """Fill the form with the request that generated a picture, and new seeds.

    For a picture that was not generated, the form uses it as the initial image. Raises ArtifactNotFound.
    """
    found = resolve_input(space, identity)
    answer = space.recipes.find(found.record.producer) if found.record and found.record.producer else None
    request: dict[str, Any] = answer.recipe.request if answer else {}
    if "prompt" not in request:
        return PictureForm(start_from=found.artifact.sha256)
    start = request.get("init_image")
    style, _, rest = request["prompt"].partition(" ")
    return PictureForm(
        prompt=rest if style in STYLES and rest else request["prompt"],
        style=style if style in STYLES and rest else "",
        seed=str((request["seed"] + _SEED_STEP) % 2**64),
        avoid=request["negative_prompt"],
        scheduler=request["scheduler"],
        start_from=start["sha256"] if start else "",
        strength=f"{request['strength']:g}" if start else "0.6",
        **_changed_defaults(space, request),
    )


def _changed_defaults(space: Space, request: dict[str, Any]) -> dict[str, str]:
    """Return size, steps, guidance and model as form fields; the neutral value where they equal the model's default."""
    default = defaults_for(space.catalogue.spec(request["model"]))
    is_native = (request["width"], request["height"]) == (default.width, default.height)
    return {
        "size": "native" if is_native else f"{request['width']}x{request['height']}",
        "steps": "0" if request["steps"] == default.steps else str(request["steps"]),
        "guidance": "-1" if request["guidance"] == default.guidance else f"{request['guidance']:g}",
        "model": "" if request["model"] == space.profile.generation else request["model"],
    }
