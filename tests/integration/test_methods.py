# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every method takes a step on the real stack, one after the other in one training."""

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.upge import ALGORITHMS

pytestmark = [pytest.mark.ray, pytest.mark.timeout(800)]

GATED = {"gamma": 1.0}  # all questions
REINFORCED = {"strategy": "off_on", "gamma": 1.0}
ROLLOUTS = {"strategy": "rl_only"}
# Name, settings of hpt, terms that must act, whether demonstrations and rollouts are trained on.
METHODS: list[tuple[str, dict, set[str]]] = [
    # One of each kind, which are compared on two ranks: without more, passes over demonstrations, a mean score per row,
    # a teacher, prefixes, rounds, demonstrations that wait.
    ("rl_plus", {"strategy": "rl_plus"}, {"off", "demonstrations", "rollouts"}),
    ("iw_sft", {**GATED, "sft_algorithm": "iw_sft"}, {"sft", "demonstrations"}),
    ("nft", {**ROLLOUTS, "rollout_algorithm": "nft"}, {"rl", "rollouts"}),
    ("self_distill", {"strategy": "self_distill", **GATED}, {"sft", "rollouts"}),
    ("uft", {"strategy": "uft"}, {"sft", "rollouts"}),
    ("ghpo", {"strategy": "ghpo"}, {"rl", "rollouts"}),
    ("relift", {"strategy": "relift", **GATED, "params": {"sft_data_size": 15}}, {"sft", "demonstrations", "rollouts"}),
    # The others.
    *((name, {**ROLLOUTS, "rollout_algorithm": name}, {"rl", "rollouts"}) for name in (
        "raft", "topr", "max_rl", "rlsd",
    )),
    *((name, {**GATED, "sft_algorithm": name}, {"sft", "demonstrations"}) for name in (
        "dft", "chord_phi", "trsft", "eaft", "psft",
    )),
    ("demonstrations by GRPO", {**REINFORCED, "demonstration_algorithm": "grpo"}, {"off", "demonstrations"}),
    ("off_on", {"strategy": "off_on", "gamma": 0.25, "gamma_off": 0.75}, {"off", "demonstrations"}),
    ("mix_on", {"strategy": "mix_on", "gamma": 0.5, "sft_coef": 0.1}, {"off", "sft", "demonstrations"}),
    ("superrl", {"strategy": "superrl", "gamma": 0.25}, {"sft", "demonstrations"}),
    ("mix", {"strategy": "mix"}, {"rl", "sft", "demonstrations", "rollouts"}),
    ("chord", {"strategy": "chord"}, {"sft", "demonstrations"}),
    ("chord with phi", {"strategy": "chord", "sft_algorithm": "chord_phi"}, {"sft", "demonstrations"}),
    ("sasr", {"strategy": "sasr", "params": {"warmup_steps": 100}}, {"sft", "demonstrations"}),
    ("curriculum", {"strategy": "curriculum", "gamma": 0.25}, {"sft", "demonstrations"}),
    ("prefix_rft", {"strategy": "prefix_rft", "params": {"least_tokens": 4}}, {"off", "rollouts"}),
    ("trapo", {"strategy": "trapo", "params": {
        "sizes": [2, 1, 1], "ratios": [0.0, 0.5, 1.0], "thresholds": [0.0, 0.9, 1.0],
    }}, {"sft", "rollouts"}),
    ("bread", {"strategy": "bread"}, {"rl", "rollouts"}),
    ("scaf_grpo", {"strategy": "scaf_grpo", "params": {"warmup_steps": 0}}, {"rl", "rollouts"}),
]  # fmt: skip
ON_TWO_RANKS = 7
"""The first so many methods."""
# As parts of strategies above, or in other tests.
DONE_ELSEWHERE = {
    "rl_plus_offline", "prefix_rft", "self_distill", "sft", "reinforce", "ppo", "grpo", "dr_grpo", "cispo", "gspo",
    "luffy_offline", "srft_offline",
}  # fmt: skip


def test_every_entry_has_a_case():
    chosen = {value for _, settings, _ in METHODS for value in settings.values() if isinstance(value, str)}
    assert (chosen & set(ALGORITHMS)) | DONE_ELSEWHERE == set(ALGORITHMS)


