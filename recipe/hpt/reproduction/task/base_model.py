# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tokenizer and base model of the built-in task, made from scratch offline.

The tokenizer is Qwen2's byte-level BPE with a vocabulary of 36 pieces: characters and `boxed`. The
model is a Qwen2 of 0.65 M parameters, trained on levels 1 and 2 of `recipe.hpt.reproduction.task.questions` only: it
solves those and none of the higher levels. Both are saved in the Hugging Face layout, so verl, vLLM
and `AutoModelForCausalLM` load them like any other checkpoint.

    python -m recipe.hpt.reproduction.task.base_model --out DIR --seed 0

writes `DIR/train.parquet`, `DIR/val.parquet` and `DIR/base_model/`.

Shapes: (b, T) is a batch of rows by the tokens of its longest row.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import (
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
)

from recipe.hpt.reproduction.task.questions import (
    MAX_SOLUTION_TOKENS,
    VAL_LEVELS,
    Problem,
    all_problems,
    answer_text,
    boxed_answer,
    level_problems,
    question_text,
    solution_text,
    write_task,
)

# Qwen's names: verl's agent loop looks up "<|im_end|>" and demands that "\n" be one token for
# every model of a Qwen type. AutoTokenizer gives a Qwen2 checkpoint Qwen2's own pre-tokenizer whatever
# was saved, so the pieces are those of its byte-level alphabet: a space is "Ġ", a newline "Ċ".
PAD, EOS = "<|endoftext|>", "<|im_end|>"
_CHARACTERS = (*"0123456789", *"+-*/=:,.x(){}\\", *"boed", "Ġ", "Ċ")
_MERGES = (("b", "o"), ("bo", "x"), ("box", "e"), ("boxe", "d"))
_CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"

