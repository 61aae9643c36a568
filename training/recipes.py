"""The recipes by name: of configs/icons.yaml, of configs/translation.yaml, and those of configs/learning.yaml."""

from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import yaml

from training.pipeline import TrainingError, TrainingRecipe

ICONS = "icons"


def recipe_names(configs: Path) -> list[str]:
    """The names of all training recipes."""
    return [ICONS, *_translations(configs), *_learning(configs)]


def learns_from_datasets(name: str, configs: Path) -> bool:
    """Whether a recipe is one of configs/learning.yaml, whose models belong to a project."""
    return name in _learning(configs)


def load_recipe(name: str, configs: Path, encoder: str = "") -> TrainingRecipe:
    """The training recipe of this name, with another encoder if one is named. Raises TrainingError, which lists the
    known names."""
    if name == ICONS:
        from training.icons.recipe import IconTraining, read_recipe

        return IconTraining(read_recipe(configs / "icons.yaml"))
    if name in _translations(configs):
        from training.translation.recipe import TranslationConfig, TranslationTraining
        from training.translation.registers import read_collections, read_registers

        config = TranslationConfig(**_translations(configs)[name])
        registers = read_registers(configs / "translation-registers.yaml")
        return TranslationTraining(name, config, registers, read_collections(configs / "translation-sources.yaml"))
    if name in _learning(configs):
        entry = _learning(configs)[name]
        if encoder and "encoder" not in entry:
            raise TrainingError(f"The recipe {name} reads no texts by an encoder: leave --encoder out.")
        return _learning_recipe(name, entry | ({"encoder": encoder} if encoder else {}))
    raise TrainingError(f"No training recipe is called {name}: there are {', '.join(recipe_names(configs))}.")


def _learning_recipe(name: str, entry: dict[str, Any]) -> TrainingRecipe:
    """The recipe of an entry: its class gets the name and the entry. Raises TrainingError if there is no such class."""
    try:
        return resolve_name(str(entry["recipe"]))(name, entry)
    except (ImportError, AttributeError, KeyError, ValueError) as error:
        raise TrainingError(f"The recipe {name} in configs/learning.yaml is not right: {error}.") from error


def _learning(configs: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load((configs / "learning.yaml").read_text(encoding="utf-8"))


def _translations(configs: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load((configs / "translation.yaml").read_text(encoding="utf-8"))
