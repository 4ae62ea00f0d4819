# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Launch scripts: what each hands to the training, composed, validated and compared with the published settings."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from recipe.hpt import configs
from recipe.hpt.main_hpt import main
from recipe.hpt.reproduction.cells import WRONG, cell_of, demonstrations_of, map_cells
from recipe.hpt.reproduction.task.base_model import BaseModelSettings, build_model, build_tokenizer
from recipe.hpt.reproduction.task.questions import write_task
from tests.helpers.settings import prepare
from tests.unit.examples.published import (
    BASE_MODELS,
    LLAMA_TEMPLATE,
    RELEASED_METHODS,
    RL_STEPS,
    ROWS,
    VALIDATION,
    Row,
    settings_of,
)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
MAP = EXAMPLES / "run_map_qwen2.5_math_1.5b.sh"
SCRIPTS = sorted(path for path in EXAMPLES.glob("run_*.sh") if path != MAP)
STAGES = [(row, stage) for row in ROWS for stage in range(len(row.stages))]
TWO_STAGES = [row for row in ROWS if len(row.stages) == 2]
MODEL, FOLDER = "actor_rollout_ref.model.path", "trainer.default_local_dir"
# Keys of a command line that name a machine or a run.
PLACES = {
    "data.train_files", "data.val_files", MODEL, FOLDER,
    "trainer.nnodes", "trainer.n_gpus_per_node", "trainer.experiment_name", "hydra.run.dir",
}  # fmt: skip
# Stands in for the interpreter: keeps the command line, and leaves the last checkpoint as a training does.
RECORDER = r"""#!/usr/bin/env bash
set -eu
echo "$PWD" >> "$RECORDS/../folders"
printf '%s\0' "$@" > "$RECORDS/$(printf '%03d' "$(ls "$RECORDS" | wc -l)")"
[[ -z "${RECORDED_STATUS:-}" ]] || exit "$RECORDED_STATUS"
for argument in "$@"; do
    [[ "$argument" == trainer.default_local_dir=* ]] && folder="${argument#*=}" && folder="${folder:1:-1}"
done
mkdir -p "$folder/global_step_7/actor/huggingface"
echo '{}' > "$folder/global_step_7/actor/huggingface/config.json"
printf 7 > "$folder/latest_checkpointed_iteration.txt"
"""


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


class Launches:
    """Runs scripts with a recorder in place of the interpreter.

    Attributes:
        folder: folder of the recorder, its records and runs.
        environment: environment variables of every launch.
    """

    def __init__(self, folder: Path, **environment: str):
        self.folder = folder
        self.records = folder / "records"
        self.records.mkdir(parents=True)
        recorder = program(folder / "python", RECORDER)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHON": str(recorder),
            "RECORDS": str(self.records),
            "OUTPUT_DIR": str(folder / "run"),
            **environment,
        }

    def __call__(
        self, script: Path, *overrides: str, cwd: str | Path = "/", **environment: str
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", str(script), *overrides],
            env={**self.environment, **environment},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=30,
        )

    @property
    def commands(self) -> list[list[str]]:
        """Arguments of the trainings so far, one list each."""
        return [file.read_text().split("\0")[:-1] for file in sorted(self.records.iterdir())]


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> dict[str, str]:
    """A model and data in a folder whose name has all the characters that shells and Hydra treat in their own way."""
    folder = tmp_path_factory.mktemp("inputs") / 'it\'s (a) folder, {x}=1 "q"'
    train, val = write_task(folder, train_size=128, val_per_level=2)
    model = folder / "model"
    tokenizer = build_tokenizer()
    built = build_model(BaseModelSettings(hidden_size=32, num_layers=1, num_heads=1), tokenizer)
    built.config.max_position_embeddings = 16384  # as the prepared models have
    built.save_pretrained(model)
    tokenizer.save_pretrained(model)
    return {
        "MODEL_PATH": str(model),
        "TRAIN_FILE": str(train),
        "VAL_FILE": str(val),
        "OUTPUT_DIR": str(folder / "run"),
    }


