# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Make the file of runs for what a folder holds, from the names of the folders that scripts in ``examples/`` leave.

    DIR/MODEL_METHOD[_seedN]             a training (one of two stages has folders sft, and grpo or rl)
    DIR/eval/MODEL_METHOD[_seedN]        its evaluation
    DIR/eval/MODEL_METHOD[_seedN]_curve  another evaluation, with more samples for pass@k

MODEL is a key of ``recipe.hpt.reproduction.paper.results.MODELS``; METHOD is what follows it. Where no name is of this
form, each training and evaluation is a method of the model "own" under its folder's name.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from hpt.common.files import write_whole
from hpt.evaluation.outputs import RESULTS
from recipe.hpt.reproduction.paper.results import MODELS
from recipe.hpt.reproduction.report.runs import RunsError

EVALUATIONS, CURVE = "eval", "_curve"
SECOND_STAGES = ("grpo", "rl")
_NAME = re.compile(rf"^(?P<model>{'|'.join(map(re.escape, MODELS))})_(?P<method>.+?)(?:_seed(?P<seed>\d+))?$")
_OWN = re.compile(r"^(?P<method>.+?)(?:_seed(?P<seed>\d+))?$")
OWN = "own"
"""The model of runs that no script of ``examples/`` has made."""
_METHODS = {"sft_then_grpo": "sft_grpo", "sft_then_rl": "sft_rl", "sft_then_rl_50": "sft_rl_50"}
"""Name of a script -> key of its method, where they differ."""


def find_runs(folder: Path) -> list[dict[str, Any]]:
    """Entries of a file of runs, by name; paths are relative to ``folder``.

    Raises:
        RunsError: nothing in the folder has a name and contents that fit, or two names say the same.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in _folders(folder):
        if training := _training(path):
            found.setdefault(path.name, {})["training"] = _relative(training, folder)
    for path in _folders(folder / EVALUATIONS):
        if (path / RESULTS).is_file():
            name = path.name.removesuffix(CURVE)
            found.setdefault(name, {}).setdefault("evaluation", []).append(str(path.relative_to(folder)))
    entries = [
        {**identity, **parts} for name, parts in sorted(found.items()) if (identity := _identity(name)) is not None
    ]
    if entries:
        return _distinct(entries)
    for path in _folders(folder):
        if (path / RESULTS).is_file():
            found.setdefault(path.name, {}).setdefault("evaluation", []).append(path.name)
    if not found:
        raise RunsError(
            f"got {folder} without a training or an evaluation; expected folders such as NAME with metrics.jsonl "
            f"(trainer.default_local_dir), or NAME or {EVALUATIONS}/NAME with {RESULTS}"
        )
    return _distinct([{**_own_identity(name), **parts} for name, parts in sorted(found.items())])


def _distinct(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: dict[tuple[str, str, int], dict[str, Any]] = {}
    for entry in entries:
        earlier = seen.setdefault((entry["model"], entry["method"], entry["seed"]), entry)
        if earlier is not entry:
            raise RunsError(f"got the same run twice ({_described(earlier)}; {_described(entry)}); rename one of them")
    return entries


MADE_BY = "# Made by `"
MADE = f"{MADE_BY}hpt report runs`, which replaces it each time. Keep changes under another name.\n"


def write_runs(folder: Path, out: Path) -> list[str]:
    """Write the file of runs; returns a line per run and one for the file.

    Raises:
        RunsError: nothing was found, ``out`` is not in ``folder``, or ``out`` was not written by this function.
    """
    entries = find_runs(folder)
    text = MADE + yaml.safe_dump({"runs": entries}, sort_keys=False)
    if out.resolve().parent != folder.resolve():
        raise RunsError(f"got --out {out}; expected a file in {folder}, as its paths are relative to that folder")
    if out.exists() and not out.read_text().startswith(MADE_BY):
        raise RunsError(f"got --out {out}, which this command did not write; name another file, or move it away")
    write_whole(out, text)
    return [*map(_described, entries), str(out)]


def _described(entry: dict[str, Any]) -> str:
    parts = [f"{what} {' '.join(entry[what])}" for what in ("training", "evaluation") if what in entry]
    return f"{entry['model']}, {entry['method']}, seed {entry['seed']}: {'; '.join(parts)}"


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_dir())


def _training(folder: Path) -> list[Path]:
    """The folders of a training's stages; empty if the folder is not a training."""
    if any(folder.glob("metrics*.jsonl")):
        return [folder]
    for second in SECOND_STAGES:
        stages = [folder / "sft", folder / second]
        if all(any(stage.glob("metrics*.jsonl")) for stage in stages):
            return stages
    return []


def _relative(paths: list[Path], folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in paths]


def _identity(name: str) -> dict[str, Any] | None:
    match = _NAME.match(name)
    if match is None:
        return None
    method = _METHODS.get(match["method"], match["method"])
    return {"model": match["model"], "method": method, "seed": int(match["seed"] or 0)}


def _own_identity(name: str) -> dict[str, Any]:
    match = _OWN.match(name)
    assert match is not None  # a folder has a name
    return {"model": OWN, "method": match["method"], "seed": int(match["seed"] or 0)}
