"""A causal language model of the real architecture, tiny and untrained, writes token by token, seeded."""

from pathlib import Path
from typing import Any

import pytest

from modalities.contract import ModelSpec, Source, Weights, no_progress
from modalities.errors import InvalidRequest, ModelUnavailable
from modalities.writing.causal_lm import CausalLm
from modalities.writing.requests import Turn, Write, Written
from storage.artifacts import ArtifactStore

HELLO = (Turn(role="user", text="Hello, who are you? 你好"),)


def tiny_llama(folder: Path, template: str = "") -> Path:
    """Save a Llama of two layers with a tokenizer of bytes."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(["hello who are you"], vocab_size=300, special_tokens=["<s>", "</s>"])
    fast: Any = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer._tokenizer,  # pyright: ignore
        bos_token="<s>",
        eos_token="</s>",
    )
    fast.chat_template = template or None
    fast.save_pretrained(folder)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)  # pyright: ignore
    return folder


def load(folder: Path) -> CausalLm:
    spec = ModelSpec(name="tiny", operator="causal-lm", source=Source(folder=str(folder)), licence="MIT", device="cpu")
    return CausalLm.load(spec, Weights((folder,), "", folder))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> CausalLm:
    return load(tiny_llama(tmp_path_factory.mktemp("tiny")))


def whole(model: CausalLm, request: Write, store: ArtifactStore) -> Written:
    [answer] = model([request], store, no_progress)
    assert isinstance(answer, Written)
    return answer


def test_the_same_seed_writes_the_same_text_and_another_one_another(
    tiny: CausalLm, modality_store: ArtifactStore
) -> None:
    request = Write(model="tiny", turns=HELLO, max_tokens=12, temperature=1.0, seed=3)
    first = whole(tiny, request, modality_store)
    assert whole(tiny, request, modality_store) == first
    assert whole(tiny, request.model_copy(update={"seed": 4}), modality_store).text != first.text
    assert first.finish == "length"
    assert first.completion_tokens == 12


def test_the_pieces_are_the_text(tiny: CausalLm, modality_store: ArtifactStore) -> None:
    request = Write(model="tiny", turns=HELLO, max_tokens=20, temperature=1.5, seed=1)
    assert "".join(tiny.write(request)) == whole(tiny, request, modality_store).text


def test_greedy_writing_is_what_transformers_generates(tiny: CausalLm, modality_store: ArtifactStore) -> None:
    import torch

    model, tokenizer = tiny._model, tiny._tokenizer  # pyright: ignore
    prompt = torch.tensor([tokenizer(HELLO[0].text)["input_ids"]])
    expected = model.generate(prompt, max_new_tokens=10, do_sample=False, pad_token_id=0)[0, prompt.shape[1] :]
    written = whole(tiny, Write(model="tiny", turns=HELLO, max_tokens=10), modality_store)
    assert written.text == tokenizer.decode(expected, skip_special_tokens=True)


def test_the_template_of_the_model_is_used(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}>{% endif %}"
    )
    model = load(tiny_llama(tmp_path, template))
    ids = model._prompt((Turn(role="system", text="a"), Turn(role="user", text="b")))  # pyright: ignore
    assert model._tokenizer.decode(ids) == "<system>a<user>b>"  # pyright: ignore


def test_a_conversation_that_is_too_long_is_refused_with_the_numbers(
    tiny: CausalLm, modality_store: ArtifactStore
) -> None:
    [answer] = tiny([Write(model="tiny", turns=(Turn(role="user", text="x" * 500),))], modality_store, no_progress)
    assert isinstance(answer, InvalidRequest)
    assert "128" in str(answer)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        load(tmp_path)
