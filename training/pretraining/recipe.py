"""The recipe that pretrains a small BERT from nothing on a project's texts, or on given ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field

from storage.atomic_files import atomic_write
from training.classification.costs import Cost, TrainingFacts, write_facts
from training.optimization import Schedule, batches_of, trained_weights
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
from training.pretraining.examples import PackedTexts, continuations, pack, pairs_of
from training.pretraining.loop import Masking, measure, pretrain
from training.pretraining.vocabulary import read_tokenizer, train_wordpiece

_VOCABULARY, _PACK, _HELD_OUT = "vocabulary", "texts.npz", "held-out.npz"
_TYPES = 2
"""First and second part."""


class PretrainingConfig(BaseModel):
    """An entry of configs/learning.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    vocabulary: int = Field(default=8000, ge=50, description="Pieces of the WordPiece vocabulary, at most.")
    lowercase: bool = Field(default=True, description="Whether texts are read without capitals and accents.")
    width: int = Field(default=256, ge=8, description="Numbers per token inside the model.")
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    max_tokens: int = Field(default=128, ge=16, description="Of a pair of parts; the model reads no longer texts.")
    masked: float = Field(default=0.15, gt=0, lt=1, description="The share of tokens that are predicted.")
    batch_tokens: int = Field(default=4096, ge=16, description="Tokens of a step, padding included.")
    epochs: float = Field(default=10, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0, description="Peak, after warm-up; it falls linearly to zero.")
    checkpoint_steps: int = Field(default=200, ge=1)
    held_out: float = Field(default=0.02, gt=0, lt=1, description="The share of texts that measure it.")
    seed: int = 17


