"""The operator for causal language models in transformers' layout: a conversation to its next turn, token by token."""

from collections.abc import Generator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Weights
from modalities.errors import InvalidCatalogue, InvalidRequest, ModelUnavailable
from modalities.models.devices import DeviceName, choose_device, choose_dtype
from modalities.writing.requests import Turn, Write, Written
from storage.artifacts import ArtifactStore

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class CausalLmOptions(BaseModel):
    """The `options` of a causal language model in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    context_tokens: int = Field(default=4096, ge=16, description="Longer conversations are refused.")


class CausalLm:
    """A loaded model with its tokenizer. One conversation is written at a time."""

    version: ClassVar[str] = "1"
    batch_size = 1

    def __init__(self, name: str, model: Any, tokenizer: Any, device: DeviceName, context_tokens: int) -> None:
        self._name = name
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        self._context_tokens = context_tokens
        self._lock = Lock()

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load a folder with config.json, a tokenizer and safetensors. Raises ModelUnavailable, InvalidCatalogue."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        options = CausalLmOptions.model_validate(spec.options)
        device = choose_device(spec)
        dtype = choose_dtype(spec, device)
        if dtype == "int8":
            raise InvalidCatalogue(f"The model {spec.name} cannot run in int8: use auto, float32 or bfloat16.")
        folder = _model_folder(spec.name, weights)
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=getattr(torch, dtype)
            )
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise ModelUnavailable(f"The model {spec.name} is not one that transformers can load: {error}.") from error
        context = min(options.context_tokens, getattr(model.config, "max_position_embeddings", options.context_tokens))
        return cls(spec.name, model.to(device).eval(), tokenizer, device, context)

    def __call__(
        self, requests: Sequence[Write], store: ArtifactStore, progress: Progress
    ) -> Sequence[Written | ItemError]:
        """Return one text per request; InvalidRequest in the place of a conversation that is too long."""
        answers: list[Written | ItemError] = []
        for number, request in enumerate(requests, 1):
            try:
                answers.append(_last(self.write(request)))
            except InvalidRequest as error:
                answers.append(error)
            progress(number / len(requests))
        return answers

    def write(self, request: Write) -> Generator[str, None, Written]:
        """Yield the text piece by piece; the return value is the whole. Raises InvalidRequest."""
        prompt: list[int] = self._prompt(request.turns)
        room = self._context_tokens - len(prompt)
        if room < 1:
            raise InvalidRequest(
                f"The conversation has {len(prompt)} tokens, and {self._name} reads {self._context_tokens}: shorten it."
            )
        written: list[int] = []
        told, text = 0, ""
        with self._lock:
            for token in self._tokens(prompt, request, min(request.max_tokens, room)):
                written.append(token)
                text = self._tokenizer.decode(written, skip_special_tokens=True)
                if not text.endswith(_REPLACEMENT):  # the bytes of a character may be several tokens
                    yield text[told:]
                    told = len(text)
        yield text[told:]
        ended = len(written) < min(request.max_tokens, room)
        return Written(
            text=text,
            prompt_tokens=len(prompt),
            completion_tokens=len(written),
            finish="stop" if ended else "length",
        )

    def _prompt(self, turns: Sequence[Turn]) -> list[int]:
        """Return the ids of the conversation in the model's own template, or as plain lines if it has none."""
        if self._tokenizer.chat_template:
            messages = [{"role": turn.role, "content": turn.text} for turn in turns]
            text = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            return self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return self._tokenizer("\n".join(turn.text for turn in turns))["input_ids"]

    def _tokens(self, prompt: Sequence[int], request: Write, most: int) -> Generator[int]:
        """Yield the ids of tokens until one ends the text."""
        import torch

        generator = torch.Generator("cpu").manual_seed(request.seed)
        ends = _ends(self._model, self._tokenizer)
        ids = torch.tensor([prompt], device=self._device)
        past: Any = None
        for _ in range(most):
            with torch.inference_mode():
                out = self._model(input_ids=ids, past_key_values=past, use_cache=True)
            past = out.past_key_values
            token = _choose(out.logits[0, -1].float().cpu(), request, generator)
            if token in ends:
                return
            yield token
            ids = torch.tensor([[token]], device=self._device)


def _choose(logits: Any, request: Write, generator: Any) -> int:
    """Choose the next token: the most probable one, or one at random by temperature and top_p."""
    import torch

    if request.temperature == 0:
        return int(logits.argmax())
    shares, order = torch.softmax(logits / request.temperature, -1).sort(descending=True)
    shares[shares.cumsum(-1) - shares > request.top_p] = 0
    return int(order[torch.multinomial(shares, 1, generator=generator)])


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """The ids of the tokens that end a text."""
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in (*listed, tokenizer.eos_token_id) if token is not None)


def _last(pieces: Generator[str, None, Written]) -> Written:
    """Return the whole of what is written."""
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            return stop.value


def _model_folder(name: str, weights: Weights) -> Path:
    """The topmost folder with config.json. Raises ModelUnavailable."""
    found = sorted((path for each in weights.folders for path in each.rglob("config.json")), key=lambda p: len(p.parts))
    if not found:
        raise ModelUnavailable(f"The weights of {name} have no folder with config.json.")
    return found[0].parent
