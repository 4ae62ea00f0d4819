# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The plan of a study: equal budgets, sweeps, and what a run is given."""

from dataclasses import replace
from pathlib import Path

import pytest

from hpt.method.strategies import STRATEGIES
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.methods import ABLATIONS, COMPARED, LEADERBOARD, MAPPED, METHODS, STAGES
from recipe.hpt.reproduction.study import plan, timing
from recipe.hpt.reproduction.study.plan import Job, Places
from recipe.hpt.reproduction.study.settings import OWNED_KEYS, Budget, Settings
from recipe.hpt.reproduction.sweep import SWEEP_SEED

SETTINGS = Settings()
PLACES = Places(Path("/run"), Path("/train"), (Path("/test"),), Path("/model"))
STUDIED = (*COMPARED, *ABLATIONS)
"""The methods of the paper's tables."""


def given(job, **options):
    """The overrides as a dict."""
    rate = None if job.stage_name is None else 6e-4
    overrides = plan.overrides_of(job, SETTINGS, PLACES, rate and (rate, None), **options)
    return dict(item.split("=", 1) for item in overrides)


def stage_overrides(job):
    return STAGES[job.stage_name].overrides(job.steps) if job.stage_name else ()


def finals(method, settings=SETTINGS, seed=0):
    return [job for job in plan.final_jobs(settings, tuple(METHODS)) if (job.method, job.seed) == (method, seed)]


@pytest.mark.parametrize("method", [name for name in METHODS if name != "base" and not name.endswith("_flops")])
@pytest.mark.parametrize("steps", [2, 30, 40])
def test_every_method_sees_the_same_batches(method, steps):
    jobs = finals(method, Settings(steps=steps))
    read = [batch for job in jobs for batch in range(job.start, job.start + job.steps)]
    assert read == list(range(steps))


def test_optimizer_steps_follow_from_batches_alone():
    budget = Budget(questions=64, mini_batch=16, epochs=2, rollouts=4)
    assert budget.optimizer_steps(40) == 320
    assert Budget(10, 4, 1, 4).optimizer_steps(1) == 3  # a last, smaller mini-batch
    assert (
        budget.described(40) == "40 batches x 64 questions = 2560 questions; "
        "40 batches x 2 epochs x 4 mini-batches of 16 = 320 optimizer steps"
    )


def test_the_methods_differ_in_their_own_settings_only():
    """No method sets batch, mini-batch, epochs or rollouts, so they are the same for all."""
    assert {
        name: given(finals(name)[0]).get("hpt.strategy") for name in STUDIED if name != "base"
    } == {
        "sft": "sft_only", "grpo": "rl_only", "sft_grpo": "sft_only",
        "luffy": "luffy", "srft": "srft", "hpt": "switch",
        "hpt_gamma_1_4": "switch", "hpt_gamma_2_4": "switch", "off_on": "off_on", "mix_on": "mix_on",
    }  # fmt: skip
    own = {item.split("=")[0] for method in STUDIED for job in finals(method) for item in stage_overrides(job)}
    assert own == {
        "hpt.strategy", "hpt.rollout_algorithm", "hpt.clip_ratio", "hpt.gamma",
        "hpt.sft_coef", "hpt.off_coef", "hpt.shaping",
    }  # fmt: skip
    assert own - {"hpt.shaping"} <= OWNED_KEYS
    grpo = given(finals("grpo")[0])
    assert (grpo["hpt.rollout_algorithm"], grpo["hpt.clip_ratio"]) == ("grpo", "0.2")


def test_seed_is_that_of_data_order_and_rollouts():
    run = given(finals("hpt", seed=2)[0])
    assert run["data.seed"] == run["actor_rollout_ref.rollout.seed"] == "2"
    assert run["data.shuffle"] == "false"


def test_seeds_come_one_after_the_other_with_all_methods():
    jobs = plan.final_jobs(Settings(seeds=(4, 1)), ("base", "sft"))
    assert [(job.seed, job.method) for job in jobs] == [
        (4, "base"), (4, "sft"), (1, "base"), (1, "sft")
    ]  # fmt: skip


def test_ablations_come_last_and_take_hpts_learning_rate():
    settings = Settings(seeds=(0, 1))
    jobs = plan.all_jobs(settings, STUDIED)
    finals = [job for job in jobs if job.kind == "final"]
    assert {job.method for job in finals[-8:]} == set(ABLATIONS)
    assert {job.method for job in jobs if job.kind == "sweep"}.isdisjoint(ABLATIONS)
    assert {job.method for job in plan.sweep_jobs(settings, ("mix_on",))} == {"hpt"}


