# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The quickstart's command, with a function in the training's place."""

import json

import pytest

from recipe.hpt import quickstart

pytestmark = pytest.mark.slow

ACCURACY = {f"val-core/builtin/level_{level}/acc/mean@1": 0.5 for level in range(1, 8)}


@pytest.fixture
def command(tmp_path, monkeypatch):
    """command(*arguments, status) -> (exit status, overrides of the training that was started)."""

    def run(*arguments: str, status: int = 0):
        started = []

        def training(folder, overrides, watch):
            started.append(overrides)
            (folder / "train.log").write_text("why it ended\n")
            lines = [{"step": step, "data": {**ACCURACY, "hpt/sft_share_questions": 0.5}} for step in (0, 1)]
            (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            return status

        monkeypatch.setattr(quickstart, "make_task", lambda folder, seed: None)
        monkeypatch.setattr(quickstart, "run_training", training)
        return quickstart.main(["--out", str(tmp_path / "out"), "--seed", "3", *arguments]), started

    return run


def test_the_seed_and_the_folder_reach_the_training_and_the_files_are_named(command, tmp_path, capsys):
    status, (overrides,) = command("hpt.gamma=0.5")
    (folder,) = (tmp_path / "out").glob("seed3-*")
    assert status == 0
    assert {f"trainer.default_local_dir={folder}", "data.seed=3", "hpt.gamma=0.5"} <= set(overrides)
    assert f"data.train_files={tmp_path / 'out' / 'task-seed3' / 'train.parquet'}" in overrides
    out = capsys.readouterr().out
    assert all(str(folder / name) in out for name in ("metrics.jsonl", "training.png", "train.log"))
    assert (folder / "training.png").exists()


def test_other_demonstrations_have_a_folder_of_their_own_and_the_same_base_model(command, tmp_path, capsys):
    status, (overrides,) = command("--wrong-step", "0.3", "--coverage", "0.25", "--extra-sets")
    task = tmp_path / "out" / "task-seed3"
    questions = task / "wrong_step0.3-coverage0.25"
    assert status == 0 and "wrong_step" in capsys.readouterr().out
    assert f"data.train_files={questions / 'train.parquet'}" in overrides
    assert f"actor_rollout_ref.model.path={task / 'base_model'}" in overrides
    assert all((questions / f"{name}.parquet").is_file() for name in ("train", "val", "forgetting", "ood_level"))


def test_a_style_that_the_limits_do_not_fit_is_refused_before_anything_is_written(command, tmp_path, capsys):
    assert command("--style", "verbose") == (2, [])
    assert "data.max_response_length=100" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    status, (overrides,) = command("--style", "verbose", "data.max_response_length=128")
    assert status == 0 and "data.max_response_length=128" in overrides


@pytest.mark.parametrize("arguments", [("--style", "loud"), ("--coverage", "1.5")])
def test_wrong_settings_of_the_demonstrations_are_refused(command, tmp_path, capsys, arguments):
    assert command(*arguments) == (2, [])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and arguments[1] in line
    assert not (tmp_path / "out").exists()


def test_a_second_run_keeps_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(quickstart.time, "strftime", lambda _: "now")
    folders = []
    for _ in range(3):
        folders.append(quickstart.new_run_folder(tmp_path, 0))
        folders[-1].mkdir()
    assert [folder.name for folder in folders] == ["seed0-now", "seed0-now-2", "seed0-now-3"]


@pytest.mark.parametrize(("status", "expected"), [(1, 1), (2, 2), (137, 1)])
def test_a_training_that_fails_shows_the_end_of_its_log(command, capsys, status, expected):
    assert command(status=status)[0] == expected
    error = capsys.readouterr().err
    assert "why it ended" in error and f"status {status}" in error


def test_wrong_settings_are_refused_before_anything_is_written(command, tmp_path, capsys):
    status, started = command("hpt.gama=0.5")
    assert (status, started) == (2, [])
    assert "hpt.gama" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("argument", ["--sed", "gamma"])
def test_an_argument_that_is_no_override_is_refused(command, argument, capsys):
    with pytest.raises(SystemExit) as end:
        command(argument)
    assert end.value.code == 2
    assert f"got '{argument}'" in capsys.readouterr().err
