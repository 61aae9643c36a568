"""Short translations in the gateway's process: answers that others evict meanwhile are not lost."""

import asyncio

from flows.running.platform import Platform
from gateway.http.instant_translation import InstantTranslation
from modalities.translation.requests import Translate, Translation, requests_for_lines
from modalities.translation.routes import route


async def test_answers_that_others_evict_during_the_wait_are_not_lost(platform: Platform, project: str) -> None:
    context = InstantTranslation(cache_entries=1).context(platform.space(project))
    [hop] = route(platform.catalogue, "en", "de")

    def request(line: str) -> Translate:
        return requests_for_lines(hop.model, [line], hop.source, hop.target)[0]

    async def translated(*lines: str) -> list[str]:
        answers = await context.answers([request(line) for line in lines])
        return [answer.lines[0] for answer in answers if isinstance(answer, Translation)]

    assert await translated("Thank you!") == ["Danke!"]
    # The last one waits for the model while the others, before it, put their answers into the cache.
    others = (translated(f"I have {number} dogs.") for number in range(2, 6))
    *_, last = await asyncio.gather(*others, translated("Good morning.", "Thank you!"))
    assert last == ["Guten Morgen.", "Danke!"]