@pytest.fixture
def launches(tmp_path) -> Launches:
    return Launches(tmp_path / "launches")


def copy_of_the_checkout(folder: Path) -> None:
    """What a script reads of the checkout."""
    shutil.copytree(EXAMPLES, folder / "examples")
    shutil.copytree(configs.FOLDER, folder / "recipe" / "hpt" / "config")


def script_of(row: Row) -> Path:
    return EXAMPLES / f"run_{row.name}.sh"


def overrides_of(command: list[str]) -> list[str]:
    assert command[:3] == ["-m", "recipe.hpt.main_hpt", "--config-name"]
    return command[4:]


def values_of(command: list[str]) -> dict[str, Any]:
    """Key -> value as Hydra reads a command line; of equal keys the last wins."""
    parsed = OverridesParser.create().parse_overrides(overrides_of(command))
    return {item.key_or_group: item.value() for item in parsed}


def compose(command: list[str]) -> DictConfig:
    """The configuration that a command line composes."""
    GlobalHydra.instance().clear()
    own = [item for item in overrides_of(command) if not item.startswith("hydra")]
    return configs.compose(own, name=command[3])


@pytest.fixture(scope="module")
def trainings(paths, tmp_path_factory) -> dict[tuple[str, int], tuple[list[str], DictConfig]]:
    """(row, stage) -> the command line and the configuration that has passed every check of a launch."""
    found = {}
    for row in ROWS:
        folder = tmp_path_factory.mktemp(row.name)
        launches = Launches(folder, **paths)
        launches.environment["OUTPUT_DIR"] = str(folder / "run")
        done = launches(script_of(row))
        assert done.returncode == 0, done.stderr
        assert len(launches.commands) == len(row.stages)
        for stage, command in enumerate(launches.commands):
            config = compose(command)
            prepare(config)
            found[row.name, stage] = command, config
    return found


def ids(value) -> str:
    return value.name if isinstance(value, Row) else str(value)


# ---- every script ----


def test_each_row_has_a_script_and_each_script_a_row():
    assert [path.name for path in SCRIPTS] == sorted(f"run_{row.name}.sh" for row in ROWS)
    assert all(os.access(path, os.X_OK) for path in SCRIPTS)


@pytest.mark.parametrize(("row", "stage"), STAGES, ids=ids)
def test_a_launch_has_the_published_settings(trainings, row, stage):
    _, config = trainings[row.name, stage]
    published = settings_of(row.model, row.stages[stage])
    if stage:
        published |= RL_STEPS.get(row.method, {})
    got = OmegaConf.to_container(config, resolve=True)
    for key, expected in published.items():
        value = got
        for part in key.split("."):
            assert part in value, f"no setting {key}"
            value = value[part]
        assert value == expected, key


@pytest.mark.parametrize("row", [row for row in ROWS if row.method in RELEASED_METHODS], ids=ids)
def test_the_arithmetic_of_the_text_is_a_variable_away(launches, paths, row):
    assert launches(script_of(row), **paths, ARITHMETIC="prompt").returncode == 0
    config = compose(launches.commands[0])
    prepare(config)
    for key, expected in settings_of(row.model, row.method, "prompt").items():
        assert OmegaConf.to_container(OmegaConf.create({"value": OmegaConf.select(config, key)}))["value"] == expected


@pytest.mark.parametrize("row", [row for row in ROWS if row.method not in RELEASED_METHODS], ids=ids)
def test_a_method_with_one_arithmetic_refuses_the_variable(launches, paths, row):
    done = launches(script_of(row), **paths, ARITHMETIC="prompt")
    assert (done.returncode, done.stdout, launches.commands) == (2, "", [])
    assert done.stderr == "error: got ARITHMETIC=prompt; only HPT, LUFFY and SRFT have two: unset it\n"


