"""Operators of the starter models that log each call, so that a chaos run can count repeated work.

The catalogue of a chaos run names them instead of the real operators.
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
"""The environment variable with the path of the log."""


def log_call(requests: Sequence[Request[Any]]) -> None:
    """Append one line for a call, before it starts."""
    line = json.dumps([request.model_dump_json() for request in requests]) + "\n"
    with Path(os.environ[CALLS]).open("a", encoding="utf-8") as file:
        file.write(line)


class CountedClip(ClassNameClip):
    def __call__(self, requests: Any, *rest: Any) -> Any:
        log_call(requests)
        return super().__call__(requests, *rest)


class CountedEncoder(TextEncoder):
    def __call__(self, requests: Any, *rest: Any) -> Any:
        log_call(requests)
        return super().__call__(requests, *rest)


class CountedWhisper(Whisper):
    def answer(self, request: Any, *rest: Any) -> Any:
        log_call([request])
        return super().answer(request, *rest)
