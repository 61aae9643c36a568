"""Train, evaluate and publish a small Marian translation model."""

import json
import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from transformers import (
    DataCollatorForSeq2Seq,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)
from transformers.trainer_utils import get_last_checkpoint

from training.translation_data import encode, read_pairs, train_vocabulary


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
    warmup_steps: int = 400
    epochs: float = 12
    checkpoint_steps: int = 500
    average_decay: float = Field(default=0.998, description="Of the running average that is published.")
    seed: int = 17


def prepare(work: Path, data: Path, config: TranslationConfig) -> list[dict[str, Any]]:
    """The training examples of `data`; makes the vocabulary once."""
    pairs = read_pairs(data, config.sources, config.targets)
    folder = work / "vocabulary"
    if not (folder / "vocab.json").exists():
        train_vocabulary(pairs, folder, config.vocabulary, config.targets)
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
    resume: bool = True,
    minutes: float = math.inf,
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
    average = WeightAverage(model, config.average_decay)
    trainer = Seq2SeqTrainer(
        model=model,
        args=_arguments(work, config),
        train_dataset=_Examples(examples),
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model, pad_to_multiple_of=4),
        processing_class=tokenizer,
        callbacks=[average, Deadline(minutes), LossLog(work / "losses.jsonl")],
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(work)) if resume else None)
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
    """The newest checkpoint. Raises FileNotFoundError."""
    found = get_last_checkpoint(str(work))
    if found is None:
        raise FileNotFoundError(f"{work} has no checkpoint yet: train first.")
    return Path(found)


def from_checkpoint(checkpoint: Path) -> MarianMTModel:
    """The averaged weights of a checkpoint, while its training may still be going on."""
    model = MarianMTModel.from_pretrained(checkpoint)
    weights = torch.load(checkpoint / WeightAverage.FILE, weights_only=True)
    return averaged(model, weights)


def publish(model: MarianMTModel, tokenizer: MarianTokenizer, folder: Path, card: str) -> None:
    """Write safetensors in fp16, the tokenizer and the model card."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(card, encoding="utf-8")


class WeightAverage(TrainerCallback):
    """A running average of the weights: as good as annealing the learning rate, and ready at any time."""

    FILE = "average.pt"

    def __init__(self, model: MarianMTModel, decay: float) -> None:
        self._model = model
        self._decay = decay
        self.weights = {name: value.detach().clone() for name, value in model.named_parameters()}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Go on from the checkpoint that the trainer goes on from."""
        file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / self.FILE
        if state.global_step and file.exists():
            self.weights = torch.load(file, weights_only=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the average towards the weights; quickly at first."""
        decay = min(self._decay, (1 + state.global_step) / (10 + state.global_step))
        with torch.no_grad():
            for name, value in self._model.named_parameters():
                self.weights[name].lerp_(value, 1 - decay)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Keep the average beside the trainer's own files."""
        torch.save(self.weights, Path(args.output_dir) / f"checkpoint-{state.global_step}" / self.FILE)


class Deadline(TrainerCallback):
    """Ends training after some minutes, with a checkpoint."""

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + minutes * 60

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop at the first step after the deadline."""
        if time.monotonic() > self._end:
            control.should_save = True
            control.should_training_stop = True


class LossLog(TrainerCallback):
    """Losses as JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """One line each time the trainer reports."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, **(logs or {})}) + "\n")


class _Examples(torch.utils.data.Dataset[dict[str, Any]]):
    def __init__(self, examples: Sequence[dict[str, Any]]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._examples[index]


def _arguments(work: Path, config: TranslationConfig) -> Seq2SeqTrainingArguments:
    return Seq2SeqTrainingArguments(
        output_dir=str(work),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_pairs,
        train_sampling_strategy="group_by_length",
        learning_rate=config.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=config.warmup_steps,
        optim="adamw_torch_fused",
        adam_beta2=0.98,
        max_grad_norm=1.0,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        seed=config.seed,
        save_steps=config.checkpoint_steps,
        save_total_limit=2,
        logging_steps=50,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_num_workers=0,
    )
