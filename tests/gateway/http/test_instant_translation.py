"""Short translations in the gateway's process: answers that others evict meanwhile are not lost."""

import asyncio

from flows.library.translation.documents import translate_lines
from flows.running.platform import Platform
from gateway.http.instant_translation import InstantTranslation


async def test_answers_that_others_evict_during_the_wait_are_not_lost(platform: Platform, project: str) -> None:
    context = InstantTranslation(cache_entries=1).context(platform.space(project))

    async def translated(*lines: str) -> list[str]:
        return (await translate_lines(context, list(lines), "en", "de")).texts

    assert await translated("Thank you!") == ["Danke!"]
    others = (translated(f"I have {number} dogs.") for number in range(2, 6))
    first, *_ = await asyncio.gather(translated("Good morning.", "Thank you!"), *others)
    assert first == ["Guten Morgen.", "Danke!"]
