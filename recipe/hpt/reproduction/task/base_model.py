# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Make the built-in task and its base model, from scratch and offline.

The base model is trained on levels 1 and 2 of `recipe.hpt.reproduction.task.questions` only. It solves those and none
of the higher levels. Model and tokenizer are saved in the Hugging Face layout, so verl, vLLM and
`AutoModelForCausalLM` load them like any other checkpoint.

    python -m recipe.hpt.reproduction.task.base_model --out DIR --seed 0

writes `DIR/train.parquet`, `DIR/val.parquet` and `DIR/base_model/`. Further options make demonstrations that are wrong,
missing or written in another style (`recipe.hpt.reproduction.task.demonstrations`); they leave the base model as it is.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hpt.common.errors import ConfigError, HPTError
from hpt.common.files import write_json
from recipe.hpt.reproduction.task.model import FORMAT_VERSION, BaseModelSettings, build_model, build_tokenizer
from recipe.hpt.reproduction.task.options import add_options, demonstrations_of, write_files
from recipe.hpt.reproduction.task.training import accuracy_per_level, fit, torch_threads

MODEL_FOLDER = "base_model"
MANIFEST = "manifest.json"
_FILES = (
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)


def read_manifest(
    model_dir: str | os.PathLike[str], settings: BaseModelSettings | None = None
) -> dict[str, Any] | None:
    """The manifest of a complete base model, or None.

    It is None if there is no manifest, or if a file it lists is absent or has another size. Where `settings` are
    given, it is None as well for a model that was trained with others.
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
    """Train the base model into `out_dir` unless it is there already, and return its manifest.

    A complete model that was trained with the same settings is kept. One with other settings is replaced. The
    directory appears in one rename, so an interrupted call leaves `out_dir` as it was.

    Args:
        out_dir: directory to write; missing parents are made.
        settings: `BaseModelSettings()` by default.
        threads: torch's threads while training. More than one gains little on a model this small, and each waits for
            the other: next to a busy process, two threads took ten times as long as one.
        progress: show a progress bar.

    Raises:
        ConfigError: `out_dir` is a file, or a directory with other files in it.
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
        with torch_threads(threads):
            manifest = _train_into(new_dir, settings, progress)
        if out_dir.exists():  # a rename cannot replace a directory that has content
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
    write_json(model_dir / MANIFEST, manifest)
    return manifest


def _check_replaceable(out_dir: Path) -> None:
    """Refuse to replace anything but an older or broken base model."""
    if not out_dir.exists():
        return
    if not out_dir.is_dir():
        raise ConfigError(f"got {out_dir}, a file; expected a directory for the base model")
    foreign = sorted({path.name for path in out_dir.iterdir()} - {*_FILES, MANIFEST})
    if foreign:
        raise ConfigError(
            f"got {out_dir}, a directory with other files than a base model's: {foreign[:5]}; "
            "choose another directory, or remove it"
        )


def accuracy_table(manifest: dict[str, Any]) -> str:
    """Two lines: the levels, and the base model's accuracy on each."""
    levels = "".join(f"{level:>6}" for level in manifest["accuracy"])
    values = "".join(f"{value:6.2f}" for value in manifest["accuracy"].values())
    return f"level   {levels}\naccuracy{values}"


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m recipe.hpt.reproduction.task.base_model",
        description="Make the built-in task and its base model.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="directory to write into")
    parser.add_argument("--seed", type=int, default=0, help="seed of the data, the initial weights and the training")
    parser.add_argument("--train-size", type=int, default=9600, help="training questions")
    parser.add_argument("--val-per-level", type=int, default=64, help="held-out questions per level")
    parser.add_argument("--steps", type=int, default=BaseModelSettings.steps, help="the base model's optimizer steps")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads")
    parser.add_argument("--data-only", action="store_true", help="write the question files and train no base model")
    add_options(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the task and train the base model. The exit status is 0, or 2 for wrong settings."""
    options = _arguments(arguments)
    model_dir = options.out / MODEL_FOLDER
    try:
        settings = BaseModelSettings(seed=options.seed, steps=options.steps)
        paths = write_files(
            options.out,
            options.seed,
            demonstrations_of(options),
            extra_sets=options.extra_sets,
            train_size=options.train_size,
            val_per_level=options.val_per_level,
        )
        print("wrote", *paths)
        if options.data_only:
            return 0
        manifest = train_base_model(model_dir, settings, options.threads)
    except HPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"base model in {model_dir}: {manifest['parameters']} parameters")
    print(accuracy_table(manifest))
    return 0


if __name__ == "__main__":
    sys.exit(main())
