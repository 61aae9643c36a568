"""Read the pooling that a sentence encoder was trained with from its sentence-transformers files."""

import json
from pathlib import Path
from typing import Any, Literal

from modalities.errors import ModelUnavailable

Pooling = Literal["mean", "cls"]
"""How token vectors become the vector of a text: their mean, or the vector of the first token."""
_SUPPORTED_LAYERS = frozenset({"Transformer", "Pooling", "Normalize"})


def trained_pooling(name: str, folder: Path) -> Pooling | None:
    """Return the pooling that modules.json and 1_Pooling/config.json name; None if there are no such files.

    Raises ModelUnavailable for another pooling, and for layers after it, such as Dense.
    """
    modules = _read_json(folder / "modules.json", [{"path": "1_Pooling", "type": "Pooling"}])
    layers = {str(module["type"]).rsplit(".", 1)[-1]: folder / module["path"] for module in modules}
    modes = _modes(_read_json(layers["Pooling"] / "config.json", {})) if "Pooling" in layers else []
    unsupported = [*(layers.keys() - _SUPPORTED_LAYERS), *(mode for mode in modes if mode not in ("mean", "cls"))]
    if unsupported or len(modes) > 1:
        raise ModelUnavailable(
            f"The model {name} was trained with {', '.join(sorted(unsupported or modes))}: "
            "text encoders are supported with mean pooling or CLS pooling alone."
        )
    return modes[0] if modes else None  # pyright: ignore[reportReturnType]


def _modes(config: dict[str, Any]) -> list[str]:
    """The pooling modes in either form that sentence-transformers writes: a field, or a flag for each mode."""
    if mode := config.get("pooling_mode"):
        return [mode] if isinstance(mode, str) else list(mode)
    flags = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    return [key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token") for key in flags]


def _read_json(path: Path, default: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default
