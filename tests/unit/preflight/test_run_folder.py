# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One run and one process in a folder: record, comparison, lock."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoTokenizer

from hpt.common import routing_state
from hpt.common.digests import model_parts
from hpt.common.errors import ConfigError
from hpt.common.files import DATA_STATE, TRACKER
from hpt.preflight import run_folder
from hpt.preflight.run_folder import FolderInUse, claimed
from hpt.preflight.run_record import describe
from recipe.hpt.reproduction.task.base_model import BaseModelSettings, build_model, build_tokenizer
from tests.helpers.checkpoints import write_checkpoint


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def now(configure, inputs):
    """now(**changes) -> (configuration, description)."""

    def make(**changes):
        config = configure(**changes)
        return config, describe(config, Path(config.actor_rollout_ref.model.path))

    return make


def launched(now, **changes):
    """Claim the folder for a launch that ends at once; returns the comparison."""
    with claimed(*now(**changes)) as found:
        return found


def checkpoint(run, model, step=4, ranks=1, version=2):
    """What verl writes of a checkpoint, as far as a comparison reads it."""
    actor = write_checkpoint(run, step) / "actor"
    AutoConfig.from_pretrained(model).save_pretrained(actor / "huggingface")
    AutoTokenizer.from_pretrained(model).save_pretrained(actor / "huggingface")
    (actor / "fsdp_config.json").write_text(json.dumps({"FSDP_version": version, "world_size": ranks}))
    for rank in range(ranks):
        (actor / f"model_world_size_{ranks}_rank_{rank}.pt").touch()


@pytest.fixture
def started(now, run, inputs):
    """A folder with a record and a checkpoint after step 4."""
    launched(now)
    checkpoint(run, inputs / "model")
    return run


@pytest.fixture
def other_model(tmp_path):
    """other_model(seed=, hidden_size=) -> folder."""

    def make(**settings):
        folder = tmp_path / "other_model"
        tokenizer = build_tokenizer()
        build_model(
            BaseModelSettings(**{"hidden_size": 64, "num_layers": 3, "num_heads": 2, **settings}),
            tokenizer,
        ).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return str(folder)

    return make


def refused(now, **changes) -> str:
    with pytest.raises(ConfigError) as error:
        launched(now, **changes)
    return str(error.value)


def files(run) -> dict[str, bytes]:
    """Every file but the lock, with its content."""
    return {
        str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != run_folder.LOCK
    }


# ---- the comparison ----


def test_a_new_folder_gets_a_record(now, run):
    found = launched(now)
    assert (found.checkpoint, found.problems, found.changes) == (None, (), ())
    record = json.loads((run / "run.json").read_text())
    assert record == json.loads(json.dumps(now()[1]))
    assert record["strategy"] == "switch" and record["ranks"] == 1
    assert record["model"]["architecture"] == "Qwen2ForCausalLM"
    assert record["model"]["shape"]["hidden_size"] == 64


def test_a_resumed_run_may_have_more_steps_and_other_frequencies_and_paths(now, started, caplog):
    changes = {
        "trainer__total_training_steps": 90,
        "trainer__save_freq": 1,
        "trainer__test_freq": -1,
        "trainer__experiment_name": "other",
        "trainer__val_before_train": False,
        "hpt__poll_interval": 0.5,
        "hpt__fork_workers": False,
    }
    found = launched(now, **changes)
    assert found.checkpoint == started / "global_step_4"
    assert found.recorded and found.changes == ()
    assert not caplog.records


