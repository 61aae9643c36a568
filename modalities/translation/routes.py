"""Choose the models of a profile that translate a language pair, through a pivot language if necessary."""

from dataclasses import dataclass

from modalities.errors import UnsupportedLanguagePair
from modalities.models.catalogue import Catalogue
from modalities.translation.languages import chinese_script, is_same_language
from modalities.translation.translator import TranslatorOptions, matching_pair, read_options

_PREFERRED_PIVOT = "en"


@dataclass(frozen=True)
class Hop:
    """One step of a route: a model, and its language pair as its catalogue entry spells it."""

    model: str
    source: str
    target: str


def route(catalogue: Catalogue, source: str, target: str) -> tuple[Hop, ...]:
    """Return the hop of the first model that supports the pair, else two hops through a pivot, preferably English.

    Empty if source and target are the same language, or Chinese in two scripts. Raises UnsupportedLanguagePair.
    """
    if is_same_language(source, target) or (chinese_script(source) and chinese_script(target)):
        return ()
    models = {name: read_options(catalogue.spec(name)) for name in catalogue.profile.translation}
    if direct := _hop(models, source, target):
        return (direct,)
    pivots = dict.fromkeys(language for options in models.values() for language in options.targets)
    for pivot in sorted(pivots, key=lambda language: language != _PREFERRED_PIVOT):
        first, second = _hop(models, source, pivot), _hop(models, pivot, target)
        if first and second:
            return (first, second)
    pairs = [f"{', '.join(options.sources)} to {', '.join(options.targets)}" for options in models.values()]
    raise UnsupportedLanguagePair(
        f"No model translates from {source} to {target}: "
        f"the profile has {'; '.join(dict.fromkeys(pairs)) or 'no model that translates'}."
    )


def list_languages(catalogue: Catalogue) -> list[str]:
    """List the languages that the profile's models translate from or to, sorted."""
    options = [read_options(catalogue.spec(name)) for name in catalogue.profile.translation]
    return sorted({language for each in options for language in (*each.sources, *each.targets)})


def list_sources(catalogue: Catalogue) -> list[str]:
    """List the languages that the profile's models translate from, sorted."""
    options = [read_options(catalogue.spec(name)) for name in catalogue.profile.translation]
    return sorted({language for each in options for language in each.sources})


def list_targets(catalogue: Catalogue) -> list[str]:
    """List the languages that the profile's models translate into, sorted; Chinese in both scripts."""
    options = [read_options(catalogue.spec(name)) for name in catalogue.profile.translation]
    targets = {language for each in options for language in each.targets}
    has_simplified = any(chinese_script(language) == "Hans" for language in targets)
    return sorted(targets | ({"zh-Hant"} if has_simplified else set()))


def _hop(models: dict[str, TranslatorOptions], source: str, target: str) -> Hop | None:
    for name, options in models.items():
        pair = matching_pair(options, source, target)
        if pair:
            # The operator writes the script that the request names, which one model may have two of.
            return Hop(name, pair[0], target if chinese_script(target) == "Hant" else pair[1])
    return None
