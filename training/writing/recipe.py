"""The recipe that trains a small causal language model from nothing on a project's texts, or on given ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from storage.atomic_files import atomic_write
from training.classification.costs import Cost, TrainingFacts, write_facts
from training.optimization import Schedule, trained_weights
from training.pipeline import LOSSES, DataMissing, Progress, deadline, plot_losses
from training.pretraining.corpus import (
    begins_again,
    digest_of,
    documents_of,
    held_apart,
    note_prepared,
    read_documents,
    source_of,
)
from training.pretraining.vocabulary import read_tokenizer
from training.writing.loop import perplexity, train_model
from training.writing.tokens import Tokens, row_of, train_bpe, unigram_perplexity, windows

_VOCABULARY, _ROW, _HELD_OUT = "vocabulary", "texts.npy", "held-out.npy"
_SAMPLE_TOKENS = 40


class WritingConfig(BaseModel):
    """An entry of configs/learning.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    vocabulary: int = Field(default=4000, ge=260, description="Pieces of the byte-level BPE vocabulary, at most.")
    width: int = Field(default=192, ge=8, description="Numbers per token inside the model.")
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    context_tokens: int = Field(default=128, ge=8, description="How many tokens it reads at once.")
    batch: int = Field(default=16, ge=1, description="Windows of a step.")
    epochs: float = Field(default=8, gt=0)
    learning_rate: float = Field(default=2e-3, gt=0, description="Peak, after warm-up; it falls linearly to zero.")
    checkpoint_steps: int = Field(default=100, ge=1)
    held_out: float = Field(default=0.05, gt=0, lt=1, description="The share of texts that measure it.")
    seed: int = 17


