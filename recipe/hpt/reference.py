# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The pages of settings and metrics, generated from the configuration files and the definitions themselves.

python -m recipe.hpt.reference docs/reference
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from pydantic.fields import FieldInfo

from hpt.method.config import HPTConfig, Sampling
from hpt.method.metrics import DEFINITIONS
from hpt.method.strategies import STRATEGIES

CONFIGS = Path(__file__).resolve().parents[2] / "recipe" / "hpt" / "config"
ON_CPU = ("quickstart", "small_model")
"""The configurations for CPUs."""
OURS = ("hpt",)
OUR_DATA = ("target_key", "max_target_length", "target_overlong", "unverifiable", "prompt_template")
_LINE = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_]\w*):(?P<value>.*?)(?:\s+# (?P<comment>.*))?$")
COMMAND = "python -m recipe.hpt.reference docs/reference"


def commented_keys(text: str) -> Iterator[tuple[str, str]]:
    """(dotted key, its comment) of every key in a YAML file of nested mappings, in their order.

    A comment is the lines right above the key, else what follows it in its line; empty without one.
    """
    path: list[tuple[int, str]] = []
    above: list[str] = []
    for line in text.splitlines():
        if line.strip().startswith("#"):
            above.append(line.strip().removeprefix("#").strip())
            continue
        if match := _LINE.match(line):
            indent = len(match["indent"])
            path = [*(each for each in path if each[0] < indent), (indent, match["key"])]
            yield ".".join(key for _, key in path), " ".join(above) or match["comment"] or ""
        above = []


def leaves(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of all settings that are not sections."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            found |= leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def shown(value: Any) -> str:
    """A value as it is written in YAML, in Markdown's code quotes."""
    if isinstance(value, (list, tuple)):
        text = f"[{', '.join(shown(item).strip('`') for item in value)}]"
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = str(value).replace("\n", "\\n")
    return f"`{text}`" if text else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def read(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A configuration's own values, interpolations as they are written, and the comments of its keys."""
    file = CONFIGS / f"{name}.yaml"
    values = OmegaConf.to_container(OmegaConf.load(file))
    assert isinstance(values, dict)
    config = {str(key): value for key, value in values.items() if key not in ("defaults", "hydra")}
    return config, dict(commented_keys(file.read_text()))


def _is_ours(key: str) -> bool:
    section, _, name = key.partition(".")
    return section in OURS or (section == "data" and name in OUR_DATA)


def our_settings() -> str:
    """Settings that this project adds to verl's."""
    config, comments = read("hybrid")
    sections = {"hpt": HPTConfig, "hpt.sampling": Sampling}
    ours = {f"{at}.{name}": field for at, section in sections.items() for name, field in section.model_fields.items()}
    meanings = comments | {name: description(field) for name, field in ours.items()}
    rows = [(f"`{key}`", shown(value), meanings[key]) for key, value in leaves(config).items() if _is_ours(key)]
    return table(("setting", "default", "meaning"), rows)


def description(field: FieldInfo) -> str:
    """A field's description in Markdown, on one line."""
    text = " ".join((field.description or "").split())
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))


def strategy_parameters() -> str:
    """Parameters of the strategies that have some."""
    rows = [
        (f"`{key}`", f"`hpt.params.{name}`", shown(field.default), description(field))
        for key, strategy in STRATEGIES.items()
        if strategy.params is not None
        for name, field in strategy.params.model_fields.items()
    ]
    return table(("strategy", "setting", "default", "meaning"), rows)


def verl_settings() -> str:
    """verl's settings that differ from its own defaults."""
    import verl.trainer.config

    folder = Path(verl.trainer.config.__file__).parent
    theirs = OmegaConf.load(folder / "_generated_ppo_trainer.yaml")
    config, comments = read("hybrid")
    rows = []
    for key, value in leaves(config).items():
        before = OmegaConf.select(theirs, key, throw_on_resolution_failure=False)
        before = OmegaConf.to_container(before) if OmegaConf.is_config(before) else before
        if not _is_ours(key) and before != value:
            rows.append((f"`{key}`", shown(value), shown(before), comments[key]))
    return table(("setting", "here", "verl", "note"), rows)


def cpu_settings() -> str:
    """What the configurations for CPUs change in turn, both together and each of them."""
    base, (shared, notes) = leaves(read("hybrid")[0]), read("cpu")
    common = leaves(shared)
    own = {}
    for name in ON_CPU:
        config, comments = read(name)
        own[name] = leaves(config)
        notes |= {key: f"`{name}`: {comment}" for key, comment in comments.items() if comment}
    rows = []
    for key in dict.fromkeys(key for values in (common, *own.values()) for key in values):
        before = base.get(key, "")
        values = [own[name].get(key, common.get(key, before)) for name in ON_CPU]
        rows.append((f"`{key}`", *map(shown, (*values, before)), notes.get(key, "")))
    return table(("setting", *(f"`{name}`" for name in ON_CPU), "`hybrid`", "note"), rows)


def evaluation_settings() -> str:
    """All settings of an evaluation."""
    config, comments = read("eval")
    cpu, _ = read("eval_cpu")
    on_cpu = leaves(cpu)
    rows = [
        (
            f"`{key}`",
            shown(value),
            shown(on_cpu[key]) if key in on_cpu else "",
            comments[key],
        )
        for key, value in leaves(config).items()
    ]
    return table(("setting", "`eval`", "`eval_cpu`", "meaning"), rows)


def metrics() -> str:
    """Metrics that this project adds to verl's, and those of verl that it gives another meaning."""
    rows = [(f"`{name}`", unit, meaning) for name, (unit, meaning) in DEFINITIONS.items()]
    return table(("metric", "unit", "meaning"), rows)


def settings_page() -> str:
    """The page of settings in Markdown."""
    return f"""# Settings

Generated by `{COMMAND}` from `recipe/hpt/config/*.yaml` and `hpt/method/config.py`; a test compares them.

Any key can follow a command as an override, such as `hpt.gamma=0.25`. `hpt_trainer` is the configuration for GPUs.
`quickstart` (the built-in task) and `small_model` (a model of your own) are those for CPUs. A configuration of your own
derives from `hybrid`. Settings are checked before Ray starts, and `DRY_RUN=1` stops there and prints those that differ
from verl's.

## Settings of hybrid post-training

They are in `hybrid.yaml`, on top of verl's own. P is the mean score of a question's rollouts.

{our_settings()}

## Parameters of strategies

`hpt.strategy=chord +hpt.params.mu_peak=0.5` sets one, under its paper's name. A strategy refuses those that are not its
own. The defaults are the published ones where there are some; [Methods](../guides/methods.md#parameters-of-strategies)
says where not.

{strategy_parameters()}

## Settings of verl that differ from its defaults

{verl_settings()}

## What `quickstart` and `small_model` change for CPUs

What both share is in `cpu.yaml`. A cell without a value leaves verl's.

{cpu_settings()}

## Evaluation

{evaluation_settings()}
"""


def metrics_page() -> str:
    """The page of metrics in Markdown."""
    return f"""# Metrics

Generated by `{COMMAND}` from `hpt/method/metrics.py`; a test compares the two.

Metrics are written to `metrics.jsonl` and TensorBoard, beside verl's own; `trainer.logger=[console,file,wandb]` is
verl's setting. A resumed run keeps the earlier file as `metrics.1.jsonl`, and `hpt.common.training_log.read_run`
reads both as one run.

Watch these first: `hpt/sft_share_questions`, `hpt/rollout_accuracy`, `hpt/p_hist/*`, `hpt/loss_sft`, `hpt/loss_rl`,
`hpt/entropy_rollout`, `hpt/grad_norm`, `hpt/steps_skipped` and `timing_s/*`; with a new model `hpt/truncated_share`,
too. What verl says of scores and lengths is over all rollouts here, including those that the gate dropped: the last
lines of the table.

{metrics()}

`questions.jsonl` has, per step, each question's id, its number of rollouts, how many were correct, and where the gate
sent it (`hpt/method/question_log.py`).
"""


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings_page, "metrics.md": metrics_page}
"""File name -> what writes its text."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages into a folder; 2 if it does not exist."""
    parser = argparse.ArgumentParser(prog="python -m recipe.hpt.reference", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder to write settings.md and metrics.md into")
    folder = parser.parse_args(arguments).folder
    if not folder.is_dir():
        print(f"error: got {folder}; expected a folder that exists", file=sys.stderr)
        return 2
    for name, text in PAGES.items():
        (folder / name).write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
