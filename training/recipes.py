"""The recipes by name: the icon model of configs/icons.yaml and the translation models of configs/translation.yaml."""

from pathlib import Path
from typing import Any

import yaml

from training.pipeline import Recipe, TrainingError

ICONS = "icons"


def recipe_names(configs: Path) -> list[str]:
    """What can be trained."""
    return [ICONS, *_translations(configs)]


def load_recipe(name: str, configs: Path) -> Recipe:
    """The recipe of this name. Raises TrainingError, which names those that there are."""
    if name == ICONS:
        from training.icons.recipe import IconTraining, read_recipe

        return IconTraining(read_recipe(configs / "icons.yaml"))
    if name in _translations(configs):
        from training.translation.recipe import TranslationTraining
        from training.translation.trainer import TranslationConfig

        return TranslationTraining(name, TranslationConfig(**_translations(configs)[name]))
    raise TrainingError(f"No training recipe is called {name}: there are {', '.join(recipe_names(configs))}.")


def _translations(configs: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load((configs / "translation.yaml").read_text(encoding="utf-8"))