@pytest.mark.parametrize(("row", "stage"), STAGES, ids=ids)
def test_a_script_takes_its_settings_from_its_experiment_alone(trainings, row, stage):
    command, config = trainings[row.name, stage]
    values = values_of(command)
    assert values["experiment"] == row.experiments[stage]
    assert set(values) == {"experiment", *PLACES}
    assert config.trainer.experiment_name == (row.name if len(row.stages) == 1 else f"{row.name}_{row.stages[stage]}")


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_paths_arrive_whatever_their_characters(trainings, paths, row):
    _, config = trainings[row.name, 0]
    assert config.data.train_files == paths["TRAIN_FILE"]
    assert config.data.val_files == paths["VAL_FILE"]
    assert config.actor_rollout_ref.model.path == paths["MODEL_PATH"]
    assert config.trainer.nnodes == 1 and config.trainer.n_gpus_per_node == row.gpus
    assert config.trainer.experiment_name.startswith(row.name)


def test_the_template_of_llama_reaches_the_chat_template(trainings):
    for row in ROWS:
        _, config = trainings[row.name, 0]
        template = config.actor_rollout_ref.model.get("custom_chat_template")
        if row.model != "llama3.1_8b":
            assert template is None
            continue
        rendered = build_tokenizer().apply_chat_template(
            [{"role": "user", "content": "1+1?"}], chat_template=template, tokenize=False
        )
        assert rendered == LLAMA_TEMPLATE.replace("{prompt}", "1+1?")


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_defaults_are_in_the_checkout(tmp_path, row):
    launches = Launches(tmp_path / "launches", OUTPUT_DIR="")
    checkout = tmp_path / "a checkout, (with) spaces"
    copy_of_the_checkout(checkout)
    done = launches(checkout / "examples" / script_of(row).name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = values_of(launches.commands[0])
    # The interpreter finds `recipe` there.
    started_in = (launches.folder / "folders").read_text().splitlines()
    assert started_in == [str(checkout)] * len(row.stages)
    assert values["data.train_files"] == f"{checkout}/data/openr1_math_46k.parquet"
    assert values["data.val_files"] == [f"{checkout}/data/benchmarks/{name}.parquet" for name in VALIDATION]
    assert values[MODEL] == f"{checkout}/{BASE_MODELS[row.model]}"
    folder = f"{checkout}/runs/{row.name}"
    assert values[FOLDER] == (folder if len(row.stages) == 1 else f"{folder}/sft")


def test_the_scripts_are_clean():
    scripts = [path for path in EXAMPLES.rglob("*") if path.suffix in (".sh", ".sbatch")]
    assert {"launch.sh", "several_nodes.sbatch", "ray_node.sh"} <= {path.name for path in scripts}
    done = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), *sorted(scripts)],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stdout


def test_the_table_of_the_readme_has_every_script_with_its_tables():
    text = (EXAMPLES / "README.md").read_text()
    listed = dict(re.findall(r"^\| `run_(\S+)\.sh` \| ([^|]*) \|", text, flags=re.MULTILINE))
    assert sorted(listed) == sorted(row.name for row in ROWS)
    for row in ROWS:
        numbers = tuple(map(int, re.findall(r"\d+", listed[row.name].partition(" (")[0])))
        assert numbers == row.tables, row.name


# ---- overrides, paths, places ----


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_an_override_of_the_user_wins(launches, row):
    users = {
        "data.train_batch_size": 256,
        "actor_rollout_ref.actor.optim.lr": 3e-6,
        "hpt.strategy": "soft",
        "data.prompt_template": "{prompt}",
        "data.train_files": "/x",
        "hydra.run.dir": "/z",
    }
    done = launches(script_of(row), *(f"{key}={value!r}" for key, value in users.items()))
    assert done.returncode == 0, done.stderr
    for command in launches.commands:
        assert values_of(command).items() >= users.items()
    if row == ROWS[0]:
        config = compose(launches.commands[0])
        assert config.data.train_batch_size == 256 and config.hpt.strategy == "soft"