class WritingTraining:
    """A small Llama as a TrainingRecipe: next-token prediction."""

    family: ClassVar[str] = "writer"
    """What is trained is called writer.PROJECT.NAME."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self.name = name
        self.config = WritingConfig.model_validate(config)

    def prepare(self, work: Path, data: Path | None) -> str:
        """Make the vocabulary and the tokens; what was begun with other texts begins again. Raises DataMissing."""
        documents = documents_of(work, data)
        settings = {"digest": digest_of(documents), "config": self.config.model_dump(mode="json", exclude={"epochs"})}
        if begins_again(work, settings):
            training, held_out = held_apart([" ".join(document) for document in documents], self.config.held_out)
            tokenizer = train_bpe(training, self.config.vocabulary)
            with atomic_write(work / _VOCABULARY) as unfinished:
                tokenizer.save_pretrained(unfinished)
            for name, chosen in ((_ROW, training), (_HELD_OUT, held_out)):
                _write_row(work / name, row_of(chosen, tokenizer))
            note_prepared(work, settings)
        return f"{len(documents)} texts, {len(np.load(work / _ROW))} tokens to learn from"

    def build(self, work: Path) -> Any:
        """A new LlamaForCausalLM with random weights."""
        from transformers import LlamaConfig, LlamaForCausalLM

        config, tokenizer = self.config, read_tokenizer(work / _VOCABULARY)
        torch.manual_seed(config.seed)
        of_transformers: Any = LlamaConfig
        shape = of_transformers(
            vocab_size=len(tokenizer),
            hidden_size=config.width,
            intermediate_size=3 * config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            max_position_embeddings=config.context_tokens,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        return LlamaForCausalLM(shape)

    def train(self, work: Path, model: Any, minutes: float, progress: Progress) -> None:
        """Train until the epochs or the minutes are over; resumes from the last checkpoint in `work`."""
        config, row = self.config, np.load(work / _ROW)
        steps = sum(1 for _ in windows(row, config.context_tokens, config.batch, config.seed))
        schedule = Schedule(
            learning_rate=config.learning_rate,
            steps=max(1, round(config.epochs * steps)),
            until=deadline(minutes),
        )
        train_model(
            model.to("cuda" if torch.cuda.is_available() else "cpu"),
            row,
            schedule,
            work,
            progress,
            length=config.context_tokens,
            batch=config.batch,
            checkpoint_steps=config.checkpoint_steps,
            seed=config.seed,
        )

    def evaluate(self, folder: Path, work: Path, data: Path | None) -> Mapping[str, float]:
        """Measure a model on given texts, by default on those that were held out. Raises DataMissing."""
        from transformers import AutoModelForCausalLM

        model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        if data is None and not (work / _HELD_OUT).exists():
            raise DataMissing(f"{work} has no texts that were held out: give --data FOLDER.")
        given = [" ".join(document) for document in read_documents(None, data)] if data else []
        row = row_of(given, read_tokenizer(folder)) if data else np.load(work / _HELD_OUT)
        return {"perplexity": perplexity(model, row, model.config.max_position_embeddings)}

    def publish(self, work: Path, folder: Path) -> Mapping[str, float]:
        """Write weights, tokenizer, plot, card and facts; returns the metrics, those before training beside them."""
        config, kept, model = self.config, trained_weights(work), self.build(work)
        row, held_out, tokenizer = np.load(work / _ROW), np.load(work / _HELD_OUT), read_tokenizer(work / _VOCABULARY)
        before = perplexity(model, held_out, config.context_tokens)
        model.load_state_dict(kept["model"])
        metrics = {
            "perplexity_before": before,
            "perplexity": perplexity(model, held_out, config.context_tokens),
            "perplexity_of_frequencies": unigram_perplexity(row, held_out, len(tokenizer)),
            "held_out_tokens": float(len(held_out)),
            "steps": float(kept["step"]),
        }
        folder.mkdir(exist_ok=True)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        cost = Cost.of(kept["cpu_seconds"])
        facts = write_facts(folder, recipe=self.name, dataset=source_of(work), metrics=metrics, cost=cost)
        plot_losses(work / LOSSES, folder / "losses.png")
        (folder / "README.md").write_text(self._card(model, tokenizer, row, held_out, facts), encoding="utf-8")
        return metrics

    def _card(self, model: Any, tokenizer: Any, row: Tokens, held_out: Tokens, facts: TrainingFacts) -> str:
        config, metrics = self.config, facts.metrics
        size = sum(value.numel() for value in model.parameters()) / 1e6
        begun = held_out[: 1 + min(8, len(held_out) - 1)].tolist()
        return "\n".join(
            [
                "# A small language model that was trained from nothing",
                "",
                f"By the recipe `{self.name}`, on {facts.dataset} ({len(row)} tokens): the next token, no more.",
                "",
                f"- {size:.1f} million parameters: a Llama of {config.layers} layers of width {config.width}, "
                f"{len(tokenizer)} pieces of byte-level BPE, {config.context_tokens} tokens at once.",
                f"- {metrics['steps']:.0f} steps of {config.batch} windows, seed {config.seed}.",
                facts.origin,
                "",
                f"## Measured on {metrics['held_out_tokens']:.0f} tokens of texts that were held out",
                "",
                "| | perplexity |",
                "|---|---:|",
                f"| before training | {metrics['perplexity_before']:.0f} |",
                f"| knowing how frequent each token is | {metrics['perplexity_of_frequencies']:.1f} |",
                f"| after training | {metrics['perplexity']:.1f} |",
                "",
                f"It goes on from “{tokenizer.decode(begun, skip_special_tokens=True)}” with "
                f"“{_sample(model, tokenizer, begun)}”.",
                "",
                "![Loss](losses.png)",
                "",
                "## What it is not",
                "",
                "It is thousands of times smaller than the models that people talk to, and has read nothing but these "
                "texts. It writes words in their manner; it knows no facts, follows no instructions, answers no "
                "questions, and may repeat passages of the texts word for word: do not train it on what its readers "
                "must not see.",
                "",
            ]
        )


def _sample(model: Any, tokenizer: Any, begun: Sequence[int]) -> str:
    """The most probable continuation."""
    ids = torch.tensor([list(begun)])
    room = min(_SAMPLE_TOKENS, model.config.max_position_embeddings - len(begun))
    made = model.generate(ids, max_new_tokens=room, do_sample=False, pad_token_id=tokenizer.eos_token_id)
    text = tokenizer.decode(made[0, len(begun) :], skip_special_tokens=True)
    return " ".join(text.split())


def _write_row(path: Path, row: Tokens) -> None:
    with atomic_write(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, row)