def test_an_ablation_differs_from_hpt_in_its_own_settings_only():
    hpt = given(finals("hpt")[0])
    changed = {}
    for name in ABLATIONS:
        run = given(finals(name)[0])
        changed[name] = {
            key: value for key, value in run.items() if hpt.get(key) != value and key != "trainer.experiment_name"
        }
    assert changed == {
        "hpt_gamma_1_4": {"hpt.gamma": "0.25"},
        "hpt_gamma_2_4": {"hpt.gamma": "0.5"},
        "off_on": {"hpt.strategy": "off_on", "hpt.off_coef": "1.0", "hpt.shaping": "0.1"},
        "mix_on": {"hpt.strategy": "mix_on", "hpt.sft_coef": "0.1", "hpt.off_coef": "1.0", "hpt.shaping": "0.1"},
    }


def test_every_final_model_is_evaluated_once():
    found = plan.evaluations(Settings(seeds=(0, 1)), ("base", "sft_grpo", "off_on"))
    assert [each.name for each in found] == [
        "base-seed0", "sft_grpo-seed0", "base-seed1", "sft_grpo-seed1", "off_on-seed0", "off_on-seed1"
    ]  # fmt: skip
    assert found[1].last_job(SETTINGS).name == "sft_grpo-seed0-2-grpo"


def test_sft_then_grpo_is_a_chain_of_halves():
    first, second = finals("sft_grpo")
    assert (first.start, first.steps, second.start, second.steps) == (0, 20, 20, 20)
    assert (first.before, second.before) == (None, first)
    assert (first.is_last, second.is_last) == (False, True)
    assert given(second)["hpt.strategy"] == "rl_only"
    assert [job.name for job in (first, second)] == [
        "sft_grpo-seed0-1-sft", "sft_grpo-seed0-2-grpo"
    ]  # fmt: skip


def test_final_runs_of_all_methods_are_validated_after_the_same_questions():
    places = {}
    for method in STUDIED:
        if method != "base":
            places[method] = {
                job.start + step
                for job in finals(method)
                for step in range(1, job.steps + 1)
                if step % int(given(job)["trainer.test_freq"]) == 0 or step == job.steps
            }
    assert set(map(tuple, map(sorted, places.values()))) == {(10, 20, 30, 40)}


def test_a_sweep_run_is_validated_at_its_end_only_and_trains_as_long_as_a_final_run():
    sweep = plan.sweep_jobs(SETTINGS, ("hpt",))[0]
    run, final = given(sweep), given(finals("hpt")[0])
    assert run["trainer.test_freq"] == run["trainer.total_training_steps"] == "40"
    differing = {key for key in run if run[key] != final[key]}
    assert differing == {
        "data.seed", "actor_rollout_ref.rollout.seed", "trainer.test_freq", "trainer.experiment_name"
    }  # fmt: skip


def test_warmup_is_a_tenth_of_a_stage():
    key = "actor_rollout_ref.actor.optim.lr_warmup_steps"
    assert (given(finals("sft")[0])[key], given(finals("sft_grpo")[1])[key]) == ("4", "2")


def test_the_base_model_is_only_validated():
    (job,) = finals("base")
    run = given(job)
    assert (run["trainer.val_only"], run["trainer.val_before_train"]) == ("true", "true")
    assert "actor_rollout_ref.actor.optim.lr" not in run


@pytest.mark.parametrize(
    ("resumed", "before", "only"),
    [(None, "false", "false"), (10, "true", "false"), (40, "true", "true")],
)
def test_a_resumed_run_makes_up_for_the_validation_that_its_checkpoint_may_lack(resumed, before, only):
    run = given(finals("hpt")[0], resumed=resumed)
    assert (run["trainer.val_before_train"], run["trainer.val_only"]) == (before, only)


# ---- sweeps ----


def test_sweeps_are_of_the_stages_needed_on_a_seed_of_their_own():
    jobs = plan.sweep_jobs(SETTINGS, ("base", "sft_grpo"))
    assert [(job.method, job.learning_rate) for job in jobs] == [
        (stage, rate) for stage in ("sft", "grpo") for rate in (2e-4, 6e-4, 2e-3)
    ]
    assert {job.seed for job in jobs} == {SWEEP_SEED}
    assert {job.steps for job in jobs} == {SETTINGS.steps}
    assert plan.sweep_jobs(Settings(sweep_lrs=(1e-3,)), tuple(METHODS)) == []


def test_names_are_distinct():
    names = [job.name for job in plan.all_jobs(SETTINGS, STUDIED)]
    assert len(set(names)) == len(names) == 15 + 3 * (8 + 4)


