# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A study's files: what counts as finished, what is resumed, what is refused."""

import json

import pytest

from hpt.common.files import TRACKER
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.study import state
from recipe.hpt.reproduction.study.plan import Job
from recipe.hpt.reproduction.study.settings import Budget, Settings
from tests.helpers.checkpoints import write_checkpoint

JOB = Job("final", "hpt", 0, steps=4)
BUDGET = Budget(questions=8, mini_batch=4, epochs=2, rollouts=4)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def metrics(folder, rows, name="metrics.jsonl"):
    lines = (json.dumps({"step": step, "data": values}) for step, values in rows)
    (folder / name).write_text("\n".join(lines) + "\n")


def accuracy(*values):
    return {f"val-core/builtin/level_{n}/acc/mean@1": v for n, v in enumerate(values, start=1)}


def trained(seconds, skipped=0.0):
    return {"timing_s/step": seconds, "hpt/steps_skipped": skipped}


# ---- settings ----


def test_a_new_folder_takes_the_defaults_and_what_is_named(tmp_path):
    assert state.settings_for(tmp_path / "new", {"steps": 10}) == Settings(steps=10)
    assert not (tmp_path / "new").exists()


def test_a_folder_keeps_its_settings(tmp_path):
    settings = Settings(steps=10, seeds=(3,), overrides=("data.train_batch_size=8",))
    state.record_settings(tmp_path, settings)
    assert state.settings_for(tmp_path, {}) == settings
    assert state.settings_for(tmp_path, {"seeds": (3,)}) == settings


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"steps": 20}, r"got steps=20, but .*study.json was started with steps=10"),
        ({"seeds": (0, 1)}, r"got seeds=\[0, 1\], but .* with seeds=\[3\]"),
        ({"sweep_lrs": (1e-3,)}, r"got sweep_lrs=\[0.001\], but .* with sweep_lrs=\[0.0002, "),
        ({"overrides": ("hpt.shaping=1",)}, r"got overrides=\['hpt.shaping=1'\], but .* with overrides=\[\]"),
    ],
)  # fmt: skip
def test_a_changed_setting_is_refused_with_what_to_do(tmp_path, named, message):
    state.record_settings(tmp_path, Settings(steps=10, seeds=(3,)))
    with pytest.raises(StudyError, match=message + ".*leave the option out to continue, or name a new"):
        state.settings_for(tmp_path, named)


def test_runs_without_settings_and_another_format_are_refused(tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(StudyError, match=r"has runs but no study\.json"):
        state.settings_for(tmp_path, {})
    record = {"format_version": state.FORMAT_VERSION + 1, "settings": {}}
    (tmp_path / state.SETTINGS).write_text(json.dumps(record))
    with pytest.raises(StudyError, match="of format 3; expected at most 2"):
        state.settings_for(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "without settings"),
        ('{"format_version": 2, "settings": []}', "without settings"),
        ('{"format_version": 2, "settings": {"stpes": 3}}', "unknown settings stpes"),
        ('{"format_ver', "is not JSON"),
        ("[]", "is not a JSON object"),
    ],
)
def test_a_damaged_record_is_named(tmp_path, text, message):
    (tmp_path / state.SETTINGS).write_text(text)
    with pytest.raises(StudyError, match=rf"study\.json.*{message}.*restore it, or name a new folder"):
        state.settings_for(tmp_path, {})


def test_an_older_study_is_read_and_not_continued(tmp_path):
    record = {"format_version": 1, "settings": {"steps": 10, "seeds": [3]}}
    (tmp_path / state.SETTINGS).write_text(json.dumps(record))
    settings = state.settings_for(tmp_path, {})
    assert settings == Settings(steps=10, seeds=(3,))
    with pytest.raises(StudyError, match=r"of format 1; expected 2, .*--out, or read this one with --report"):
        state.record_settings(tmp_path, settings)
    assert json.loads((tmp_path / state.SETTINGS).read_text()) == record


def test_one_launch_at_a_time(tmp_path):
    with state.locked(tmp_path):  # noqa: SIM117  (the second is refused)
        with (
            pytest.raises(StudyError, match="another launch of this study is running"),
            state.locked(tmp_path),
        ):
            pass
    with state.locked(tmp_path):
        pass


# ---- a run ----


