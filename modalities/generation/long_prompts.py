"""Encode prompts that are longer than a CLIP text encoder reads: in windows, whose encodings are concatenated.

Each window has as many whole words as the encoder reads, with its own begin and end tokens. The denoiser attends to all
of them; a pooled encoding, where the model has one, is that of the first window.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from modalities.errors import InvalidRequest
from modalities.generation.pipelines import call_parameters

_NAMES = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
_MOST_WINDOWS = 64


def count_windows(pipeline: Any, model: str, prompt: str) -> int:
    """Return how many windows the prompt needs: 1 if a text encoder of the model reads it whole.

    Raises InvalidRequest for a prompt that the model can only read truncated: the recipe and the index would contain
    the whole prompt, and the picture would not follow it.
    """
    limits = _token_limits(pipeline)
    counts = {name: len(_tokens(tokenizer, prompt)) for name, (tokenizer, _) in limits.items()}
    if not limits or any(counts[name] <= limit for name, (_, limit) in limits.items()):
        return 1
    name, (tokenizer, limit) = max(limits.items(), key=lambda item: item[1][1])
    windows = len(split_prompt(tokenizer, prompt, limit)) if _is_windowed(pipeline) else _MOST_WINDOWS + 1
    if windows > _MOST_WINDOWS:
        raise InvalidRequest(
            f"The model {model} reads {limit} tokens and the prompt has {counts[name]}: shorten it, or it would "
            f"not read {_decoded_rest(tokenizer, prompt, limit)!r}."
        )
    return windows


def split_prompt(tokenizer: Any, prompt: str, limit: int) -> list[str]:
    """Split a prompt between words into texts of at most `limit` tokens, begin and end tokens included.

    A single word that is longer is split between its tokens.
    """
    windows: list[str] = [""]
    for word in prompt.split():
        longer = f"{windows[-1]} {word}".strip()
        if len(_tokens(tokenizer, longer)) <= limit:
            windows[-1] = longer
        elif len(_tokens(tokenizer, word)) <= limit:
            windows.append(word)
        else:
            windows += _split_word(tokenizer, word, limit)
    return [window for window in windows if window] or [""]


def encode_windows(
    pipeline: Any, prompts: Sequence[str], negatives: Sequence[str], guidance: float, count: int
) -> Mapping[str, Any]:
    """Encode prompts in `count` windows each; return the arguments of the pipeline that replace the prompts.

    A prompt with fewer windows is filled up with empty ones.
    """
    import torch

    tokenizer, limit = next(iter(_token_limits(pipeline).values()))
    split = [[_filled(split_prompt(tokenizer, text, limit), count) for text in texts] for texts in (prompts, negatives)]
    with torch.inference_mode():
        parts = [
            pipeline.encode_prompt(
                prompt=[windows[number] for windows in split[0]],
                negative_prompt=[windows[number] for windows in split[1]],
                device=pipeline.device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=guidance > 1,
            )
            for number in range(count)
        ]
    encoded = {name: torch.cat(found, dim=1) for name, found in _by_name(parts, _NAMES[:2]).items()}
    return encoded | {name: found[0] for name, found in _by_name(parts, _NAMES).items() if name in _NAMES[2:]}


def _by_name(parts: Sequence[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    """Group what encode_prompt returned for each window by argument name; left out where it returned None."""
    columns = {name: [part[place] for part in parts if place < len(part)] for place, name in enumerate(names)}
    return {name: found for name, found in columns.items() if found and found[0] is not None}


def _is_windowed(pipeline: Any) -> bool:
    """Whether the denoiser attends to encodings of any length: Stable Diffusion 1, 2 and XL."""
    return hasattr(pipeline, "encode_prompt") and getattr(pipeline, "unet", None) is not None


def _token_limits(pipeline: Any) -> dict[str, tuple[Any, int]]:
    """Return the tokenizers with the number of tokens that their text encoders read."""
    longest = call_parameters(pipeline).get("max_sequence_length")
    return {
        name: (part, min(part.model_max_length, longest.default if longest else part.model_max_length))
        for name, part in pipeline.components.items()
        if name.startswith("tokenizer") and part is not None
    }


def _tokens(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, truncation=False, verbose=False).input_ids


def _decoded_rest(tokenizer: Any, prompt: str, limit: int) -> str:
    return str(tokenizer.decode(_tokens(tokenizer, prompt)[limit - 1 :], skip_special_tokens=True)).strip()[:80]


def _split_word(tokenizer: Any, word: str, limit: int) -> list[str]:
    """Halve a word until each part is read whole."""
    if len(word) < 2 or len(_tokens(tokenizer, word)) <= limit:
        return [word]
    middle = len(word) // 2
    return _split_word(tokenizer, word[:middle], limit) + _split_word(tokenizer, word[middle:], limit)


def _filled(windows: list[str], count: int) -> list[str]:
    return windows + [""] * (count - len(windows))
