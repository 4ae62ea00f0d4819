# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The record of a run, run.json in ``trainer.default_local_dir``, and its comparison with a later launch.

A launch continues what the folder holds, or is refused. It is refused

- with another model (architecture, configuration, tokenizer, weights) or another ``hpt.strategy``, once there are
  metrics or checkpoints, because the folder would mix two runs;
- with another number of ranks, FSDP version, optimizer, trainer mode, or LoRA rank, alpha or modules, if it would
  continue a checkpoint, because that could not be loaded, would be another model, or its questions in flight and its
  position in the data would be lost;
- with a checkpoint that holds another strategy's state, or lacks the state that the strategy goes on from.

Everything else may change: steps, frequencies, learning rate, gamma, batch, data, paths. Changes of ``SETTINGS``, which
decide the result, are named. A record of an earlier version is read with today's names of its settings. A folder
without a record is compared with what its checkpoint tells.
"""

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hpt.common import routing_state
from hpt.common.digests import model_parts
from hpt.common.errors import ConfigError
from hpt.common.files import TRACKER, complete_checkpoints, write_whole
from hpt.common.settings import plain
from hpt.method.config import RENAMED, HPTConfig
from hpt.verl_ext.trainer_modes import mode_of

logger = logging.getLogger(__name__)

RECORD = "run.json"
METRICS = "metrics*.jsonl"
FORMAT_VERSION = 1
"""Raise it when a record of the same run would differ."""
# What the run is; what its checkpoints need to be loaded; the parts of a model that a checkpoint has to fit.
IDENTITY = ("model", "strategy")
LOADABLE = ("ranks", "fsdp", "optimizer", "lora_rank", "lora_alpha", "lora_modules", "mode")
STRUCTURE = ("architecture", "shape", "tokenizer")
_KEYS = {
    "strategy": "hpt.strategy",
    "fsdp": "actor_rollout_ref.actor.strategy",
    "optimizer": "actor_rollout_ref.actor.optim.optimizer",
    "lora_rank": "actor_rollout_ref.model.lora_rank",
    "lora_alpha": "actor_rollout_ref.model.lora_alpha",
    "lora_modules": "actor_rollout_ref.model.target_modules",
    "mode": "trainer.v1.trainer_mode",
}
_RANKS = "trainer.nnodes x trainer.n_gpus_per_node"
SETTINGS = (
    "hpt", "data.train_files", "data.train_batch_size", "data.max_prompt_length", "data.max_response_length",
    "data.max_target_length", "data.prompt_template", "actor_rollout_ref.actor.ppo_mini_batch_size",
    "actor_rollout_ref.actor.ppo_epochs", "actor_rollout_ref.actor.optim.lr", "actor_rollout_ref.rollout.n",
    "actor_rollout_ref.rollout.temperature",
)  # fmt: skip
_NOT_NAMED = ("hpt.poll_interval", "hpt.fork_workers", "hpt.strategy")  # no effect on the result, or refused already


def folder_of(config: DictConfig) -> Path:
    """The run's folder, absolute."""
    return Path(os.path.abspath(config.trainer.default_local_dir))


def describe(config: DictConfig, model: Path | None) -> dict[str, Any]:
    """Describe the run as plain JSON.

    Args:
        config: as :func:`hpt.preflight.command.require` leaves it.
        model: its folder; None: a hub id that is not on this machine, so that only its name is known.
    """
    name = str(config.actor_rollout_ref.model.path)
    settings = {key: OmegaConf.select(config, key) for key in SETTINGS}
    values = {key: plain(OmegaConf.select(config, path)) for key, path in _KEYS.items()}
    if not values["lora_rank"]:
        values |= {"lora_alpha": None, "lora_modules": None}  # they have no meaning
    return {
        "format_version": FORMAT_VERSION,
        "model": model_parts(model) if model is not None else {"hub_id": name},
        **values,
        "ranks": config.trainer.nnodes * config.trainer.n_gpus_per_node,
        "settings": OmegaConf.to_container(OmegaConf.create(settings), resolve=True),
    }


# ---- what is there ----


def checkpoint_of(folder: Path) -> Path | None:
    """The checkpoint that a launch in this folder continues from (``resume_mode=auto``): the last complete one.

    verl's tracker file may name an unfinished one, or one from before a kill.
    """
    steps = complete_checkpoints(folder)
    return folder / f"global_step_{steps[-1]}" if steps else None


def track(folder: Path, checkpoint: Path | None) -> None:
    """Make verl's tracker file in the run's folder name the checkpoint; None: there is none to name."""
    tracker = folder / TRACKER
    named = tracker.read_text().strip() if tracker.exists() else None
    step = checkpoint.name.removeprefix("global_step_") if checkpoint is not None else None
    if named == step:
        return
    logger.warning("%s names step %s; the last complete checkpoint is of step %s", tracker, named or None, step)
    if step is None:
        tracker.unlink()
    else:
        write_whole(tracker, step)


def continued(config: DictConfig) -> Path | None:
    """The checkpoint that this launch would continue from; None: it starts from the model.

    Raises:
        ConfigError: a named checkpoint that is not there, or an unknown mode.
    """
    trainer = config.trainer
    if trainer.resume_mode == "disable":
        return None
    if trainer.resume_mode == "auto":
        return checkpoint_of(folder_of(config))
    if trainer.resume_mode != "resume_path":
        raise ConfigError(f"got trainer.resume_mode={trainer.resume_mode}; expected auto, disable or resume_path")
    path = Path(os.path.abspath(str(trainer.resume_from_path)))
    number = path.name.removeprefix("global_step_")
    if not number.isdigit() or not (path / "actor").is_dir():
        raise ConfigError(
            f"got trainer.resume_from_path={trainer.resume_from_path}; expected a folder global_step_N with a folder "
            "actor in it"
        )
    return path