def write_with_hints(source: Path, target: Path) -> None:
    """The questions with the solution's first half as a hint, and with all of it."""
    rows = pq.read_table(source).to_pylist()
    for row in rows:
        text = row["target"] if isinstance(row["target"], str) else row["target"][-1]["content"]
        row["extra_info"] = {**row["extra_info"], "hints": [text[: len(text) // 2], text]}
    pq.write_table(pa.Table.from_pylist(rows), target)


def tour(launch, task, folder: Path, methods: list[dict], *overrides: str) -> list[dict]:
    """The metrics of one training that takes a step with each method."""
    write_with_hints(task / "train.parquet", folder / "train.parquet")
    (folder / "tour.json").write_text(json.dumps(methods))
    run = launch(
        folder / "run",
        f"data.train_files={folder / 'train.parquet'}",
        f"trainer.total_training_steps={len(methods)}",
        "trainer.total_epochs=100",
        "trainer.save_freq=-1",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
        "hpt.plugins=[tour]",
        "hpt.strategy=rl_only",
        "data.train_batch_size=32",  # enough that some questions are solved by some of their rollouts only
        "actor_rollout_ref.actor.ppo_mini_batch_size=16",
        "actor_rollout_ref.actor.optim.lr=1e-12",  # too small to move a weight: rollouts stay as mixed as they are
        "actor_rollout_ref.actor.use_kl_loss=true",  # for log pi_0
        "actor_rollout_ref.actor.kl_loss_coef=0",
        *overrides,
        TOUR=str(folder / "tour.json"),
        PYTHONPATH=str(Path(__file__).resolve().parents[2] / "benchmarks"),
    )
    assert run.wait(600) == 0, run.log[-3000:]
    assert "TransferQueue is empty" in run.log
    return list(run.steps().values())


@pytest.fixture(scope="module")
def steps(launch, task, tmp_path_factory):
    """Metrics of each method's step."""
    made = tour(launch, task, tmp_path_factory.mktemp("methods"), [settings for _, settings, _ in METHODS])
    return dict(zip((name for name, _, _ in METHODS), made, strict=True))


@pytest.mark.parametrize(("name", "acts"), [(name, acts) for name, _, acts in METHODS])
def test_a_method_trains(steps, name, acts):
    step = steps[name]
    assert math.isfinite(step["hpt/grad_norm"]) and step["hpt/leftover_rows"] == 0
    for term in {"rl", "off", "sft"} & acts:
        assert math.isfinite(step[f"hpt/loss_{term}"])
    assert step["hpt/grad_norm"] > 0
    for term in {"rl", "off", "sft"} - acts:
        if term != "rl":
            assert step[f"hpt/loss_{term}"] == 0
    if "demonstrations" in acts:
        assert step["hpt/rows_demonstration"] > 0
    else:
        assert step["hpt/rows_demonstration"] == 0
    if "rollouts" in acts:
        assert step["hpt/rows_rollout"] > 0


def test_the_rows_are_those_of_the_methods(steps):
    """32 questions, all with a demonstration, 4 rollouts each, optimizer steps of 16 questions."""
    for name in ("dft", "eaft", "psft", "iw_sft", "mix", "sasr"):
        assert steps[name]["hpt/rows_demonstration"] == 32, name
    assert steps["self_distill"]["hpt/rows_rollout"] == 128 and steps["self_distill"]["hpt/sft_share_questions"] == 1
    assert all(steps[name]["hpt/rollouts_discarded"] % 4 == 0 for name in ("bread", "ghpo"))
    shown = {name: step["hpt/shown_share_questions"] for name, step in steps.items()}
    assert shown["self_distill"] == shown["prefix_rft"] == 1 and shown["mix"] == 0
    assert 0 < shown["bread"] <= 1 and shown["trapo"] == steps["trapo"]["hpt/sft_share_questions"] > 0
    assert steps["bread"]["hpt/rollouts_discarded"] > 0 and steps["trapo"]["hpt/rollouts_discarded"] == 0
    assert steps["mix"]["hpt/coefficient_sft"] == pytest.approx(0.1)
    assert steps["relift"]["hpt/rows_demonstration"] == 30 and steps["relift"]["hpt/demonstrations_waiting"] == 2


def test_two_ranks_make_the_same_steps(steps, launch, task, tmp_path):
    """No update moves a weight, so no step depends on the rounding of those before it."""
    methods = METHODS[:ON_TWO_RANKS]
    on_two = tour(launch, task, tmp_path, [settings for _, settings, _ in methods], "trainer.n_gpus_per_node=2")
    for (name, _, _), two in zip(methods, on_two, strict=True):
        one = steps[name]
        for count in ("rows_rollout", "rows_demonstration", "rollout_accuracy", "tokens_trained", "tokens_sampled"):
            assert one[f"hpt/{count}"] == two[f"hpt/{count}"], (name, count)
        for value in ("loss_rl", "loss_off", "loss_sft", "grad_norm"):
            assert one[f"hpt/{value}"] == pytest.approx(two[f"hpt/{value}"], rel=2e-3, abs=1e-5), (name, value)