class Pretraining:
    """BertForPreTraining as a TrainingRecipe: masked language modelling and next-sentence prediction."""

    family: ClassVar[str] = "encoder"
    """What is trained is called encoder.PROJECT.NAME."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self.name = name
        self.config = PretrainingConfig.model_validate(config)

    def prepare(self, work: Path, data: Path | None) -> str:
        """Make the vocabulary and pack the texts; what was begun with other texts begins again. Raises DataMissing."""
        documents = documents_of(work, data)
        settings = {"digest": digest_of(documents), "config": self.config.model_dump(mode="json", exclude={"epochs"})}
        if begins_again(work, settings):
            training, held_out = held_apart(documents, self.config.held_out)
            sentences = (sentence for document in training for sentence in document)
            tokenizer = train_wordpiece(
                sentences, self.config.vocabulary, self.config.max_tokens, lowercase=self.config.lowercase
            )
            with atomic_write(work / _VOCABULARY) as unfinished:
                tokenizer.save_pretrained(unfinished)
            for name, chosen in ((_PACK, training), (_HELD_OUT, held_out)):
                with atomic_write(work / name) as unfinished:
                    pack(chosen, tokenizer).write(unfinished)
            note_prepared(work, settings)
        packed = PackedTexts.read(work / _PACK)
        return f"{len(packed.texts) - 1} texts, {len(packed.starts) - 1} sentences, {len(packed.ids)} tokens"

    def build(self, work: Path) -> Any:
        """A new BertForPreTraining with random weights."""
        from transformers import BertConfig, BertForPreTraining

        config, tokenizer = self.config, read_tokenizer(work / _VOCABULARY)
        torch.manual_seed(config.seed)
        of_transformers: Any = BertConfig
        shape = of_transformers(
            vocab_size=len(tokenizer),
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=4 * config.width,
            max_position_embeddings=config.max_tokens,
            type_vocab_size=_TYPES,
            pad_token_id=tokenizer.pad_token_id,
            hidden_dropout_prob=config.dropout,
            attention_probs_dropout_prob=config.dropout,
            # On a CPU the backward pass of torch's fused attention is slow for sequences this short.
            attn_implementation="sdpa" if torch.cuda.is_available() else "eager",
        )
        return BertForPreTraining(shape)

    def train(self, work: Path, model: Any, minutes: float, progress: Progress) -> None:
        """Train until the epochs or the minutes are over; resumes from the last checkpoint in `work`."""
        config, masking = self.config, self._masking(work)
        packed = PackedTexts.read(work / _PACK)
        pairs = pairs_of(packed, continuations(masking.tokenizer), config.max_tokens, config.seed)
        steps = len(batches_of(pairs.lengths, config.batch_tokens, config.seed))
        schedule = Schedule(
            learning_rate=config.learning_rate,
            steps=max(1, round(config.epochs * steps)),
            until=deadline(minutes),
        )
        pretrain(
            model.to("cuda" if torch.cuda.is_available() else "cpu"),
            packed,
            masking,
            schedule,
            work,
            progress,
            batch_tokens=config.batch_tokens,
            checkpoint_steps=config.checkpoint_steps,
            seed=config.seed,
        )

    def evaluate(self, folder: Path, work: Path, data: Path | None) -> Mapping[str, float]:
        """Measure a model on given texts, by default on those that were held out. Raises DataMissing."""
        from transformers import BertForPreTraining

        tokenizer = read_tokenizer(folder)
        model: Any = BertForPreTraining.from_pretrained(folder, local_files_only=True)
        if data is None and not (work / _HELD_OUT).exists():
            raise DataMissing(f"{work} has no texts that were held out: give --data FOLDER.")
        packed = pack(read_documents(None, data), tokenizer) if data else PackedTexts.read(work / _HELD_OUT)
        masking = Masking(tokenizer, self.config.masked, model.config.max_position_embeddings)
        return measure(model, packed, masking, self.config.batch_tokens)

    def publish(self, work: Path, folder: Path) -> Mapping[str, float]:
        """Write weights, tokenizer, plot, card and facts; returns the metrics."""
        kept, model = trained_weights(work), self.build(work)
        model.load_state_dict(kept["model"])
        folder.mkdir(exist_ok=True)
        model.save_pretrained(folder)
        read_tokenizer(work / _VOCABULARY).save_pretrained(folder)
        metrics = measure(model, PackedTexts.read(work / _HELD_OUT), self._masking(work), self.config.batch_tokens)
        metrics["steps"] = float(kept["step"])
        cost = Cost.of(kept["cpu_seconds"])
        facts = write_facts(folder, recipe=self.name, dataset=source_of(work), metrics=metrics, cost=cost)
        plot_losses(work / LOSSES, folder / "losses.png")
        (folder / "README.md").write_text(self._card(work, model, facts), encoding="utf-8")
        return metrics

    def _masking(self, work: Path) -> Masking:
        return Masking(read_tokenizer(work / _VOCABULARY), self.config.masked, self.config.max_tokens)

    def _card(self, work: Path, model: Any, facts: TrainingFacts) -> str:
        config, metrics, packed = self.config, facts.metrics, PackedTexts.read(work / _PACK)
        size = sum(value.numel() for value in model.bert.parameters()) / 1e6
        return "\n".join(
            [
                "# A BERT that was pretrained from nothing",
                "",
                f"By the recipe `{self.name}`, on {len(packed.texts) - 1} texts of {facts.dataset} "
                f"({len(packed.ids)} tokens): masked language modelling and next-sentence prediction.",
                "",
                f"- {size:.1f} million parameters: {config.layers} layers of width {config.width}, "
                f"{model.config.vocab_size} pieces of WordPiece, at most {config.max_tokens} tokens.",
                f"- {metrics['steps']:.0f} steps of up to {config.batch_tokens} tokens, seed {config.seed}.",
                facts.origin,
                "",
                f"## Measured on {metrics['held_out_pairs']:.0f} pairs that were held out",
                "",
                "| | value | by chance |",
                "|---|---:|---:|",
                f"| masked tokens: perplexity | {metrics['masked_perplexity']:.1f} | {model.config.vocab_size} |",
                f"| masked tokens: accuracy | {metrics['masked_accuracy']:.3f} | "
                f"{metrics['most_frequent_token']:.3f} (the most frequent token) |",
                f"| next sentence: accuracy | {metrics['next_sentence_accuracy']:.3f} | "
                f"{metrics['next_sentence_baseline']:.3f} |",
                "",
                "![Loss](losses.png)",
                "",
                "## Limits",
                "",
                "It knows the words of these texts alone. It is a start for `text-classification` on texts like them, "
                "not an encoder for searches.",
                "",
            ]
        )
