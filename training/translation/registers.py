"""Registers (kinds of text) with their sampling weights, the sources of collections, and a noise filter for pairs."""

import re
from collections import Counter
from math import prod
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from training.translation.data import Pair

_MARKUP = re.compile(r"</?\w|&\w+;|\]\(|:\w+:`|\{\{?[%#]|``|^\s*[|#*]|\\\w")
_SIGNS = re.compile(r"[<>{}\[\]|\\`*_#=~^]")
_DIGITS = re.compile(r"\d+")
_LETTER = re.compile(r"[^\W\d_]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_HAN_LANGUAGES = frozenset({"zh", "ja"})


class Register(BaseModel):
    """A kind of text, its collections, and the sampling weight of their pairs per epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: float = Field(gt=0)
    collections: dict[str, float] = Field(description="Names of collections, each with a factor on the weight.")
    languages: dict[str, float] = Field(default_factory=dict, description="Languages with a factor on the weight.")


Registers = dict[str, Register]
OTHER = "other"


def read_registers(path: Path) -> Registers:
    """The registers of a YAML file. Raises ValueError, with the place, where it is not right."""
    return {name: Register.model_validate(entry) for name, entry in yaml.safe_load(path.read_text("utf-8")).items()}


class Collection(BaseModel):
    """Licence and attribution of a collection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    licence: str
    attribution: str


Collections = dict[str, Collection]


def read_collections(path: Path) -> Collections:
    """The collections of a YAML file, by name."""
    return {name: Collection.model_validate(entry) for name, entry in yaml.safe_load(path.read_text("utf-8")).items()}


def register_of(pair: Pair, registers: Registers) -> tuple[str, float]:
    """The register and the weight of a pair; OTHER and 1 for a collection in no register."""
    for name, register in registers.items():
        if pair.collection in register.collections:
            languages = {pair.source_language, pair.target_language}
            factors = [factor for language, factor in register.languages.items() if language in languages]
            return name, prod([register.weight, register.collections[pair.collection], *factors])
    return OTHER, 1.0


def is_clean(pair: Pair) -> bool:
    """Whether lengths, scripts and numbers agree on both sides, there is little markup, and the text was translated."""
    source, target = pair.source, pair.target
    return (
        not _MARKUP.search(source)
        and not _MARKUP.search(target)
        and max(_share(_SIGNS, source), _share(_SIGNS, target)) <= 0.08
        and _lengths_agree(pair)
        and _scripts_agree(pair)
        and _long_numbers(source) == _long_numbers(target)
        and not (source == target and len(source.split()) > 3)
    )


def _share(pattern: re.Pattern[str], text: str) -> float:
    return len(pattern.findall(text)) / max(1, len(text))


def _lengths_agree(pair: Pair) -> bool:
    """Han characters count as three letters."""
    source, target = (len(text) + 2 * len(_HAN.findall(text)) for text in (pair.source, pair.target))
    return max(source, target) <= 15 + 2 * min(source, target)


def _scripts_agree(pair: Pair) -> bool:
    """A longer text in a language of Han characters has some; one in another language has hardly any."""
    for text, language in ((pair.source, pair.source_language), (pair.target, pair.target_language)):
        letters, han = len(_LETTER.findall(text)), len(_HAN.findall(text))
        if language in _HAN_LANGUAGES and letters > 20 and han < letters / 10:
            return False
        if language not in _HAN_LANGUAGES and han > letters / 5:
            return False
    return True


def _long_numbers(text: str) -> Counter[str]:
    """Numbers of three digits and more; separators of thousands aside."""
    joined = re.sub(r"(?<=\d)[.,' \u202f\u00a0](?=\d{3})", "", text)
    return Counter(number for number in _DIGITS.findall(joined) if len(number) > 2)
