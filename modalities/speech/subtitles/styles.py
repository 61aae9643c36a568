"""The rules that subtitles are made by and checked against, by publisher."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

StyleName = Literal["netflix", "bbc", "plain"]


class Style(BaseModel):
    """Limits of cues. Wide ones apply to Chinese, Japanese and Korean, whose characters take two columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: StyleName
    columns: int = Field(description="Of a line.")
    wide_columns: int = Field(description="Of a line of wide characters.")
    shortest_seconds: float
    longest_seconds: float = 7.0
    characters_per_second: float | None = Field(description="Reading speed; None: any.")
    wide_characters_per_second: float | None
    gap_seconds: float = Field(description="Between two cues: two frames at 24 frames a second, or none.")


STYLES: dict[StyleName, Style] = {
    "netflix": Style(
        name="netflix",
        columns=42,
        wide_columns=32,
        shortest_seconds=0.834,
        characters_per_second=20,
        wide_characters_per_second=11,
        gap_seconds=0.084,
    ),
    "bbc": Style(
        name="bbc",
        columns=37,
        wide_columns=32,
        shortest_seconds=1.0,
        characters_per_second=17,
        wide_characters_per_second=9,
        gap_seconds=0.084,
    ),
    "plain": Style(
        name="plain",
        columns=42,
        wide_columns=42,
        shortest_seconds=0.0,
        characters_per_second=None,
        wide_characters_per_second=None,
        gap_seconds=0.0,
    ),
}
"""netflix: Timed Text Style Guide, for adults; bbc: Subtitle Guidelines, 160 to 180 words a minute; plain: what fits on
a screen, at the times at which it is said."""
MOST_LINES = 2
PLAIN = STYLES["plain"]
NETFLIX = STYLES["netflix"]
