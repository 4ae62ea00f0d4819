# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The training's command before anything is started: what it prints, its exit status, and what it leaves behind."""

import subprocess
import sys

import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from recipe.hpt.main_hpt import main
from recipe.hpt.reproduction.task.model import BaseModelSettings, build_model, build_tokenizer
from recipe.hpt.reproduction.task.questions import write_task
from tests.helpers.checkpoints import write_checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A task and a model that was never trained."""
    folder = tmp_path_factory.mktemp("inputs")
    write_task(folder, train_size=96, val_per_level=1)
    tokenizer = build_tokenizer()
    build_model(BaseModelSettings(hidden_size=32, num_layers=1, num_heads=1), tokenizer).save_pretrained(
        folder / "model"
    )
    tokenizer.save_pretrained(folder / "model")
    return [
        "--config-name", "quickstart",
        f"data.train_files={folder / 'train.parquet'}",
        f"data.val_files={folder / 'val.parquet'}",
        f"actor_rollout_ref.model.path={folder / 'model'}",
    ]  # fmt: skip


@pytest.fixture
def main_hpt(tmp_path, monkeypatch):
    """main_hpt(*arguments) -> exit status of ``python -m recipe.hpt.main_hpt`` in an empty folder."""

    def run(*arguments: str) -> int:
        GlobalHydra.instance().clear()
        monkeypatch.setattr("sys.argv", ["main_hpt.py", *arguments])
        return main()

    monkeypatch.chdir(tmp_path)
    return run


def test_a_dry_run_prints_the_configuration_and_leaves_no_file(main_hpt, inputs, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DRY_RUN", "1")
    run = tmp_path / "run"
    overrides = (
        f"trainer.default_local_dir={run}",
        f"hydra.run.dir={tmp_path / 'hydra'}",
        "hpt.normalization=released",
    )
    assert main_hpt(*inputs, *overrides) == 0
    *configuration, last = capfd.readouterr().out.splitlines()
    assert "nothing was started" in last
    assert yaml.safe_load("\n".join(configuration))["trainer"]["default_local_dir"] == str(run)
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_is_the_home_folder_for_all_that_reads_the_setting(main_hpt, inputs, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DRY_RUN", "1")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main_hpt(*inputs, "trainer.default_local_dir='~/run'", "trainer.resume_from_path='~/global_step_2'") == 0
    *configuration, _ = capfd.readouterr().out.splitlines()
    trainer = yaml.safe_load("\n".join(configuration))["trainer"]
    assert trainer["default_local_dir"] == str(tmp_path / "home/run")
    assert trainer["resume_from_path"] == str(tmp_path / "home/global_step_2")


@pytest.mark.parametrize("dry_run", ["0", "1"])
@pytest.mark.parametrize("overrides", [("trainer.nnodes=1", "hpt.gamma=0.5"), ("~hpt.plugins",), ()])
def test_options_may_stand_before_and_behind_the_overrides(main_hpt, monkeypatch, capfd, dry_run, overrides):
    monkeypatch.setenv("DRY_RUN", dry_run)
    assert main_hpt("--config-name", "quickstart", *overrides, "--cfg", "job") == 0
    assert yaml.safe_load(capfd.readouterr().out)["trainer"]["device"] == "cpu"


@pytest.mark.parametrize("dry_run", ["0", "1"])
def test_an_unknown_configuration_is_one_line_with_the_names_there_are(main_hpt, tmp_path, monkeypatch, capfd, dry_run):
    monkeypatch.setenv("DRY_RUN", dry_run)
    assert main_hpt("--config-name", "quickstrat") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: got --config-name quickstrat") and "hpt_trainer, quickstart" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sweep", ["-m", "--multirun", "--multi", "++hydra.mode=MULTIRUN"])
def test_a_sweep_is_refused(main_hpt, tmp_path, capfd, sweep):
    assert main_hpt("--config-name", "quickstart", "hpt.gamma=0,1", sweep) == 2
    assert capfd.readouterr().err.startswith(f"error: got {sweep}; a run has a folder and a Ray of its own")
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_in_another_form_is_refused_too(main_hpt, capfd):
    assert (
        main_hpt("--config-name", "quickstart", "hpt.gamma=0,1", "hydra.sweep.dir=sweep", "hydra.mode='MULTIRUN'") == 2
    )
    assert "error: got a sweep; a run has a folder" in capfd.readouterr().err


@pytest.mark.parametrize("variable", ["DRY_RUN", "CHECK"])
def test_a_word_for_yes_is_refused(main_hpt, tmp_path, monkeypatch, capfd, variable):
    monkeypatch.setenv(variable, "true")
    assert main_hpt("--config-name", "quickstart") == 2
    assert capfd.readouterr().err == f"error: got {variable}=true; expected 1 or 0\n"


def test_a_folder_whose_name_looks_like_an_override(main_hpt, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DRY_RUN", "1")
    (tmp_path / "a=b").mkdir()
    options = ("--config-dir", str(tmp_path / "a=b"), "--config-name", "quickstart", "--cfg", "job")
    assert main_hpt(*options, "++hydra.run.dir=elsewhere") == 0
    assert yaml.safe_load(capfd.readouterr().out)["trainer"]["device"] == "cpu"
    assert [path.name for path in tmp_path.iterdir()] == ["a=b"]


def test_a_search_path_without_verl_and_an_empty_group_are_named(main_hpt, capfd):
    assert main_hpt("--config-name", "quickstart", "hydra.searchpath=[file:///nowhere]", "--cfg", "job") == 2
    assert "add pkg://verl.trainer.config to hydra.searchpath" in capfd.readouterr().err
    assert main_hpt("+experiment=", "--cfg", "job") == 2
    assert "got experiment=, which does not exist; expected one of: llama3.1_8b/" in capfd.readouterr().err


@pytest.mark.parametrize("given", ["~trainer.logger", "trainer.project_name='${oc.env:NO_SUCH_VARIABLE}'"])
def test_what_omegaconf_says_is_one_line(main_hpt, inputs, monkeypatch, capfd, given):
    monkeypatch.setenv("DRY_RUN", "1")
    assert main_hpt(*inputs, given) == 2
    *_, line = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ") and ("'logger'" in line or "NO_SUCH_VARIABLE" in line)


def test_wrong_settings_leave_no_file_in_a_dry_run(main_hpt, inputs, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DRY_RUN", "1")
    assert main_hpt(*inputs, "hpt.gamma=2") == 2
    assert "error: got hpt.gamma=2" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_is_read_before_verl_is_imported():
    """The fork server starts in between, and imports while this process does."""
    code = "import sys; from recipe.hpt.main_hpt import main; main(); print('verl' in sys.modules)"
    command = [sys.executable, "-c", code, "--config-name", "quickstart", "--cfg", "job"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    *configuration, imported = done.stdout.splitlines()
    assert yaml.safe_load("\n".join(configuration))["trainer"]["device"] == "cpu", done.stderr
    assert imported == "False"


@pytest.mark.parametrize("checkpoint", [True, False])
def test_an_interrupted_run_says_what_is_kept(main_hpt, inputs, tmp_path, monkeypatch, capfd, checkpoint):
    from hpt.verl_ext import runner

    def interrupted(config, server):
        if checkpoint:
            write_checkpoint(tmp_path / "run", 2)
        raise KeyboardInterrupt("signal 15")

    monkeypatch.setattr(runner, "run", interrupted)
    overrides = ("hpt.fork_workers=false", f"hydra.run.dir={tmp_path / 'hydra'}")
    assert main_hpt(*inputs, *overrides, f"trainer.default_local_dir={tmp_path / 'run'}") == 130
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith("interrupted; ") and ("global_step_2" in said) is checkpoint
    assert ("there is no complete checkpoint" in said) is not checkpoint