FORMAT_VERSION = 3
"""Part of the manifest; raise it when the same settings would give another model."""
MANIFEST = "manifest.json"
_FILES = (
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
_IGNORED_LABEL = -100


@dataclass(frozen=True)
class BaseModelSettings:
    """Everything the base model depends on.

    Attributes:
        seed: of the initial weights and of the training questions.
        levels: the levels trained on, drawn with equal probability.
        steps: optimizer steps.
        batch_size: questions per step.
        learning_rate: AdamW's rate, constant after a warm-up over the first 5 % of the steps.
        hidden_size, num_layers, num_heads: of the transformer; the head size 32 = 128 / 4 is the
            smallest that vLLM's CPU attention has.
        eval_per_level: held-out questions per level for the accuracies in the manifest.
    """

    seed: int = 0
    levels: tuple[int, ...] = (1, 2)
    steps: int = 400
    batch_size: int = 64
    learning_rate: float = 2e-3
    hidden_size: int = 128
    num_layers: int = 3
    num_heads: int = 4
    eval_per_level: int = 64

    def __post_init__(self) -> None:
        if min(self.steps, self.batch_size, self.eval_per_level) < 1 or self.learning_rate <= 0:
            raise ValueError(f"steps, batch_size, eval_per_level and learning_rate must be positive: got {self}")
        if not self.levels or min(self.levels) < 1:
            raise ValueError(f"levels must name at least one level, from 1 up: got {self.levels}")

    def fingerprint(self) -> str:
        """A hash of the settings and of the format they were written in."""
        text = json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def build_tokenizer() -> Qwen2Tokenizer:
    """A Qwen2 tokenizer with one token per character of the task, and one for `boxed`.

    Its chat template renders the contents of the messages and nothing else. It pads on the left,
    as generation needs.
    """
    pieces = (PAD, EOS, *_CHARACTERS, *("".join(pair) for pair in _MERGES))
    tokenizer = Qwen2Tokenizer(
        vocab={piece: i for i, piece in enumerate(pieces)},
        merges=list(_MERGES),
        pad_token=PAD,
        eos_token=EOS,
        unk_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=256,
    )
    tokenizer.chat_template = _CHAT_TEMPLATE
    return tokenizer


def build_model(settings: BaseModelSettings, tokenizer: PreTrainedTokenizerBase) -> Qwen2ForCausalLM:
    """A Qwen2 with random float32 weights, a function of `settings.seed`."""
    config = Qwen2Config(
        # Not rounded up: vLLM never samples an id that the tokenizer lacks, while the actor would
        # give such ids probability, and the two log-probabilities would drift apart.
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=3 * settings.hidden_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=settings.num_heads,
        num_key_value_heads=settings.num_heads,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = Qwen2ForCausalLM(config).float()
    model.generation_config = GenerationConfig(pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id)
    return model


def supervised_batch(
    questions: Sequence[Problem], tokenizer: PreTrainedTokenizerBase
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (b, T) and labels (b, T), padded on the right to the longest row.

    Labels are the ids of the solution and the end token, and -100 on question and padding.
    """
    rows = []
    for problem in questions:
        prompt = tokenizer.encode(question_text(problem), add_special_tokens=False)
        solution = tokenizer.encode(solution_text(problem), add_special_tokens=False)
        rows.append((prompt, [*solution, tokenizer.eos_token_id]))
    longest = max(len(prompt) + len(solution) for prompt, solution in rows)
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
    labels = torch.full((len(rows), longest), _IGNORED_LABEL)
    for i, (prompt, solution) in enumerate(rows):
        end = len(prompt) + len(solution)
        ids[i, :end] = torch.tensor(prompt + solution)
        labels[i, len(prompt) : end] = torch.tensor(solution)
    return ids, labels


def _learning_rate_factor(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / max(1, steps // 20))


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: BaseModelSettings,
    progress: bool = True,
) -> float:
    """Train `model` in place and return the mean loss of the last tenth of the steps, in nats.

    The loss is the mean over the solution tokens of a batch. Held-out questions are never drawn.
    """
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _learning_rate_factor(step, settings.steps))
    rng = random.Random(f"{settings.seed}/base")
    pools = [all_problems(level, held_out=False) for level in settings.levels]
    losses: list[float] = []
    model.train()
    bar = tqdm(range(settings.steps), desc="base model", unit="step", disable=not progress)
    for _ in bar:
        questions = [rng.choice(rng.choice(pools)) for _ in range(settings.batch_size)]
        ids, labels = supervised_batch(questions, tokenizer)
        # Right padding without an attention mask: no scored position attends to the padding.
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=_IGNORED_LABEL
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    model.eval()
    last = losses[-max(1, settings.steps // 10) :]
    return sum(last) / len(last)


@torch.no_grad()
def greedy_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int = MAX_SOLUTION_TOKENS,
) -> list[str]:
    """The greedy continuation of each prompt, in one batch, without special tokens."""
    encoded = tokenizer(list(prompts), return_tensors="pt", padding=True, padding_side="left")
    generated = model.generate(
        input_ids=encoded["input_ids"],
        attention_mask=encoded["attention_mask"],
        do_sample=False,
        max_new_tokens=max_new_tokens,
    )
    continuations = generated[:, encoded["input_ids"].shape[1] :]
    return tokenizer.batch_decode(continuations, skip_special_tokens=True)


def accuracy_per_level(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    per_level: int,
    seed: int = 0,
    levels: Sequence[int] = VAL_LEVELS,
) -> dict[int, float]:
    """Greedy accuracy on up to `per_level` held-out questions of each level, in [0, 1]."""
    questions: list[Problem] = []
    for level in levels:
        rng = random.Random(f"{seed}/accuracy/{level}")
        questions += level_problems(level, per_level, rng, held_out=True)
    texts = greedy_texts(model, tokenizer, [question_text(problem) for problem in questions])
    right: dict[int, list[bool]] = {level: [] for level in levels}
    for text, problem in zip(texts, questions, strict=True):
        right[problem.level].append(boxed_answer(text) == answer_text(problem))
    return {level: sum(hits) / len(hits) for level, hits in right.items()}


def read_manifest(
    model_dir: str | os.PathLike[str], settings: BaseModelSettings | None = None
) -> dict[str, Any] | None:
    """The manifest of a complete base model, or None.

    None where there is no manifest, where a file it lists is absent or has another size, or where
    `settings` are given and are not those the model was trained with.
    """
    model_dir = Path(model_dir)
    try:
        manifest = json.loads((model_dir / MANIFEST).read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    for name, size in manifest["files"].items():
        path = model_dir / name
        if not path.is_file() or path.stat().st_size != size:
            return None
    if settings is not None and manifest["fingerprint"] != settings.fingerprint():
        return None
    return manifest


def train_base_model(
    out_dir: str | os.PathLike[str],
    settings: BaseModelSettings | None = None,
    threads: int = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Train the base model into `out_dir` unless it is there already; return its manifest.

    A model counts as there when it is complete and was trained with the same settings; one with
    other settings is replaced. The directory appears in one rename, so an interrupted call leaves
    `out_dir` as it was.

    Args:
        settings: default `BaseModelSettings()`.
        threads: of torch while training. More than one gains little on a model this small, and each
            waits for the other: with a busy neighbour two were measured ten times slower than one.
        progress: show a progress bar.
    """
    settings = settings or BaseModelSettings()
    out_dir = Path(out_dir)
    cached = read_manifest(out_dir, settings)
    if cached is not None:
        return cached
    _check_replaceable(out_dir)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=f".{out_dir.name}.") as scratch:
        new_dir, old_dir = Path(scratch) / "new", Path(scratch) / "old"
        with _torch_threads(threads):
            manifest = _train_into(new_dir, settings, progress)
        if out_dir.exists():  # a directory with content cannot be replaced by a rename
            os.replace(out_dir, old_dir)
        os.replace(new_dir, out_dir)
    return manifest


def _train_into(model_dir: Path, settings: BaseModelSettings, progress: bool) -> dict[str, Any]:
    tokenizer = build_tokenizer()
    model = build_model(settings, tokenizer)
    loss = fit(model, tokenizer, settings, progress)
    accuracy = accuracy_per_level(model, tokenizer, settings.eval_per_level, settings.seed)
    model.save_pretrained(model_dir)
    tokenizer.save_pretrained(model_dir)
    manifest = {
        "format_version": FORMAT_VERSION,
        "fingerprint": settings.fingerprint(),
        "settings": {**asdict(settings), "levels": list(settings.levels)},
        "parameters": model.num_parameters(),
        "final_loss": loss,
        "accuracy": {str(level): value for level, value in accuracy.items()},
        "files": {name: (model_dir / name).stat().st_size for name in _FILES},
    }
    (model_dir / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest


def _check_replaceable(out_dir: Path) -> None:
    """Refuse to replace anything but an older or broken base model."""
    if not out_dir.exists():
        return
    if not out_dir.is_dir():
        raise ValueError(f"{out_dir} is a file; a directory for the base model was expected")
    foreign = sorted({path.name for path in out_dir.iterdir()} - {*_FILES, MANIFEST})
    if foreign:
        raise ValueError(
            f"{out_dir} is no base model of the built-in task: it also holds {foreign[:5]}. "
            "Choose another directory, or remove it"
        )


@contextlib.contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def accuracy_table(manifest: dict[str, Any]) -> str:
    """Two lines: the levels, and the base model's accuracy on each."""
    levels = "".join(f"{level:>6}" for level in manifest["accuracy"])
    values = "".join(f"{value:6.2f}" for value in manifest["accuracy"].values())
    return f"level   {levels}\naccuracy{values}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the task and train the base model."""
    parser = argparse.ArgumentParser(description="Make the built-in task and its base model.")
    parser.add_argument("--out", type=Path, required=True, help="directory to write into")
    parser.add_argument("--seed", type=int, default=0, help="of data, initial weights, training")
    parser.add_argument("--train-size", type=int, default=9600, help="training questions")
    parser.add_argument("--val-per-level", type=int, default=64, help="held-out questions a level")
    parser.add_argument("--steps", type=int, default=BaseModelSettings.steps, help="base training")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    options = parser.parse_args(arguments)

    train_path, val_path = write_task(options.out, options.seed, options.train_size, options.val_per_level)
    print(f"wrote {train_path} and {val_path}")
    model_dir = options.out / "base_model"
    settings = BaseModelSettings(seed=options.seed, steps=options.steps)
    manifest = train_base_model(model_dir, settings, options.threads)
    print(f"base model in {model_dir}: {manifest['parameters']} parameters")
    print(accuracy_table(manifest))


if __name__ == "__main__":
    main()