def test_relative_paths_are_relative_to_the_caller(launches, tmp_path):
    (tmp_path / "models" / "m").mkdir(parents=True)
    places = {"MODEL_PATH": "models/m", "TRAIN_FILE": "a.parquet", "VAL_FILE": "b.parquet"}
    done = launches(SCRIPTS[0], cwd=tmp_path, OUTPUT_DIR="out", PYTHON="launches/python", **places)
    assert done.returncode == 0, done.stderr
    values = values_of(launches.commands[0])
    assert values[MODEL] == str(tmp_path / "models" / "m")
    assert values["data.train_files"] == str(tmp_path / "a.parquet")
    assert values["data.val_files"] == str(tmp_path / "b.parquet")
    assert values[FOLDER] == str(tmp_path / "out")


def test_hub_ids_and_lists_of_files_stay_what_they_are(launches, tmp_path):
    done = launches(SCRIPTS[0], cwd=tmp_path, MODEL_PATH="meta/M-8B", VAL_FILE="[/a.parquet,/b.parquet]")
    assert done.returncode == 0, done.stderr
    values = values_of(launches.commands[0])
    assert values[MODEL] == "meta/M-8B"
    assert values["data.val_files"] == ["/a.parquet", "/b.parquet"]


def test_another_configuration_keeps_its_sizes(launches):
    done = launches(SCRIPTS[0], CONFIG="quickstart")
    assert done.returncode == 0, done.stderr
    (command,) = launches.commands
    assert command[3] == "quickstart"
    config = compose(command)
    assert config.data.train_batch_size == 64 and config.data.max_response_length == 64
    assert config.hpt.rollout_algorithm == "grpo" and config.data.prompt_template == LLAMA_TEMPLATE


def test_each_launch_keeps_its_configuration_beside_the_run_and_a_dry_run_writes_nothing(launches):
    launches(SCRIPTS[0])
    launches(SCRIPTS[0], DRY_RUN="1")
    real, dry = launches.commands
    run = launches.environment["OUTPUT_DIR"]
    assert f'hydra.run.dir="{run}/hydra/${{now:%Y-%m-%d_%H-%M-%S}}"' in real
    assert {"hydra.run.dir=.", "hydra.output_subdir=null"} <= set(dry)


@pytest.mark.parametrize(
    ("script", "environment", "message"),
    [
        (
            "launch.sh",
            {},
            "error: got examples/launch.sh as a program; expected one of the scripts",
        ),
        (
            SCRIPTS[0].name,
            {"PYTHON": "no-such-python"},
            "error: got PYTHON=no-such-python, which is no program",
        ),
    ],
)
def test_a_launch_that_cannot_work_is_refused(launches, script, environment, message):
    done = launches(EXAMPLES / script, **environment)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert not launches.commands


# ---- two stages ----


def stage_names(launches: Launches) -> list[str]:
    return [Path(values_of(command)[FOLDER]).name for command in launches.commands]


@pytest.mark.parametrize("row", TWO_STAGES, ids=ids)
def test_the_second_stage_starts_from_the_first_ones_checkpoint(trainings, row):
    _, sft = trainings[row.name, 0]
    _, rl = trainings[row.name, 1]
    folder = Path(sft.trainer.default_local_dir)
    assert folder.name == "sft"
    assert (folder / "finished").exists()
    assert rl.trainer.default_local_dir == str(folder.parent / row.stages[1])
    assert rl.actor_rollout_ref.model.path == str(folder / "global_step_7/actor/huggingface")