def read_record(folder: Path) -> dict[str, Any] | None:
    """Read the folder's record; None: it has none, or is not there.

    Raises:
        ConfigError: a file that is no record, or one of another format.
    """
    file = folder / RECORD
    try:
        record = json.loads(file.read_text())
        version = record["format_version"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"got {file}, which cannot be read as a run's record ({error}); restore it, remove it to continue without "
            "a comparison, or name another folder with trainer.default_local_dir"
        ) from None
    if version != FORMAT_VERSION:
        raise ConfigError(
            f"got {file} of format {version}; expected {FORMAT_VERSION}: remove it to continue without a comparison, "
            "or name another folder with trainer.default_local_dir"
        )
    return record


def record_from(checkpoint: Path) -> dict[str, Any]:
    """Read from a checkpoint what it tells of its run: the model's structure, ranks, FSDP version and trainer mode."""
    found: dict[str, Any] = {}
    actor = checkpoint / "actor"
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        written = json.loads((actor / "fsdp_config.json").read_text())
        found = {"ranks": written["world_size"], "fsdp": {1: "fsdp", 2: "fsdp2"}.get(written["FSDP_version"])}
    exported = actor / "huggingface"
    if (exported / "config.json").exists():
        found["model"] = model_parts(exported)
    return {**found, "mode": mode_of(checkpoint)}


# ---- the comparison ----


def finished(config: DictConfig, checkpoint: Path | None) -> str | None:
    """Say that the run has reached its last step; None: it has not, or its checkpoint does not tell."""
    last = config.trainer.total_training_steps
    if checkpoint is None or last is None or config.trainer.get("val_only", False):
        return None
    if (step := int(checkpoint.name.removeprefix("global_step_"))) < last:
        return None
    return (
        f"nothing to do: the run has made {step} of trainer.total_training_steps={last} steps, and {checkpoint} is its "
        "last checkpoint; raise trainer.total_training_steps to go on, or name another folder to begin anew"
    )


@dataclass(frozen=True)
class Comparison:
    """The comparison of a launch with what its folder holds.

    Attributes:
        checkpoint: the one that is continued, or None.
        recorded: whether its run has a record.
        problems: why the launch is refused.
        changes: differences that decide the result, as "setting: before -> now".
    """

    checkpoint: Path | None
    recorded: bool
    problems: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def compare(config: DictConfig, now: Mapping[str, Any]) -> Comparison:
    """Compare a launch, described by :func:`describe`, with its folder.

    Raises:
        ConfigError: a record or a named checkpoint that cannot be used.
    """
    folder, checkpoint = folder_of(config), continued(config)
    record = read_record(folder)
    problems: list[str] = []
    if record is not None and _in_use(folder):
        problems += _differences(record, now, IDENTITY)
    elif record is None and (held := checkpoint_of(folder)) is not None:
        problems += _differences(_structure(record_from(held)), now, ("model",))
    # A named checkpoint may be of another run and strategy: it only has to be loaded.
    source = read_record(checkpoint.parent) if checkpoint is not None else None
    if checkpoint is not None:
        known = {**(source or {}), **_structure(record_from(checkpoint))}
        keys = LOADABLE if checkpoint.parent == folder else ("model", *LOADABLE)
        problems += _differences(known, now, keys)
        settings = HPTConfig.from_mapping(config.hpt)
        routing_state.load(checkpoint, settings.strategy, expected=settings.remembers)
    changes = _changes(source, now) if source is not None and not problems else ()
    return Comparison(checkpoint, source is not None, tuple(problems), changes)


def refusal(folder: Path, found: Comparison) -> str:
    """The message for a launch that does not fit its folder."""
    return (
        f"got trainer.default_local_dir={folder}, but {'; '.join(found.problems)}: name another folder, or launch with "
        "the settings of the run that is there"
    )


def without_record(checkpoint: Path) -> str:
    """The warning on a checkpoint of a version that wrote no record."""
    return (
        f"{checkpoint.parent} has no {RECORD}: whether {checkpoint.name} is of the same strategy and weights could not "
        "be compared"
    )


def _structure(record: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what training or another version of a library changes in a checkpoint."""
    model = record.get("model", {})
    return {**record, "model": {key: model[key] for key in STRUCTURE if key in model}}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    found = []
    for key in keys:
        if key == "model":
            found += _model_difference(before.get("model", {}), now["model"])
        elif before.get(key) is not None and before[key] != now[key]:
            found.append(f"{_KEYS.get(key, _RANKS)} is {now[key]} and was {before[key]}")
    return found


def _model_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    parts = []
    for part in (key for key in before if before[key] and now.get(key)):
        old, new = before[part], now[part]
        if part == "shape":  # libraries write out what was left to a default
            parts += [f"{key} {new[key]}, was {old[key]}" for key in old if new.get(key, old[key]) != old[key]]
        elif old != new:
            parts.append(f"{part} {new}, was {old}" if part == "architecture" else part)
    return [f"actor_rollout_ref.model.path is another model ({'; '.join(parts)})"] if parts else []


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    old, new = _flat(before["settings"]), _flat(now["settings"])
    return tuple(
        f"{key}: {old[key]} -> {value}"
        for key, value in new.items()
        if key in old and old[key] != value and key not in _NOT_NAMED
    )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    of_hpt = {f"hpt.{RENAMED.get(key, key)}": value for key, value in settings["hpt"].items()}
    return {**{key: value for key, value in settings.items() if key != "hpt"}, **of_hpt}


def _in_use(folder: Path) -> bool:
    """Whether an earlier launch left something that another run would mix with."""
    checkpoints = any(folder.glob("global_step_*/actor"))
    return checkpoints or any(file.stat().st_size for file in folder.glob(METRICS))
