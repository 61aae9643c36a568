"""The `options` of a translation model in the catalogue."""

from pydantic import BaseModel, ConfigDict, Field


class TranslatorOptions(BaseModel):
    """The languages of a translation model, how it is run, and how what it must not change is protected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[str, ...] = Field(min_length=1, description="BCP 47 languages to translate from.")
    targets: tuple[str, ...] = Field(min_length=1, description="BCP 47 languages to translate into.")
    codes: dict[str, str] = Field(
        default_factory=dict, description="Language tokens by BCP 47 tag, where the vocabulary does not show them."
    )
    beam_size: int = Field(default=4, ge=1)
    sentences_at_once: int = Field(default=32, ge=1)
    longest_sentence: int = Field(
        default=200, ge=8, description="Tokens; a longer sentence is split, at a clause if possible."
    )
    threads: int = Field(default=0, ge=0, description="CPU threads; 0: as OMP_NUM_THREADS says.")
    copies: bool = Field(
        default=True, description="Whether the model mostly copies addresses, placeholders and code by itself."
    )
    stand_ins: tuple[dict[str, str], ...] = Field(
        default=(),
        description="Words that the model copies, to stand for what it cannot: by language, `*` for the others; "
        "several forms are separated by |.",
    )
    doubtful_below: dict[str, float] = Field(
        default_factory=dict,
        description="By language pair, such as en-de: the mean log-probability of a token below which an answer is "
        "marked as doubtful (benchmarks/translation.py learns it).",
    )
    phrases: str = Field(default="", description="A table of phrases that are known by heart, such as everyday.")

    def stand_ins_for(self, source: str, target: str) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """Return the stand-ins of a language pair: their forms in the text, and in the output."""
        found = [(_forms(each, source), _forms(each, target)) for each in self.stand_ins]
        return tuple((words, forms) for words, forms in found if words and forms)


def _forms(stand_in: dict[str, str], language: str) -> tuple[str, ...]:
    said = stand_in.get(language.split("-")[0], stand_in.get("*", ""))
    return tuple(form for form in said.split("|") if form)