def test_a_failed_first_stage_is_launched_again_and_a_finished_one_is_not(launches):
    script = script_of(TWO_STAGES[0])
    assert launches(script, RECORDED_STATUS="130").returncode == 130
    assert not (launches.folder / "run" / "sft" / "finished").exists()
    assert stage_names(launches) == ["sft"]
    assert launches(script).returncode == 0
    assert stage_names(launches) == ["sft", "sft", "grpo"]
    again = launches(script, RECORDED_STATUS="1")
    assert again.returncode == 1 and "first stage: finished before, in " in again.stdout
    assert stage_names(launches) == ["sft", "sft", "grpo", "grpo"]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ((), {"DRY_RUN": "1"}),
        ((), {"CHECK": "1"}),
        (("--check",), {}),
        (("--cfg", "job"), {}),
        (("-cjob",), {}),
        (("-iall",), {}),
    ],
)
def test_a_look_finishes_no_stage(launches, arguments, environment):
    script = script_of(TWO_STAGES[0])
    assert launches(script, *arguments, MODEL_PATH="a/b", **environment).returncode == 0
    assert not (launches.folder / "run" / "sft" / "finished").exists()
    assert sum('actor_rollout_ref.model.path="a/b"' in command for command in launches.commands) == 2
    # After a real first stage, a look shows both as they are.
    launches(script)
    launches(script, *arguments, MODEL_PATH="a/b", **environment)
    assert len(launches.commands) == 6
    assert f"{launches.folder}/run/sft/global_step_7/actor/huggingface" in "".join(launches.commands[-1])


@pytest.mark.parametrize("option", ["--config-dir=/own", "--multirun", "-p", "-cn", "-cd=/own"])
def test_a_stage_with_an_option_that_does_not_look_is_a_training(launches, option):
    """What main_hpt refuses ends the first stage; nothing else may let the second one start from the base model."""
    launches(script_of(TWO_STAGES[0]), option, "data.seed=2", MODEL_PATH="a/b")
    assert (launches.folder / "run" / "sft" / "finished").exists()
    assert f"{launches.folder}/run/sft/global_step_7/actor/huggingface" in "".join(launches.commands[1])


@pytest.mark.parametrize("prefix", ["+", "++", "~"])
@pytest.mark.parametrize("key", ["actor_rollout_ref.model.path", "trainer.default_local_dir"])
def test_what_a_stage_sets_is_refused_in_every_form(launches, prefix, key):
    done = launches(script_of(TWO_STAGES[0]), f"{prefix}{key}=/other")
    assert done.returncode == 2 and f"error: got {prefix}{key}=/other; expected a " in done.stderr
    assert not launches.commands


@pytest.mark.parametrize("variable", ["DRY_RUN", "CHECK"])
def test_a_word_for_yes_starts_no_training(launches, variable):
    done = launches(SCRIPTS[0], **{variable: "true"})
    assert (done.returncode, done.stderr) == (2, f"error: got {variable}=true; expected 1 or 0\n")
    assert not launches.commands


@pytest.mark.parametrize(
    ("override", "variable"),
    [
        ("trainer.default_local_dir=/x", "OUTPUT_DIR"),
        ("actor_rollout_ref.model.path=/x", "MODEL_PATH"),
    ],
)
@pytest.mark.parametrize("whose", ["arguments", "SFT_OVERRIDES", "RL_OVERRIDES"])
def test_what_each_stage_sets_for_itself_is_not_overridden(launches, override, variable, whose):
    script = script_of(TWO_STAGES[0])
    if whose == "arguments":
        done = launches(script, override)
    else:
        done = launches(script, **{whose: f"data.seed=3 {override}"})
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: got {override}; expected a ")
    assert done.stderr.endswith(f" per stage: set {variable}\n")
    assert not launches.commands


@pytest.mark.parametrize("lost", ["latest_checkpointed_iteration.txt", "global_step_7"])
def test_a_finished_stage_without_its_checkpoint_is_refused(launches, lost):
    script = script_of(TWO_STAGES[0])
    launches(script)
    (launches.folder / "run" / "sft" / lost).rename(launches.folder / "lost")
    done = launches(script)
    assert done.returncode == 2
    assert "error: got a finished stage" in done.stderr and lost in done.stderr
    assert len(launches.commands) == 2


