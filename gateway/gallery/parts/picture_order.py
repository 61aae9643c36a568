"""Orders for pictures, as a browser's form has them."""

from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict

from flows.library.inputs import resolve_input
from flows.running.content_forms import PictureOrder
from flows.running.platform import Space
from modalities.generation.diffusion import defaults_for

STYLES = ("soft", "bold", "3d", "flat")
"""What the starter model knows; other models know others."""
_MOST_AT_ONCE = 64
"""So far apart are the seeds of two orders, that none of their pictures are the same."""


class Asked(BaseModel):
    """The form as a browser sends it: every field a word."""

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
        """The fields that say something, as an address has them."""
        return urlencode(self.model_dump(exclude_defaults=True))

    def order(self, project: str) -> PictureOrder:
        """The order that is meant. Raises ValidationError."""
        return PictureOrder.model_validate(self.model_dump() | {"project": project})


def order_like(space: Space, identity: str) -> Asked:
    """The order that made a picture, with seeds that come after its own; one to start from a picture that was not made.

    Raises ArtifactNotFound.
    """
    found = resolve_input(space, identity)
    made = space.recipes.find(found.record.producer) if found.record and found.record.producer else None
    request: dict[str, Any] = made.recipe.request if made else {}
    if "prompt" not in request:
        return Asked(start_from=found.artifact.sha256)
    start = request.get("init_image")
    style, _, rest = request["prompt"].partition(" ")
    return Asked(
        prompt=rest if style in STYLES and rest else request["prompt"],
        style=style if style in STYLES and rest else "",
        seed=str((request["seed"] + _MOST_AT_ONCE) % 2**32),
        avoid=request["negative_prompt"],
        scheduler=request["scheduler"],
        start_from=start["sha256"] if start else "",
        strength=f"{request['strength']:g}" if start else "0.6",
        **_unusual(space, request),
    )


def _unusual(space: Space, request: dict[str, Any]) -> dict[str, str]:
    """What differs from what the form means when nobody chooses."""
    usual = defaults_for(space.catalogue.spec(request["model"]))
    is_native = (request["width"], request["height"]) == (usual.width, usual.height)
    return {
        "size": "native" if is_native else f"{request['width']}x{request['height']}",
        "steps": "0" if request["steps"] == usual.steps else str(request["steps"]),
        "guidance": "-1" if request["guidance"] == usual.guidance else f"{request['guidance']:g}",
        "model": "" if request["model"] == space.profile.generation else request["model"],
    }
