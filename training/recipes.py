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
        from training.translation.recipe import TranslationConfig, TranslationTraining
        from training.translation.registers import read_collections, read_registers

        config = TranslationConfig(**_translations(configs)[name])
        registers = read_registers(configs / "translation-registers.yaml")
        return TranslationTraining(name, config, registers, read_collections(configs / "translation-sources.yaml"))
    raise TrainingError(f"No training recipe is called {name}: there are {', '.join(recipe_names(configs))}.")


def _translations(configs: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load((configs / "translation.yaml").read_text(encoding="utf-8"))