# ---- maps ----

CELLS = ("", "wrong_step=0.3,mistake=carry", "coverage=0.05", "style=reversed")
MAP = Settings(steps=20, seeds=(0, 1), cells=CELLS, sweep_cell=CELLS[1], searches=True, validations=1)


def test_a_map_has_all_methods_where_models_are_evaluated_then_the_main_ones_everywhere():
    jobs = plan.final_jobs(replace(MAP, seeds=(0,), evaluated=(CELLS[0], CELLS[2])), ("sft", "luffy", "hpt_gamma_1_4"))
    assert [(job.method, job.cell) for job in jobs] == [
        ("sft", CELLS[0]), ("luffy", CELLS[0]), ("sft", CELLS[2]), ("luffy", CELLS[2]),
        ("hpt_gamma_1_4", CELLS[0]), ("hpt_gamma_1_4", CELLS[2]),
        ("sft", CELLS[1]), ("sft", CELLS[3]),
        ("luffy", CELLS[1]), ("luffy", CELLS[3]), ("hpt_gamma_1_4", CELLS[1]), ("hpt_gamma_1_4", CELLS[3]),
    ]  # fmt: skip


def test_the_strategies_of_the_leaderboards_come_after_the_other_methods_there_and_have_no_runs_elsewhere():
    settings = replace(MAP, seeds=(0,), evaluated=(CELLS[0], CELLS[2]))
    jobs = plan.all_jobs(settings, ("sft", "luffy", "off_on", "ghpo"), {})
    finals = [(job.method, job.cell) for job in jobs if job.kind == "final"]
    assert finals[:4] == [(method, cell) for cell in (CELLS[0], CELLS[2]) for method in ("sft", "luffy")]
    assert finals[4:8] == [(method, cell) for method in ("ghpo", "off_on") for cell in (CELLS[0], CELLS[2])]
    assert finals[8:] == [("sft", CELLS[1]), ("sft", CELLS[3]), ("luffy", CELLS[1]), ("luffy", CELLS[3])]
    first = next(place for place, job in enumerate(jobs) if job.method == "ghpo")
    assert jobs[first].kind == "sweep" and jobs[first - 1] == plan.stages_of(settings, "luffy", 0, CELLS[2])[0]


def test_every_strategy_has_a_place_in_a_map():
    strategies = {STAGES[stage].overrides(20)[0] for name in (*MAPPED, *LEADERBOARD) for stage in METHODS[name].stages}
    left_out = {"curriculum", "soft", "scaf_grpo"}  # methods.LEADERBOARD says why
    assert {name.removeprefix("hpt.strategy=") for name in strategies} == set(STRATEGIES) - left_out


def test_a_map_finishes_a_cell_before_the_next_one():
    jobs = plan.final_jobs(MAP, ("sft", "grpo"))
    assert [(job.method, job.cell, job.seed) for job in jobs] == [
        ("sft", "", 0), ("grpo", "", 0), ("sft", "", 1), ("grpo", "", 1),
        *(("sft", cell, seed) for cell in CELLS[1:] for seed in (0, 1)),
    ]  # fmt: skip
    names = [job.name for job in plan.all_jobs(MAP, tuple(METHODS))]
    assert len(set(names)) == len(names)
    assert "sft-wrong_step0.3-mistake_carry-seed1" in names


def test_a_search_tries_weights_at_the_best_rate_and_goes_on_from_what_has_finished():
    scores = {(2e-4, None): 0.1, (6e-4, None): 0.3, (2e-3, None): 0.2}
    assert plan.sweep_of(MAP, "hpt", {}) == [(2e-4, None), (6e-4, None), (2e-3, None)]
    assert plan.sweep_of(MAP, "hpt", scores)[3:] == [(6e-4, 0.25), (6e-4, 4.0)]
    scores |= {(6e-4, 0.25): 0.1, (6e-4, 4.0): 0.5}
    assert plan.sweep_of(MAP, "hpt", scores)[3:] == [(6e-4, 0.25), (6e-4, 4.0), (6e-4, 20.0)]
    assert plan.sweep_of(MAP, "grpo", scores)[3:] == []  # it has no such term
    assert plan.sweep_of(MAP, "chord", scores)[3:] == [(6e-4, 0.225)]  # a share ends at 1
    (job,) = [job for job in plan.sweep_jobs(MAP, ("hpt",), {"hpt": scores}) if job.weight == 20.0]
    assert (job.name, job.cell) == ("sweep-hpt-lr0.0006-weight20", CELLS[1])


