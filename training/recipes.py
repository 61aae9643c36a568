"""The recipes by name: the icon model of configs/icons.yaml and the translation models of configs/translation.yaml."""

from pathlib import Path
from typing import Any

import yaml

from training.pipeline import TrainingError, TrainingRecipe

ICONS = "icons"


def recipe_names(configs: Path) -> list[str]:
    """The names of all training recipes."""
    return [ICONS, *_translations(configs)]


def load_recipe(name: str, configs: Path) -> TrainingRecipe:
    """The training recipe of this name. Raises TrainingError, which lists the known names."""
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