def test_overrides_of_one_stage_and_data_of_the_second(launches):
    done = launches(
        script_of(TWO_STAGES[0]),
        "trainer.save_freq=5",
        SFT_OVERRIDES="trainer.total_epochs=1 data.seed=3",
        RL_OVERRIDES="trainer.save_freq=7",
        RL_TRAIN_FILE="/rest.parquet",
    )
    assert done.returncode == 0, done.stderr
    sft, grpo = map(values_of, launches.commands)
    assert (sft["trainer.total_epochs"], sft["data.seed"], sft["trainer.save_freq"]) == (1, 3, 5)
    assert grpo["trainer.save_freq"] == 7
    assert not {"trainer.total_epochs", "data.seed"} & set(grpo)
    assert grpo["data.train_files"] == "/rest.parquet" != sft["data.train_files"]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_training_of_the_first_stage(launches, sent):
    waiting = """#!/usr/bin/env bash
trap 'echo ended > "$RECORDS/ended"; exit 130' TERM
touch "$RECORDS/started"
while true; do sleep 0.05; done
"""
    program(launches.folder / "python", waiting)
    process = subprocess.Popen(["bash", str(script_of(TWO_STAGES[0]))], env=launches.environment)
    try:
        deadline = time.monotonic() + 20
        while not (launches.records / "started").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(sent)
        assert process.wait(20) == 130
    finally:
        process.kill()
    assert (launches.records / "ended").exists()
    assert not (launches.folder / "run" / "sft" / "finished").exists()


# ---- as a user runs them ----


