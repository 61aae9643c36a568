"""Train, evaluate and publish a small Marian translation model."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from transformers import (
    DataCollatorForSeq2Seq,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
)

from modalities.models.devices import computes_bfloat16
from storage.atomic_files import written_whole
from training.pipeline import LOSSES, Progress, TrainingError, no_progress
from training.translation.callbacks import Deadline, LossLog, Watched, WeightAverage
from training.translation.data import encode, read_pairs, train_vocabulary, without_held_out

HELD_OUT = "held-out"
"""The folder in a work folder with the sentences that are put aside to test with."""


class TranslationConfig(BaseModel):
    """One translation model: its languages, its size, and how it is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    vocabulary: int = Field(default=8000, ge=300)
    width: int = Field(default=256, description="Numbers per token inside the model.")
    encoder_layers: int = 3
    decoder_layers: int = 2
    batch_pairs: int = Field(default=64, description="Sentence pairs a step; sentences of like length go together.")
    learning_rate: float = 1.2e-3
    schedule: Literal["constant", "linear"] = Field(
        default="constant", description="Of the learning rate after warm-up: `linear` falls to zero over the epochs."
    )
    warmup_steps: int = 400
    epochs: float = 12
    checkpoint_steps: int = 500
    average_decay: float = Field(default=0.998, description="Of the running average that is published.")
    seed: int = 17
    notes: str = Field(default="", description="What the model card should say about how the weights came about.")


def prepare(work: Path, data: Path, config: TranslationConfig) -> list[dict[str, Any]]:
    """The training examples of `data`, without those that were put aside; makes the vocabulary once."""
    pairs = without_held_out(read_pairs(data, config.sources, config.targets), work / HELD_OUT)
    folder = work / "vocabulary"
    if not folder.exists():
        with written_whole(folder) as unfinished:
            train_vocabulary(pairs, unfinished, config.vocabulary, config.targets)
    return encode(pairs, folder, several_targets=len(config.targets) > 1)


def build(work: Path, config: TranslationConfig) -> tuple[MarianMTModel, MarianTokenizer]:
    """A new model and its tokenizer, the same for the same seed."""
    torch.manual_seed(config.seed)
    files = work / "vocabulary"
    tokenizer = MarianTokenizer(
        source_spm=str(files / "source.spm"),
        target_spm=str(files / "target.spm"),
        vocab=str(files / "vocab.json"),
        model_max_length=256,
    )
    vocabulary: dict[str, int] = json.loads((files / "vocab.json").read_text(encoding="utf-8"))
    pad, end = vocabulary["<pad>"], vocabulary["</s>"]
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(vocabulary),
            d_model=config.width,
            encoder_layers=config.encoder_layers,
            decoder_layers=config.decoder_layers,
            encoder_attention_heads=config.width // 32,
            decoder_attention_heads=config.width // 32,
            encoder_ffn_dim=config.width * 4,
            decoder_ffn_dim=config.width * 4,
            activation_function="relu",
            dropout=0.0,
            max_position_embeddings=256,
            scale_embedding=True,
            pad_token_id=pad,
            eos_token_id=end,
            bos_token_id=end,
            forced_eos_token_id=end,
            decoder_start_token_id=pad,
        )
    )
    # On a CPU the backward pass of torch's fused attention took 40 % of a step on sentences this short.
    model.set_attn_implementation("eager")
    return model, tokenizer


def train(
    work: Path,
    data: Path,
    config: TranslationConfig,
    *,
    initial: Path | None = None,
    minutes: float = math.inf,
    progress: Progress = no_progress,
) -> MarianMTModel:
    """Train on the pairs in `data` until the epochs or the minutes are over; returns the averaged weights.

    Checkpoints and `losses.jsonl` lie in `work`; a run that was killed goes on from its last checkpoint. Without one
    it starts from the published folder `initial`, vocabulary and weights, or from nothing.
    """
    if initial:
        take_vocabulary(initial, work)
    examples = prepare(work, data, config)
    model, tokenizer = build(work, config)
    if initial:
        model.load_state_dict(MarianMTModel.from_pretrained(initial, dtype=torch.float32).state_dict())
    return fit(work, examples, config, model, tokenizer, minutes=minutes, progress=progress)


