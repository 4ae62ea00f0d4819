# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The command that examples/evaluate.sh hands to the evaluation."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.unit.examples.published import LLAMA_TEMPLATE
from tests.unit.examples.test_scripts import RECORDER, ROOT, Launches, copy_of_the_checkout, program


@pytest.fixture
def launches(tmp_path):
    """A checkout without data, in a folder whose name is hard on shells and Hydra."""
    launches = Launches(tmp_path / "it's (a) folder")
    copy_of_the_checkout(launches.folder)
    return launches


def trained(folder: Path, step: int) -> Path:
    model = folder / f"global_step_{step}" / "actor" / "huggingface"
    model.mkdir(parents=True)
    (folder / "latest_checkpointed_iteration.txt").write_text(str(step))
    return model


def values_of(launches: Launches) -> dict:
    (command,) = launches.commands
    assert command[:4] == ["-m", "recipe.hpt.main_eval", "--config-name", "eval"]
    parsed = OverridesParser.create().parse_overrides(command[4:])
    return {item.key_or_group: item.value() for item in parsed}


def evaluate(launches: Launches, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    launches.environment["RECORDED_STATUS"] = "3"  # the command replaces the shell, so its status is the script's
    return launches(launches.folder / "examples" / "evaluate.sh", *arguments, **environment)


def test_the_last_checkpoint_with_the_overrides(launches, tmp_path):
    model = trained(launches.folder / "run", 12)
    done = evaluate(
        launches, "run_qwen2.5_math_7b_hpt.sh", "n=8", BENCHMARKS="[/a.parquet,/b.parquet]",
        EVAL_DIR=str(tmp_path / "results"),
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert values_of(launches) == {
        "model": str(model),
        "benchmarks": ["/a.parquet", "/b.parquet"],
        "out": str(tmp_path / "results"),
        "n": 8,
    }


def run_with_validations(launches: Launches, scores: dict[int, tuple[float, float]]) -> None:
    """Write checkpoints of steps 50 and 100, and the scores of validation; ``hpt`` runs for real."""
    lines = [
        {"step": step, "data": {"val-core/aime24/acc/mean@8": aime, "val-core/math500/acc/mean@8": math}}
        for step, (aime, math) in scores.items()
    ]
    for step in (50, 100):
        trained(launches.folder / "run", step)
    (launches.folder / "run" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    real = f'[[ "$2" != hpt.cli ]] || PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n'
    program(launches.folder / "python", RECORDER.replace("set -eu\n", f"set -eu\n{real}"))


def test_the_best_checkpoint_has_the_highest_mean_over_the_validation_files(launches):
    # Step 10 is no checkpoint, and step 100 is better on the larger file alone.
    run_with_validations(launches, {10: (0.9, 0.9), 50: (0.4, 0.6), 100: (0.2, 0.7)})
    done = evaluate(launches, "run_qwen2.5_math_7b_hpt.sh", BENCHMARKS="/a.parquet", CHECKPOINT="best")
    assert done.returncode == 3, done.stderr
    assert values_of(launches)["model"] == f"{launches.folder}/run/global_step_50/actor/huggingface"


def test_a_checkpoint_without_a_validation_cannot_be_compared(launches):
    run_with_validations(launches, {50: (0.4, 0.6)})
    done = evaluate(launches, "run_qwen2.5_math_7b_hpt.sh", BENCHMARKS="/a.parquet", CHECKPOINT="best")
    assert done.returncode == 2 and "got no validation at step 100" in done.stderr
    assert launches.commands == []


def test_llama_gets_the_template_of_its_training(launches):
    trained(launches.folder / "run", 1)
    evaluate(launches, "run_llama3.1_8b_hpt.sh", BENCHMARKS="/a.parquet")
    values = values_of(launches)
    assert values["prompt_template"] == LLAMA_TEMPLATE
    assert values["out"] == f"{launches.folder}/runs/eval/llama3.1_8b_hpt"


def test_the_second_of_two_stages(launches):
    trained(launches.folder / "run" / "sft", 9)
    model = trained(launches.folder / "run" / "grpo", 5)
    evaluate(launches, "examples/run_qwen2.5_math_7b_sft_then_grpo.sh", BENCHMARKS="/a.parquet")
    assert values_of(launches)["model"] == str(model)


def test_a_base_model_by_its_path(launches, tmp_path):
    (tmp_path / "base").mkdir()
    evaluate(launches, "qwen2.5_math_7b_base", BENCHMARKS="/a.parquet", MODEL_PATH=str(tmp_path / "base"))
    values = values_of(launches)
    assert values["model"] == str(tmp_path / "base")
    assert values["out"].endswith("/runs/eval/qwen2.5_math_7b_base")


def test_a_base_model_does_not_pass_for_the_trained_model(launches):
    trained(launches.folder / "run", 3)
    done = evaluate(launches, "run_qwen2.5_math_7b_hpt.sh", BENCHMARKS="/a.parquet", MODEL_PATH="/m")
    assert done.returncode == 2 and "got MODEL_PATH=/m and a checkpoint in " in done.stderr
    assert launches.commands == []


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {}, "got '' as the script; expected one of: run_llama3.1_8b_grpo.sh"),
        (["run_qwen.sh"], {}, "got 'run_qwen.sh' as the script; expected one of: run_llama3.1_8b_grpo.sh"),
        (["n=8"], {}, "got 'n=8' as the script"),
        (["run_qwen2.5_math_7b_hpt.sh"], {}, "train with examples/run_qwen2.5_math_7b_hpt.sh first"),
        (["run_qwen2.5_math_7b_hpt.sh"], {"CHECKPOINT": "first"}, "got CHECKPOINT=first; expected last or best"),
        (["x"], {"MODEL_PATH": "/m"}, "data/benchmarks; make them with hpt data prepare benchmarks"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(launches, arguments, environment, message):
    done = evaluate(launches, *arguments, **environment)
    assert done.returncode == 2 and message in done.stderr
    assert launches.commands == []