def test_a_weight_is_the_methods_own_setting():
    (job,) = plan.stages_of(MAP, "chord", 0)
    overrides = plan.overrides_of(job, MAP, PLACES, (1e-3, 0.225))
    assert "++hpt.params.mu_peak=0.225" in overrides and "++hpt.params.mu_decay_steps=20" in overrides


def test_a_cheap_method_gets_the_batches_of_equal_flops():
    (sft,) = plan.stages_of(MAP, "sft_flops", 0)
    first, second = plan.stages_of(MAP, "sft_grpo_flops", 0)
    assert (sft.steps, first.steps, second.start, second.steps) == (50, 25, 25, 10)
    assert second.before == first


@pytest.mark.parametrize(
    ("override", "method"),
    [
        ("data.train_batch_size=32", "sft_dropped"),
        ("+hpt.params.mu_peak=0.5", "chord"),
        ("hpt.plugins=[x]", "sft_mean_of_means"),
    ],
)
def test_an_override_that_undoes_a_method_is_refused_where_it_is_asked_for(override, method):
    settings = replace(MAP, overrides=(override,))
    plan.check_overrides(settings, ("sft", "hpt"))
    with pytest.raises(StudyError, match=rf"{override.partition('=')[0].lstrip('+')}=...; .* sets it itself"):
        plan.check_overrides(settings, ("sft", method))


def test_only_the_cells_asked_for_are_evaluated():
    found = plan.evaluations(replace(MAP, evaluated=(CELLS[1],)), ("sft", "grpo"))
    assert [each.name for each in found] == [f"sft-wrong_step0.3-mistake_carry-seed{seed}" for seed in (0, 1)]


# ---- settings ----


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 31}, "got --steps 31; expected an even number >= 2"),
        ({"steps": 0}, "got --steps 0; expected an even number >= 2"),
        ({"seeds": ()}, "got --seeds ''; expected different integers"),
        ({"seeds": (1, 1)}, "got --seeds 1,1; expected different integers"),
        ({"seeds": (0, SWEEP_SEED)}, "100 is the seed of the sweeps"),
        ({"sweep_lrs": (1e-3, 0.0)}, "got --sweep-lrs 0.001,0; expected different numbers"),
        ({"sweep_lrs": (1e-3, 1e-3)}, "expected different numbers between 0 and 1"),
        ({"cells": ("", "")}, "expected different ones"),
        ({"cells": ("coverage=2",)}, "got the cell 'coverage=2': "),
        ({"cells": ("style=model",)}, "got the cell 'style=model'; expected ''"),
        ({"sweep_cell": "covrage=0.5"}, "Unknown setting 'covrage'"),
        ({"overrides": ("hpt.gamma=1",)}, r"got the override hpt.gamma=...; the study sets it"),
        ({"overrides": ("+trainer.val_only=true",)}, "got the override trainer.val_only=..."),
        ({"overrides": ("+method=luffy",)}, "got the override method=..."),
        ({"overrides": ("+experiment=qwen2.5_math_7b/hpt",)}, "got the override experiment=..."),
    ],
)
def test_wrong_settings_say_what_was_expected(settings, message):
    with pytest.raises(StudyError, match=message.replace("...;", r"\.\.\.;")):
        Settings(**settings)


def test_the_order_of_the_rates_does_not_matter():
    assert Settings(sweep_lrs=(1e-3, 1e-4)) == Settings(sweep_lrs=(1e-4, 1e-3))


def test_what_the_study_sets_is_refused_as_an_override():
    keys = {key for job in plan.all_jobs(SETTINGS, STUDIED) for key in given(job) if key not in Settings().overrides}
    assert keys == (OWNED_KEYS | {"hpt.shaping"}) - {"experiment", "method"}


def test_an_override_for_all_runs_wins_over_the_method_files():
    settings = Settings(overrides=("hpt.shaping=0.5",))
    (job,) = plan.stages_of(settings, "luffy", 0)
    overrides = plan.overrides_of(job, settings, PLACES, (1e-3, None))
    assert [item for item in overrides if item.startswith("hpt.shaping=")] == ["hpt.shaping=0.1", "hpt.shaping=0.5"]


def test_the_comparison_fits_into_four_hours():
    jobs = plan.all_jobs(SETTINGS, COMPARED)
    seconds = sum(timing.seconds_of(job, SETTINGS) for job in jobs) + 4 * timing.BASE_MODEL_SECONDS
    assert 2.5 * 3600 < seconds < 4 * 3600
    assert timing.seconds_of(Job("final", "sft", 0, steps=40), SETTINGS) == 40 + 40 * 1.5 + 4 * 11
