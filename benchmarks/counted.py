"""The starter models, each call of which leaves a line: what a chaos run counts redone work by.

A catalogue names these operators in the place of the real ones; nothing else knows of them.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modalities.contract import Request
from modalities.embedding.class_name_clip import ClassNameClip
from modalities.embedding.text_encoder import TextEncoder
from modalities.speech.whisper import Whisper

CALLS = "CHAOS_CALLS"
"""The environment variable that names the file."""


def note(requests: Sequence[Request[Any]]) -> None:
    """One line for one call, written at once as it begins."""
    line = json.dumps([request.model_dump_json() for request in requests]) + "\n"
    with Path(os.environ[CALLS]).open("a", encoding="utf-8") as file:
        file.write(line)


class CountedClip(ClassNameClip):
    def __call__(self, requests: Any, *rest: Any) -> Any:
        note(requests)
        return super().__call__(requests, *rest)


class CountedEncoder(TextEncoder):
    def __call__(self, requests: Any, *rest: Any) -> Any:
        note(requests)
        return super().__call__(requests, *rest)


class CountedWhisper(Whisper):
    def answer(self, request: Any, *rest: Any) -> Any:
        note([request])
        return super().answer(request, *rest)
