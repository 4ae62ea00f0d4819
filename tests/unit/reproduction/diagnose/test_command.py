# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``python -m recipe.hpt.reproduction.diagnose`` on a tiny untrained model."""

import csv
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hpt.common.errors import ConfigError
from recipe.hpt.reproduction.diagnose import CONTRASTS, Question, Rollouts
from recipe.hpt.reproduction.diagnose.command import main
from recipe.hpt.reproduction.diagnose.sampling import (
    cut,
    demonstration_loss,
    log_probs,
    sample,
    supervised_step,
)
from recipe.hpt.reproduction.diagnose.task import TaskQuestion, read_questions, scored
from recipe.hpt.reproduction.diagnose.variants import applicable, choose
from recipe.hpt.reproduction.task.base_model import BaseModelSettings, build_model, build_tokenizer
from recipe.hpt.reproduction.task.questions import write_task

pytestmark = pytest.mark.slow

SMALL = ["--questions", "2", "--rollouts", "6", "--group", "2", "--reference-rollouts", "6"]


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A task, and a model of one layer that was not trained on it."""
    folder = tmp_path_factory.mktemp("task")
    write_task(folder, train_size=60, val_per_level=1)
    tokenizer = build_tokenizer()
    settings = BaseModelSettings(hidden_size=16, num_layers=1, num_heads=2)
    build_model(settings, tokenizer).save_pretrained(folder / "base_model")
    tokenizer.save_pretrained(folder / "base_model")
    return folder


@pytest.fixture(scope="module")
def model():
    settings = BaseModelSettings(hidden_size=16, num_layers=1, num_heads=2)
    return build_model(settings, build_tokenizer()).eval()


def diagnosed(*arguments) -> int:
    return main([*SMALL, *(str(each) for each in arguments)])


def test_rollouts_are_scored_as_their_question_says():
    class Texts:
        """A tokenizer whose tokens are texts."""

        def batch_decode(self, rows, **_):
            return rows

    questions = [TaskQuestion((), (), "B", "choice"), TaskQuestion((), (), "2")]
    found = scored(Texts(), questions, [["The answer is B.", r"\boxed{A}"], [r"\boxed{2}", "The answer is B."]])
    assert [each.scores for each in found] == [[1.0, 0.0], [1.0, 0.0]]


def test_the_kinds_of_questions_are_read(task, tmp_path):
    rows = pq.read_table(task / "train.parquet").to_pylist()
    for row in rows:
        row["extra_info"]["verifier_kind"] = "choice"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "choice.parquet")
    tokenizer = build_tokenizer()
    assert {each.kind for each in read_questions(tmp_path / "choice.parquet", tokenizer, 5, 200, 0)} == {"choice"}
    assert {each.kind for each in read_questions(task / "train.parquet", tokenizer, 5, 200, 0)} == {"math"}
    rows[7]["extra_info"]["verifier_kind"] = "poem"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "poem.parquet")
    with pytest.raises(ConfigError, match=r"Unknown verifier_kind in .*poem.parquet 'poem'"):
        read_questions(tmp_path / "poem.parquet", tokenizer, 5, 200, 0)


def test_the_command_prints_and_writes_everything(task, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    assert diagnosed("--task", task, "--warmup-steps", 0, "--drift-steps", 1, "--out", out) == 0
    printed = capsys.readouterr().out
    labels = {each.label for each in (*applicable(choose(None), True, False)[0], *CONTRASTS)}
    for label in labels:
        # There are two pools, and the blocks of one of them.
        assert sum(line.strip().startswith(label + "  ") for line in printed.splitlines()) == 3
    assert "not applicable: ppo: its advantage is GAE" in printed
    assert "log pi_old - log pi_theta per token: mean" in printed
    report = json.loads((out / "diagnosis.json").read_text())
    assert set(report["on_policy"]["entries"]) == labels
    assert report["on_policy"]["gap"] is None and report["off_policy"]["gap"]["mean_absolute"] > 0
    assert report["settings"]["drift_steps"] == "1"
    with open(out / "diagnosis.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["pool"], row["entry"]) for row in rows} == {
        (pool, label) for pool in ("on-policy", "off-policy") for label in labels
    }
    sft = report["on_policy"]["entries"]["sft"]
    (row,) = [r for r in rows if (r["pool"], r["entry"]) == ("on-policy", "sft")]
    assert float(row["relative_variance_questions"]) == pytest.approx(sft["relative_questions"])
    assert (out / "diagnosis.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (out / "diagnosis.svg").read_text()
    assert all(str(out / f"diagnosis.{each}") in printed for each in ("json", "csv", "png", "svg"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rollouts", "4", "--group", "8"], "got --rollouts 4 with --group 8"),
        (["--reference-rollouts", "4", "--group", "3"], "got --reference-rollouts 4 with --group 3"),
        (["--task", "nowhere"], "got --task nowhere"),
        (["--model", "nowhere"], "got --model nowhere"),
        (["--algorithms", "grpo,grop"], "Unknown algorithm 'grop'. Available: chord_phi, cispo"),
        (["--algorithms", "sft,chord_phi"], "cannot diagnose 'chord_phi': its advantage is '1 - pi_theta'; known"),
        (["--algorithms", "ppo"], "cannot diagnose 'ppo': its advantage is GAE"),
        (["--learning-rate", "-1"], "got --learning-rate -1.0"),
    ],
)
def test_bad_settings_are_one_message_at_once(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert diagnosed(*arguments) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: " + message)
    assert list(tmp_path.iterdir()) == []


def test_a_group_of_one_and_an_out_that_is_a_file_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        diagnosed("--group", 1)
    assert "argument --group: got '1'" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert diagnosed("--out", tmp_path / "file") == 2
    assert f"got --out {tmp_path / 'file'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "message"),
    [(None, "train.parquet: does not exist"), (0, "has 0 rows"), (1, "1 distinct questions")],
)
def test_bad_files_are_one_message(rows, message, task, tmp_path, capsys):
    if rows is not None:
        table = pq.read_table(task / "train.parquet").slice(0, rows)
        pq.write_table(table, tmp_path / "train.parquet")
    model = ("--model", task / "base_model")
    assert diagnosed("--task", tmp_path, *model) == 2
    error = capsys.readouterr().err
    assert error.count("error:") == 1 and message in error and "Traceback" not in error


def test_a_task_without_a_model_is_refused(task, tmp_path, capsys):
    (tmp_path / "train.parquet").write_bytes((task / "train.parquet").read_bytes())
    assert diagnosed("--task", tmp_path) == 2
    assert f"got {tmp_path / 'base_model'}" in capsys.readouterr().err


def test_the_estimator_needs_torch_only():
    """Neither the package nor its command imports what comes with the data or with verl."""
    blocked = (
        "transformers",
        "pyarrow",
        "datasets",
        "rich",
        "matplotlib",
        "tqdm",
        "verl",
        "math_verify",
        "pandas",
    )
    code = (
        f"import sys\nfor name in {blocked}: sys.modules[name] = None\n"
        "import recipe.hpt.reproduction.diagnose\nimport recipe.hpt.reproduction.diagnose.command"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


# ---- sampling ----


def test_a_response_ends_with_its_first_end_token():
    assert cut([5, 3, 9, 3, 9], [9, 8]) == [5, 3, 9]
    assert cut([5, 3], [9]) == [5, 3]


def test_samples_are_of_the_model_at_temperature_one(model):
    """After prompts of two lengths, the frequencies of the first token agree with the model's probabilities."""
    prompts, count = ([5, 6, 7], [8]), 3000
    state = torch.get_rng_state()
    responses = sample(model, prompts, count, 1, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert responses == sample(model, prompts, count, 1, seed=0)
    assert responses != sample(model, prompts, count, 1, seed=1)
    for prompt, rows in zip(prompts, responses, strict=True):
        drawn = torch.tensor(rows).flatten()
        with torch.no_grad():
            expected = model(input_ids=torch.tensor([prompt])).logits[0, -1].softmax(-1)
        found = torch.bincount(drawn, minlength=len(expected)) / count
        assert len(rows) == count
        assert (found - expected).abs().max() < 4 * (expected.max() / count).sqrt()


def test_log_probs_are_the_models(model):
    prompt, responses = [5, 6], [[7, 8], [9]]
    found = log_probs(model, prompt, responses)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[5, 6, 7, 8]])).logits[0].log_softmax(-1)
    assert found[0] == pytest.approx([logits[1, 7].item(), logits[2, 8].item()], abs=1e-5)
    assert len(found[1]) == 1


def test_a_supervised_step_lowers_the_mean_loss_over_tokens(model):
    questions = [Question(p, Rollouts([], []), s) for p, s in (([5, 6], [7, 8, 9]), ([4], [3]))]
    rows = [log_probs(model, each.prompt, [each.demonstration])[0] for each in questions]
    tokens = [x for row in rows for x in row]
    with torch.no_grad():
        loss = demonstration_loss(model, questions).item()
    assert loss == pytest.approx(-sum(tokens) / 4, abs=1e-5)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    assert supervised_step(model, optimizer, questions) == pytest.approx(loss)
    with torch.no_grad():
        assert demonstration_loss(model, questions).item() < loss - 1e-3