def test_what_decides_the_result_may_change_and_is_named(now, started, caplog):
    found = launched(now, hpt__gamma=0.5, actor_rollout_ref__actor__optim__lr=1e-3)
    assert found.changes == (
        "actor_rollout_ref.actor.optim.lr: 0.0006 -> 0.001",
        "hpt.gamma: 0.0 -> 0.5",
    )
    assert [record.message for record in caplog.records] == [
        f"continues a run with another setting: {change}" for change in found.changes
    ]
    assert launched(now, hpt__gamma=0.5, actor_rollout_ref__actor__optim__lr=1e-3).changes == ()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"hpt__strategy": "rl_only"}, "hpt.strategy is rl_only and was switch"),
        ({"trainer__n_gpus_per_node": 2}, "trainer.nnodes x trainer.n_gpus_per_node is 2 and was 1"),
        ({"trainer__nnodes": 4}, "trainer.nnodes x trainer.n_gpus_per_node is 4 and was 1"),
        ({"actor_rollout_ref__actor__strategy": "fsdp"}, "actor_rollout_ref.actor.strategy is fsdp and was fsdp2"),
        ({"actor_rollout_ref__actor__optim__optimizer": "SGD"}, "optim.optimizer is SGD and was AdamW"),
        ({"actor_rollout_ref__model__lora_rank": 8}, "model.lora_rank is 8 and was 0"),
        (
            {"trainer__v1__trainer_mode": "hpt_colocate_async"},
            "trainer.v1.trainer_mode is hpt_colocate_async and was hpt_sync",
        ),
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_run_is_refused_and_nothing_changes(now, started, changes, part):
    before = files(started)
    message = refused(now, **changes)
    assert message.startswith(f"got trainer.default_local_dir={started}, but ")
    assert part in message and "name another folder" in message
    assert files(started) == before


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"actor_rollout_ref__model__lora_alpha": 64}, "model.lora_alpha is 64 and was 16"),
        (
            {"actor_rollout_ref__model__target_modules": ["q_proj"]},
            "model.target_modules is ['q_proj'] and was all-lin",
        ),
    ],
)
def test_adapters_keep_their_scale_and_their_modules(now, run, inputs, changes, part):
    lora = {"actor_rollout_ref__model__lora_rank": 8}
    launched(now, **lora)
    checkpoint(run, inputs / "model")
    assert launched(now, **lora).checkpoint == run / "global_step_4"
    assert part in refused(now, **lora, **changes)


def test_without_adapters_their_settings_do_not_count(now, started):
    found = launched(now, actor_rollout_ref__model__lora_alpha=64)
    assert found.checkpoint == started / "global_step_4"


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"seed": 1}, "(weights)"),
        ({"hidden_size": 32, "num_heads": 1}, "hidden_size 32, was 64"),
        ({"num_layers": 2}, "num_hidden_layers 2, was 3"),
    ],
)
def test_another_model_is_refused(now, started, other_model, settings, part):
    message = refused(now, actor_rollout_ref__model__path=other_model(**settings))
    assert "actor_rollout_ref.model.path is another model (" in message and part in message


def test_the_same_model_elsewhere_is_the_same(now, started, other_model):
    assert launched(now, actor_rollout_ref__model__path=other_model()).problems == ()


