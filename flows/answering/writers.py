"""What writes an answer in its own words: a model of the catalogue, or a server with OpenAI's API."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from flows.running.platform import Space
from flows.running.settings import Settings
from media.errors import ItemError
from modalities.errors import ModelUnavailable
from modalities.writing.requests import Turn, Write, Written

_MAX_TOKENS = 400
_SECONDS = 120.0


class Writer(Protocol):
    """Goes on with a conversation."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    async def write(self, turns: Sequence[Turn]) -> str:
        """Return the next turn. Raises ModelUnavailable."""
        ...


@dataclass(frozen=True)
class CatalogueWriter:
    """A causal language model of the catalogue, in this process."""

    space: Space
    name: str

    async def write(self, turns: Sequence[Turn]) -> str:
        """Return the most probable text. Raises ItemError."""
        request = Write(model=self.name, turns=tuple(turns), max_tokens=_MAX_TOKENS)
        answers, _ = await asyncio.to_thread(self.space.answers.run_unkept, [request])
        if isinstance(answers[0], ItemError):
            raise answers[0]
        assert isinstance(answers[0], Written)
        return answers[0].text


@dataclass(frozen=True)
class RemoteWriter:
    """A model behind an address with OpenAI's API, such as that of vLLM, llama.cpp or Ollama."""

    url: str
    name: str
    key: str = ""

    async def write(self, turns: Sequence[Turn]) -> str:
        """Return the next turn. Raises ModelUnavailable."""
        body = {
            "model": self.name,
            "messages": [{"role": turn.role, "content": turn.text} for turn in turns],
            "temperature": 0,
            "seed": 0,
            "max_tokens": _MAX_TOKENS,
        }
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            async with httpx.AsyncClient(timeout=_SECONDS) as client:
                answer = await client.post(f"{self.url.rstrip('/')}/chat/completions", json=body, headers=headers)
            answer.raise_for_status()
            document: Any = answer.json()
            return str(document["choices"][0]["message"]["content"] or "")
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise ModelUnavailable(f"The language model at TRIPTYCH_WRITER_URL does not answer: {error}.") from error


def find_writer(space: Space, settings: Settings) -> Writer | None:
    """Return what is set up: the address in the settings, else the profile's model, else None."""
    if settings.writer_url:
        key = settings.writer_key.get_secret_value() if settings.writer_key else ""
        return RemoteWriter(settings.writer_url, settings.writer_model, key)
    return CatalogueWriter(space, space.profile.writing) if space.profile.writing else None
