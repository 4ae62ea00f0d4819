# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A study's folder as its runs leave it, without an engine."""

from recipe.hpt.reproduction.study import state
from recipe.hpt.reproduction.study.settings import Settings
from tests.unit.reproduction.report import folders

SETTINGS = Settings(steps=2, seeds=(0, 1))


def finish(out, name, method, seed, stage=0, kind="final", **data):
    folder = out / "runs" / name
    rows = {step: {"hpt/demonstration_share_rows": 0.5 * step, "actor/loss": 1.0, **data} for step in (1, 2)}
    folders.metrics(folder, rows)
    (folder / "train.log").write_text("of this machine\n")
    result = {"name": name, "kind": kind, "method": method, "seed": seed, "stage": stage}
    state.finish(folder, result)


def study_folder(out):
    """Two methods on two seeds: HPT without its second evaluation, SFT -> GRPO without its second stage."""
    state.record_settings(out, SETTINGS)
    for seed in (0, 1):
        finish(out, f"hpt-seed{seed}", "hpt", seed)
        finish(out, f"sft_grpo-seed{seed}-1-sft", "sft_grpo", seed)
    finish(out, "sft_grpo-seed0-2-grpo", "sft_grpo", 0, stage=1)
    finish(out, "sweep-hpt-lr0.0006", "hpt", 100, kind="sweep")
    evaluated = out / "evaluations" / "hpt-seed0" / "results"
    folders.evaluation(evaluated, {"builtin/level_1": [4, 0], "builtin/level_2": [2, 1]})
    text = (evaluated / "results.json").read_text()
    (evaluated / "results.json").write_text(text.replace('"name": "m"', f'"name": "{out}/m"'))
    state.mark_evaluated(evaluated.parent, {"seconds": 1.0})
    folders.evaluation(out / "evaluations" / "hpt-seed1" / "results", {"builtin/level_1": [4]}, finished=False)
    return out


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