def fit(
    work: Path,
    examples: Sequence[dict[str, Any]],
    config: TranslationConfig,
    model: MarianMTModel,
    tokenizer: MarianTokenizer,
    *,
    minutes: float = math.inf,
    progress: Progress = no_progress,
) -> MarianMTModel:
    """Train a built model on examples from `prepare`; goes on from the last checkpoint in `work`."""
    average = WeightAverage(model, config.average_decay)
    losses = LossLog(work / LOSSES)
    trainer = Seq2SeqTrainer(
        model=model,
        args=_arguments(work, config),
        train_dataset=_Examples(examples),
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model, pad_to_multiple_of=4),
        processing_class=tokenizer,
        callbacks=[average, Deadline(minutes), losses, Watched(progress)],
    )
    whole = whole_checkpoints(work)
    for folder in set(work.glob("checkpoint-*")) - set(whole):  # what a killed run was writing
        shutil.rmtree(folder)
    trainer.train(resume_from_checkpoint=str(whole[-1]) if whole else None)
    return averaged(model, average.weights)


def take_vocabulary(published: Path, work: Path) -> None:
    """Copy the vocabulary of a published model to where `prepare` looks for one: token ids stay what they were."""
    (work / "vocabulary").mkdir(parents=True, exist_ok=True)
    for name in ("source.spm", "target.spm", "vocab.json"):
        shutil.copyfile(published / name, work / "vocabulary" / name)


def averaged(model: MarianMTModel, weights: dict[str, torch.Tensor]) -> MarianMTModel:
    """The model with the running average in place of its last weights."""
    model.load_state_dict(weights, strict=False)
    return model.eval()


def last_checkpoint(work: Path) -> Path:
    """The newest checkpoint. Raises TrainingError."""
    whole = whole_checkpoints(work)
    if not whole:
        raise TrainingError(f"{work} has no checkpoint yet: train first.")
    return whole[-1]


def whole_checkpoints(work: Path) -> list[Path]:
    """The checkpoints that were written to their end, oldest first."""
    whole = [file.parent for file in work.glob(f"checkpoint-*/{WeightAverage.FILE}")]
    return sorted(whole, key=steps_of)


def steps_of(checkpoint: Path) -> int:
    """How many steps a checkpoint was trained."""
    return int(checkpoint.name.rsplit("-", 1)[-1])


def from_checkpoint(checkpoint: Path) -> MarianMTModel:
    """The averaged weights of a checkpoint, while its training may still be going on."""
    model = MarianMTModel.from_pretrained(checkpoint)
    weights = torch.load(checkpoint / WeightAverage.FILE, weights_only=True)
    return averaged(model, weights)


def save(model: MarianMTModel, tokenizer: MarianTokenizer, folder: Path) -> None:
    """Write safetensors in fp16 and the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # readable for the user that a container runs as


class _Examples(torch.utils.data.Dataset[dict[str, Any]]):
    def __init__(self, examples: Sequence[dict[str, Any]]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._examples[index]


def _arguments(work: Path, config: TranslationConfig) -> Seq2SeqTrainingArguments:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Seq2SeqTrainingArguments(
        output_dir=str(work),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_pairs,
        train_sampling_strategy="group_by_length",
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear" if config.schedule == "linear" else "constant_with_warmup",
        warmup_steps=config.warmup_steps,
        optim="adamw_torch_fused",
        adam_beta2=0.98,
        max_grad_norm=1.0,
        bf16=computes_bfloat16(device),
        use_cpu=device == "cpu",
        seed=config.seed,
        save_steps=config.checkpoint_steps,
        save_total_limit=2,
        logging_steps=10,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_num_workers=0,
    )