def dry_run(python: str, script: Path, paths: dict[str, str], *overrides: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", str(script), *overrides],
        env={**os.environ, **paths, "DRY_RUN": "1", "PYTHON": python},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_a_dry_run_prints_the_configuration_of_both_stages_and_validates_it(interpreter, paths, tmp_path):
    checkout = tmp_path / "a checkout"
    checkout.symlink_to(ROOT)
    row = TWO_STAGES[-1]
    script = checkout / "examples" / f"run_{row.name}.sh"
    done = dry_run(interpreter, script, paths, "hpt.poll_interval=0.25")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("dry run: configuration, data and paths are valid") == 2
    printed = list(yaml.safe_load_all(done.stdout))
    assert len(printed) == 2
    for config, stage in zip(printed, row.stages, strict=True):
        published = settings_of(row.model, stage)
        assert config["hpt"]["poll_interval"] == 0.25
        assert config["hpt"]["strategy"] == published["hpt.strategy"]
        assert config["data"].get("prompt_template") == published["data.prompt_template"]  # null is verl's own
        assert config["actor_rollout_ref"]["model"]["path"] == paths["MODEL_PATH"]
    assert not Path(paths["OUTPUT_DIR"]).exists()


def exit_status(command: list[str], monkeypatch) -> int:
    """The exit status of ``python -m recipe.hpt.main_hpt`` with a script's command line, in this process."""
    GlobalHydra.instance().clear()
    monkeypatch.setattr("sys.argv", ["main_hpt.py", *command[2:]])
    monkeypatch.setenv("DRY_RUN", "1")
    return main()


@pytest.mark.parametrize(
    ("overrides", "environment", "message"),
    [
        (["hpt.gama=0.5"], {}, "error: Unknown setting 'hpt.gama'. Did you mean hpt.gamma"),
        (["hpt.gamma=2"], {}, "error: got hpt.gamma=2; expected "),
        (
            [],
            {"TRAIN_FILE": "/no.parquet"},
            "error: got data.train_files=/no.parquet, which does not exist",
        ),
        (
            [],
            {"VAL_FILE": "/no.parquet"},
            "error: got data.val_files=/no.parquet, which does not exist",
        ),
        (
            [],
            {"MODEL_PATH": "/no"},
            "error: got actor_rollout_ref.model.path=/no, which does not exist",
        ),
        (
            [],
            {"MODEL_PATH": "models/no"},  # in the folder of the launch, which is /
            "error: got actor_rollout_ref.model.path=//models/no, which does not exist",
        ),
        (
            [],
            {"GPUS_PER_NODE": "7"},
            "error: got 64 questions x 8 rollouts per optimizer step on 7 data-parallel ranks",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_refused_with_what_to_do(launches, paths, overrides, environment, message, monkeypatch, capsys):
    launches(
        EXAMPLES / "run_qwen2.5_math_7b_hpt.sh",
        *overrides,
        **{**paths, "DRY_RUN": "1", **environment},
    )
    (command,) = launches.commands
    assert exit_status(command, monkeypatch) == 2
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    assert err.splitlines()[-1].startswith(message)


# ---- the map ----

MAP_METHODS = {
    "sft": "sft_only", "grpo": "rl_only", "sft_then_grpo": "sft_only", "hpt": "switch", "hpt_gamma_2_8": "switch",
    "luffy": "luffy", "srft": "srft", "chord": "chord", "relift": "relift", "self_distill": "self_distill",
    "prefix_rft": "prefix_rft",
}  # fmt: skip
NEED_DEMONSTRATIONS = ("sft", "sft_then_grpo", "luffy", "srft")


def listed(launches: Launches, **environment: str) -> list[dict[str, str]]:
    """The trainings that the map's script lists, as environment variables."""
    done = launches(MAP, **environment)
    assert done.returncode == 0 and not launches.commands, done.stderr
    return [dict(word.split("=") for word in line.split()[1:]) for line in done.stdout.splitlines()]


def map_launch(launches: Launches, paths: dict[str, str], training: dict[str, str], *overrides, **environment):
    places = {name: paths[name] for name in ("MODEL_PATH", "TRAIN_FILE", "VAL_FILE")}
    return launches(MAP, *overrides, **places, **training, **environment)


def making_data(launches: Launches) -> None:
    """The recorder runs the commands of `hpt` itself, and records the others."""
    delegate = f'if [[ "$2" == hpt.cli ]]; then PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"; fi'
    program(launches.folder / "python", RECORDER.replace("set -eu\n", f"set -eu\n{delegate}\n"))


def test_the_map_has_the_cells_of_the_small_one_and_grpo_once_per_seed(launches):
    trainings = listed(launches, SEEDS="1 2")
    methods = {method: [each for each in trainings if each["METHOD"] == method] for method in MAP_METHODS}
    assert sum(map(len, methods.values())) == len(trainings)
    small = [cell for cell in map_cells() if demonstrations_of(cell).style == "model"]
    for method, found in methods.items():
        cells = [cell_of(float(each["WRONG"]), float(each["COVERAGE"])) for each in found if each["SEED"] == "1"]
        assert cells == (small if method != "grpo" else [cell_of(WRONG[0], 1.0)])
        assert 2 * len(cells) == len(found)
    assert len(listed(launches)) == 121  # the array in the script's head


@pytest.mark.parametrize("method", MAP_METHODS)
def test_every_method_of_the_map_is_composed_and_validated(launches, paths, method, monkeypatch, capsys):
    training = {"METHOD": method, "WRONG": "0", "COVERAGE": "1", "SEED": "3"}
    done = map_launch(launches, paths, training, DRY_RUN="1")
    assert done.returncode == 0, done.stderr
    assert len(launches.commands) == 1 + (method == "sft_then_grpo")
    for stage, command in enumerate(launches.commands):
        assert exit_status(command, monkeypatch) == 0
        printed = capsys.readouterr().out
        assert "configuration, data and paths are valid" in printed
        config = yaml.safe_load(printed)
        assert (config["data"]["seed"], config["actor_rollout_ref"]["rollout"]["seed"]) == (3, 3)
        assert config["data"]["train_files"] == paths["TRAIN_FILE"]
        hpt = config["hpt"]
        assert hpt["strategy"] == (MAP_METHODS[method] if not stage else "rl_only")
        assert (hpt["normalization"], hpt["demonstration_score"]) == ("prompt", "one")
        steps = {"chord": "mu_decay_steps", "prefix_rft": "decay_steps"}.get(method)
        assert steps is None or hpt["params"][steps] == config["trainer"]["total_training_steps"]
        assert hpt["gamma"] == (2 / 8 if method == "hpt_gamma_2_8" else 0)


def test_a_dry_run_of_every_training_of_the_map(launches, paths):
    trainings, folders = listed(launches), set()
    for training in trainings:
        done = map_launch(launches, paths, training, DRY_RUN="1")
        assert done.returncode == 0, done.stderr
        *_, last = sorted(launches.records.iterdir())
        arguments = dict(word.partition("=")[::2] for word in last.read_text().split("\0"))
        flawless = (training["WRONG"], training["COVERAGE"]) == ("0", "1")
        assert ("stands in for it" in done.stderr) == (not flawless)
        folders.add(arguments[FOLDER])
    assert len(folders) == len(trainings)
    assert not list(Path(paths["TRAIN_FILE"]).parent.glob("*_seed1*"))


def test_the_map_makes_the_data_of_a_cell_once(launches, paths, tmp_path, monkeypatch, capsys):
    making_data(launches)
    train = tmp_path / "a, (b).parquet"
    shutil.copy(paths["TRAIN_FILE"], train)
    here = paths | {"TRAIN_FILE": train.name}
    small = ("data.train_batch_size=32", "actor_rollout_ref.actor.ppo_mini_batch_size=32")  # 32 questions are covered
    made = tmp_path / "a, (b)_wrong0.5_coverage0.25_seed1.parquet"
    covered = made.with_name(f"{made.stem}_covered.parquet")
    for method in ("hpt", *NEED_DEMONSTRATIONS):
        training = {"METHOD": method, "WRONG": "0.5", "COVERAGE": "0.25"}
        done = map_launch(launches, here, training, *small, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert ("wrong_step" in done.stdout) == (method == "hpt")
        first = launches.commands[-1 if method != "sft_then_grpo" else -2]
        assert values_of(first)["data.train_files"] == str(covered if method in NEED_DEMONSTRATIONS else made)
        assert exit_status(first, monkeypatch) == 0
        if method == "sft_then_grpo":
            assert values_of(launches.commands[-1])["data.train_files"] == str(train)
    rows = pq.read_table(made).to_pylist()
    assert [row["prompt"] for row in rows] == [row["prompt"] for row in pq.read_table(train).to_pylist()]
    assert sum(row["extra_info"]["demonstration"] == "wrong_step" for row in rows) == len(rows) / 8
    assert len(pq.read_table(covered)) == len(rows) / 4


def test_a_job_array_takes_its_training_from_the_list(launches, paths):
    trainings = listed(launches)
    done = map_launch(launches, paths, {}, SLURM_ARRAY_TASK_ID="17", DRY_RUN="1")
    assert done.returncode == 0, done.stderr
    assert "{METHOD}_wrong{WRONG}".format(**trainings[16]) in values_of(launches.commands[0])[FOLDER]


@pytest.mark.parametrize(
    "environment",
    [
        {"METHOD": "no"},
        {"METHOD": "hpt", "WRONG": "3"},
        {"METHOD": "hpt", "COVERAGE": "0"},
        {"METHOD": "grpo", "WRONG": "0.1"},
        {"SLURM_ARRAY_TASK_ID": "122"},
        {"METHOD": "sft", "ARITHMETIC": "released"},
    ],
    ids=str,
)
def test_a_training_that_the_map_does_not_have_is_refused(launches, paths, environment):
    done = map_launch(launches, paths, environment)
    assert done.returncode == 2 and not launches.commands
    name = list(environment)[-1]
    assert done.stderr.startswith("error: got ") and f"{name}={environment[name]}" in done.stderr