def test_a_part_of_large_weights_tells_them_apart(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    weights = bytearray(4 << 20)
    (tmp_path / "model.safetensors").write_bytes(weights)
    before = model_parts(tmp_path)
    weights[3 << 20] = 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert model_parts(tmp_path)["weights"] != before["weights"]


def test_metrics_without_a_checkpoint_are_a_run_too(now, run):
    launched(now)
    # Nothing has been trained yet: the folder is free for another strategy, on other ranks.
    launched(now, hpt__strategy="rl_only", trainer__n_gpus_per_node=2)
    (run / "metrics.1.jsonl").write_text('{"step": 1}\n')
    assert "hpt.strategy is switch and was rl_only" in refused(now)
    assert launched(now, hpt__strategy="rl_only").problems == ()  # no checkpoint: any ranks


def test_starting_over_in_a_folder_does_not_mix_two_methods(now, started):
    disabled = {"trainer__resume_mode": "disable"}
    assert launched(now, **disabled).checkpoint is None
    assert "hpt.strategy is srft" in refused(now, hpt__strategy="srft", **disabled)
    launched(now, trainer__n_gpus_per_node=2, **disabled)  # nothing is loaded


# ---- folders of earlier versions ----


def test_a_record_with_a_settings_old_name_is_continued_and_compared_by_its_new_name(now, started):
    def rename(value):
        record = json.loads((started / "run.json").read_text())
        record["settings"]["hpt"].pop("demonstration_algorithm", None)
        record["settings"]["hpt"]["offline_algorithm"] = value
        (started / "run.json").write_text(json.dumps(record))

    rename(None)
    assert launched(now).changes == ()
    rename("luffy")
    assert launched(now).changes == ("hpt.demonstration_algorithm: luffy -> None",)


def test_a_folder_without_a_record_is_continued_with_a_line(now, run, inputs, caplog):
    run.mkdir()
    checkpoint(run, inputs / "model")
    found = launched(now, hpt__strategy="rl_only")
    assert found.checkpoint == run / "global_step_4" and not found.recorded
    (record,) = caplog.records
    assert "has no run.json: whether global_step_4 is of the same strategy and weights" in record.message
    assert (run / "run.json").exists()


@pytest.mark.parametrize(
    ("stored", "part"),
    [({"ranks": 2}, "n_gpus_per_node is 1 and was 2"), ({"version": 1}, "is fsdp2 and was fsdp")],
)
def test_such_a_checkpoint_tells_ranks_and_fsdp(now, run, inputs, stored, part):
    run.mkdir()
    checkpoint(run, inputs / "model", **stored)
    assert part in refused(now)


@pytest.mark.parametrize("mode", ["auto", "disable"])
def test_such_a_checkpoint_tells_its_model(now, run, other_model, mode):
    run.mkdir()
    checkpoint(run, other_model(num_layers=2))
    message = refused(now, trainer__resume_mode=mode)
    assert "num_hidden_layers 3, was 2" in message and message.count("another model") == 1


# ---- a named checkpoint ----


def test_a_named_checkpoint_of_another_strategy_can_be_continued(now, started, tmp_path):
    changes = {
        "trainer__resume_mode": "resume_path",
        "trainer__resume_from_path": str(started / "global_step_4"),
        "trainer__default_local_dir": str(tmp_path / "second"),
        "hpt__strategy": "rl_only",
    }
    assert launched(now, **changes).checkpoint == started / "global_step_4"
    message = refused(now, **changes, trainer__n_gpus_per_node=2)
    assert "n_gpus_per_node is 2 and was 1" in message


@pytest.mark.parametrize(
    ("strategy", "state", "part"),
    [
        ("relift", None, "without routing.json; hpt.strategy=relift goes on from a state that this file holds"),
        ("relift", "sasr", "got hpt.strategy=relift and the checkpoint"),
        ("rl_only", "sasr", "routing.json holds the state of sasr"),
    ],
)
def test_a_named_checkpoint_with_another_strategys_state_is_refused(now, started, tmp_path, strategy, state, part):
    if state:
        routing_state.save(started / "global_step_4", state, {"gate": {"first_norm": 1.0, "last_norm": 1.0}})
    changes = {
        "hpt__strategy": strategy,
        "trainer__default_local_dir": str(tmp_path / "other"),
        "trainer__resume_mode": "resume_path",
        "trainer__resume_from_path": str(started / "global_step_4"),
    }
    message = refused(now, **changes)
    assert part in message and "trainer.resume_mode=disable" in message


def test_a_named_checkpoint_has_to_fit_the_model(now, started, tmp_path, other_model):
    message = refused(
        now,
        trainer__resume_mode="resume_path",
        trainer__resume_from_path=str(started / "global_step_4"),
        trainer__default_local_dir=str(tmp_path / "second"),
        actor_rollout_ref__model__path=other_model(num_layers=1),
    )
    assert "num_hidden_layers 1, was 3" in message


@pytest.mark.parametrize("path", ["/no/global_step_3", None, "HERE"])
def test_a_named_checkpoint_has_to_be_there(now, started, path):
    given = str(started) if path == "HERE" else path
    message = refused(now, trainer__resume_mode="resume_path", trainer__resume_from_path=given)
    assert f"got trainer.resume_from_path={given}; expected a folder global_step_N" in message


def test_an_unknown_mode_is_refused(now):
    assert "expected auto, disable or resume_path" in refused(now, trainer__resume_mode="resume")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format_version": 99}'])
def test_a_record_that_cannot_be_read_is_no_record_of_another_run(now, started, content):
    (started / "run.json").write_text(content)
    message = refused(now)
    assert str(started / "run.json") in message and "remove it to continue" in message


@pytest.mark.parametrize("tracked", [None, "", "2", "6", "8"])
@pytest.mark.parametrize("left", ["nothing", "weights", "half a file", "half of an old one"])
def test_the_last_complete_checkpoint_is_continued_whenever_the_run_was_killed(now, started, tracked, left):
    """The tracker is missing, half written, or names what was removed or never finished."""
    tracker = started / TRACKER
    if left != "nothing":
        unfinished = write_checkpoint(started, 6, complete=left == "half of an old one")
    if left == "half of an old one":  # verl was removing it
        (unfinished / "actor" / "model_world_size_1_rank_0.pt").unlink()
    if left == "half a file":
        whole = (started / "global_step_4" / DATA_STATE).read_bytes()
        (unfinished / DATA_STATE).write_bytes(whole[: len(whole) // 2])
    tracker.unlink()
    if tracked is not None:
        tracker.write_text(tracked)
    assert launched(now).checkpoint == started / "global_step_4"
    assert tracker.read_text() == "4"


def test_without_a_complete_checkpoint_a_run_starts_over(now, started):
    (started / "global_step_4" / DATA_STATE).unlink()
    assert launched(now).checkpoint is None
    assert not (started / TRACKER).exists()


def test_a_finished_run_says_so_and_keeps_its_files(now, started):
    config, _ = now(trainer__total_training_steps=4)
    (started / "metrics.jsonl").write_text("{}\n")
    with run_folder.admitted(config) as nothing_to_do:
        assert nothing_to_do.startswith("nothing to do: the run has made 4 of trainer.total_training_steps=4 steps")
    assert (started / "metrics.jsonl").exists()
    with run_folder.admitted(now(trainer__total_training_steps=5)[0]) as nothing_to_do:
        assert nothing_to_do is None


# ---- the lock ----

HOLD = """
import os, sys, time
from pathlib import Path
from hpt.common.lock import locked
with locked(Path(sys.argv[1]) / ".run.lock", RuntimeError):
    child = os.fork()
    if child == 0:  # as a data loader's worker, which outlives a killed parent
        print("held", flush=True)
        time.sleep(60)
        os._exit(0)
    time.sleep(60)
"""


@pytest.fixture
def holder(run):
    """Another process that trains in the folder, with a forked child."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_two_runs_in_one_folder_are_refused_until_the_first_has_ended(now, run, holder):
    before = (run / run_folder.LOCK).read_text()
    with pytest.raises(FolderInUse) as error:
        launched(now)
    message = str(error.value)
    assert f"got trainer.default_local_dir={run}, where process {holder.pid} on " in message
    assert "two runs in one folder" in message and "name another folder" in message
    assert run_folder.holder_of(run) in message
    assert (run / run_folder.LOCK).read_text() == before and not (run / "run.json").exists()
    # Killed, so that nothing of its own releases the lock; its child lives on.
    holder.kill()
    deadline = time.monotonic() + 10
    while run_folder.holder_of(run) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert launched(now).problems == ()


def test_nobody_holds_a_folder_that_is_not_there_or_was_left(now, run, tmp_path):
    assert run_folder.holder_of(run) is None
    (tmp_path / "file").touch()
    assert run_folder.holder_of(tmp_path / "file") is None
    launched(now)
    assert run_folder.holder_of(run) is None
    assert not (tmp_path / "run2").exists()


def test_the_lock_lasts_as_long_as_the_run(now, run):
    ask = f"import pathlib, hpt.preflight.run_folder as it; print(it.holder_of(pathlib.Path({str(run)!r})))"
    with claimed(*now()):
        inside = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True).stdout
    assert f"process {os.getpid()} on " in inside


def test_a_folder_that_cannot_be_made_is_refused(now, tmp_path):
    (tmp_path / "file").touch()
    message = refused(now, trainer__default_local_dir=str(tmp_path / "file" / "run"))
    assert "cannot be written to (Not a directory)" in message


def test_a_file_system_without_locks_warns(now, run, monkeypatch, caplog):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert launched(now).problems == ()
    assert "this file system has no locks" in caplog.text


# ---- logs ----


def logs(configure, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    run_folder.direct_logs(configure(trainer__default_local_dir=str(folder)))


def test_an_earlier_launchs_metrics_are_kept_under_a_number(configure, tmp_path):
    folder = tmp_path / "run [1]"  # brackets mean something to glob
    metrics = folder / "metrics.jsonl"
    for launch in range(4):
        logs(configure, folder)
        assert not metrics.exists()
        metrics.write_text(f"launch {launch}\n")
    kept = {file.name: file.read_text() for file in folder.iterdir()}
    assert kept == {
        "metrics.1.jsonl": "launch 0\n",
        "metrics.2.jsonl": "launch 1\n",
        "metrics.3.jsonl": "launch 2\n",
        "metrics.jsonl": "launch 3\n",
    }


def test_an_empty_metrics_file_is_not_worth_keeping(configure, tmp_path):
    (tmp_path / "metrics.jsonl").touch()
    logs(configure, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_paths_in_the_environment_win(configure, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere.jsonl"
    elsewhere.write_text("earlier\n")
    monkeypatch.setenv("VERL_FILE_LOGGER_PATH", str(elsewhere))
    monkeypatch.setenv("TENSORBOARD_DIR", "/tb")
    logs(configure, tmp_path / "run")
    assert os.environ["VERL_FILE_LOGGER_PATH"] == str(elsewhere)
    assert os.environ["TENSORBOARD_DIR"] == "/tb"
    assert (tmp_path / "elsewhere.1.jsonl").read_text() == "earlier\n"


def test_logs_go_into_the_runs_folder(configure, tmp_path):
    logs(configure, tmp_path / "new")
    assert os.environ["VERL_FILE_LOGGER_PATH"] == str(tmp_path / "new" / "metrics.jsonl")
    assert os.environ["TENSORBOARD_DIR"] == str(tmp_path / "new" / "tensorboard")
