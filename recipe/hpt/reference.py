# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The reference of settings and metrics, made from the configuration files and the definitions themselves.

python -m recipe.hpt.reference recipe/hpt/reference.md
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from hpt.method.metrics import DEFINITIONS

CONFIGS = Path(__file__).resolve().parents[2] / "recipe" / "hpt" / "config"
OURS = ("hpt",)
OUR_DATA = ("target_key", "max_target_length", "target_overlong", "prompt_template")
_LINE = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_]\w*):(?P<value>.*?)(?:\s+# (?P<comment>.*))?$")
COMMAND = "python -m recipe.hpt.reference recipe/hpt/reference.md"


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
    if isinstance(value, list):
        text = f"[{', '.join(shown(item).strip('`') for item in value)}]"
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = str(value)
    return f"`{text}`" if text else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
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
    rows = [(f"`{key}`", shown(value), comments[key]) for key, value in leaves(config).items() if _is_ours(key)]
    return table(("setting", "default", "meaning"), rows)


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


def quickstart_settings() -> str:
    """What the configuration for CPUs changes in turn."""
    base, _ = read("hybrid")
    config, comments = read("quickstart")
    before = leaves(base)
    rows = [
        (f"`{key}`", shown(value), shown(before[key]) if key in before else "", comments[key])
        for key, value in leaves(config).items()
        if key not in before or before[key] != value
    ]
    return table(("setting", "`quickstart`", "`hybrid`", "note"), rows)


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
    """Metrics that this project adds to verl's."""
    rows = [(f"`{name}`", unit, meaning) for name, (unit, meaning) in DEFINITIONS.items()]
    return table(("metric", "unit", "meaning"), rows)


def page() -> str:
    """The whole reference in Markdown."""
    return f"""# Reference

Made by `{COMMAND}` from `config/*.yaml` and `hpt/method/metrics.py`; a test compares it with them.

## Settings of hybrid post-training

On top of verl's own, in `config/hybrid.yaml`. P is the mean score of a question's rollouts.

{our_settings()}

## Settings of verl that differ from its defaults

{verl_settings()}

## What `quickstart` changes, for CPUs

{quickstart_settings()}

## Evaluation

{evaluation_settings()}

## Metrics

Beside verl's own, in `metrics.jsonl` and TensorBoard.

{metrics()}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m recipe.hpt.reference", description=__doc__)
    parser.add_argument("file", type=Path, help="Markdown file to write")
    file = parser.parse_args(arguments).file
    if not file.parent.is_dir():
        print(f"error: got {file}; expected a file in a folder that exists", file=sys.stderr)
        return 2
    file.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