def test_the_last_complete_checkpoint_counts(folder):
    assert state.checkpoint_step(folder) is None
    write_checkpoint(folder, 2)
    write_checkpoint(folder, 4, complete=False)
    assert state.checkpoint_step(folder) == 2
    (folder / TRACKER).write_text("6")  # names a folder that is not there
    assert state.checkpoint_step(folder) == 2


def test_an_unfinished_run_with_a_checkpoint_is_left_as_it_is(folder):
    state.begin(folder, {"lr": 1})
    write_checkpoint(folder, 2)
    metrics(folder, [(1, {})])
    assert state.begin(folder, {"lr": 1}) == 2
    assert (folder / "metrics.jsonl").exists()


def test_an_unfinished_run_without_a_checkpoint_starts_over_and_keeps_its_log(folder):
    state.begin(folder, {"lr": 1})
    write_checkpoint(folder, 2, complete=False)
    metrics(folder, [(1, {})])
    (folder / "train.log").write_text("why it failed")
    state.record_launch(folder, 3.0, 1)
    assert state.begin(folder, {"lr": 1}) is None
    assert {path.name for path in folder.iterdir()} == {"job.json", "train.log", "launches.jsonl"}


def test_an_unfinished_run_with_other_overrides_is_refused(folder):
    state.begin(folder, {"lr": 1})
    with pytest.raises(StudyError, match=r"with other overrides .*remove this folder"):
        state.begin(folder, {"lr": 2})


def test_measured_reads_all_launches_of_a_run(folder):
    metrics(
        folder,
        [(1, trained(2.0, 1.0)), (2, {**trained(2.0), **accuracy(0.5, 0.0)})],
        "metrics.1.jsonl",
    )
    metrics(
        folder,
        [
            (2, accuracy(0.5, 0.0)),
            (3, trained(4.0, 3.0)),
            (4, {**trained(4.0), "hpt/steps_idle": 2.0, **accuracy(1.0, 0.25)}),
        ],
    )
    state.record_launch(folder, 20.0, None)
    state.record_launch(folder, 30.5, 0)
    found = state.measured(JOB, folder, BUDGET)
    assert found["accuracy"] == {"1": 1.0, "2": 0.25}
    assert found["curve"] == {"2": {"1": 0.5, "2": 0.0}, "4": {"1": 1.0, "2": 0.25}}
    assert (found["questions"], found["questions_before"]) == (32, 0)
    assert (found["optimizer_steps"], found["optimizer_steps_skipped"]) == (16, 6)
    assert (found["wall_seconds"], found["batch_seconds"], found["launches"]) == (50.5, 12.0, 2)
    assert found["steps_with_metrics"] == 4


def test_demonstrations_count_where_they_are_trained_on_and_where_they_are_shown(folder):
    metrics(folder, [(1, {"hpt/shown_share_questions": 0.25}), (4, accuracy(0.5))])
    assert state.measured(JOB, folder, BUDGET)["demonstrations"] == BUDGET.questions / 4
    metrics(folder, [(1, {"hpt/demonstration_share_questions": 0.5}), (4, accuracy(0.5))])
    assert state.measured(JOB, folder, BUDGET)["demonstrations"] == BUDGET.questions / 2


def test_measured_refuses_a_training_without_a_last_validation(folder):
    with pytest.raises(state.Unfinished, match=r"no metrics\.jsonl"):
        state.measured(JOB, folder, BUDGET)
    metrics(folder, [(2, accuracy(0.5)), (4, trained(1.0))])
    with pytest.raises(state.Unfinished, match="no validation after batch 4"):
        state.measured(JOB, folder, BUDGET)


def test_results_are_those_of_finished_runs_in_the_order_of_the_plan(tmp_path):
    jobs = [JOB, Job("final", "sft", 0, steps=4), Job("final", "base", 0)]
    for job in reversed(jobs[:2]):
        state.finish(state.folder_of(tmp_path, job), {"name": job.name})
    broken = state.folder_of(tmp_path, jobs[2])
    broken.mkdir()
    (broken / state.RESULT).write_text('{"name": ')  # never by this code, which renames whole files
    assert state.results_of(tmp_path, jobs) == [{"name": "hpt-seed0"}, {"name": "sft-seed0"}]
