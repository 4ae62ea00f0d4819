# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The whole job on a laptop: make the built-in task and its base model, train with HPT, and show the result.

python -m recipe.hpt.quickstart [--seed S] [--out DIR] [options for the demonstrations] [overrides of quickstart.yaml]
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from hpt.common.errors import ConfigError
from hpt.common.training_log import METRICS_FILE
from recipe.hpt.launch import LOG_FILE, ROOT, run_training, steps_until_end
from recipe.hpt.reproduction.task.options import add_options, check_length, demonstrations_of, write_files

PLOT_FILE = "training.png"
LOG_LINES = 15
"""Lines of the log to print after a failure."""


def _arguments(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m recipe.hpt.quickstart",
        description="Train the built-in task on this machine's CPU. Further arguments override config/quickstart.yaml.",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the task, the base model and the run")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "quickstart", help="folder to write into")
    add_options(parser)
    options, overrides = parser.parse_known_args(arguments)
    wrong = [item for item in overrides if item.startswith("-") or "=" not in item]
    if wrong:
        parser.error(f"got '{wrong[0]}'; expected key=value, an override of config/quickstart.yaml")
    options.out = options.out.expanduser().resolve()
    return options, overrides


def make_task(folder: Path, seed: int) -> None:
    """Write the task and train its base model into ``folder``, unless they are there."""
    from recipe.hpt.reproduction.task.base_model import (
        MODEL_FOLDER,
        BaseModelSettings,
        accuracy_table,
        train_base_model,
    )
    from recipe.hpt.reproduction.task.questions import write_task

    write_task(folder, seed=seed)
    manifest = train_base_model(folder / MODEL_FOLDER, BaseModelSettings(seed=seed))
    print(f"Base model ({manifest['parameters']:,} parameters, trained on levels 1 and 2), held-out accuracy:")
    print(accuracy_table(manifest), flush=True)


def new_run_folder(out: Path, seed: int) -> Path:
    """A folder for this run alone, so that a second run keeps the first; not made yet."""
    stem = f"seed{seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    number = 1
    while (folder := out / (stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return folder


def _overrides(folder: Path, task: Path, questions: Path, seed: int) -> list[str]:
    """What this run sets in config/quickstart.yaml."""
    return [
        f"data.train_files={questions / 'train.parquet'}",
        f"data.val_files={questions / 'val.parquet'}",
        f"data.seed={seed}",
        f"actor_rollout_ref.model.path={task / 'base_model'}",
        f"actor_rollout_ref.rollout.seed={seed}",
        f"trainer.default_local_dir={folder}",
        f"hydra.run.dir={folder / 'hydra'}",
    ]


def train(folder: Path, overrides: Sequence[str], total_steps: int) -> int:
    """Train with a progress bar and the output in a log file; return the exit status."""

    def watch(process: subprocess.Popen) -> None:
        with tqdm(total=total_steps, desc="starting Ray, FSDP and vLLM", unit="step", mininterval=0) as bar:
            for steps in steps_until_end(process, folder):
                if (folder / METRICS_FILE).exists():
                    bar.set_description("training")
                bar.update(steps - bar.n)
                bar.refresh()

    return run_training(folder, overrides, watch)


def report(folder: Path) -> None:
    """Print the run's table and where its files are, and draw its figure."""
    from hpt.common.training_log import read_run
    from recipe.hpt.reproduction.report.one_run import plot, summary
    from recipe.hpt.reproduction.task.questions import TRAIN_LEVELS

    run = read_run(folder)
    plot(run, TRAIN_LEVELS, folder / PLOT_FILE)
    checkpoints = sorted(folder.glob("global_step_*"), key=lambda path: int(path.name.split("_")[-1]))
    places = {
        "checkpoint": checkpoints[-1] / "actor" if checkpoints else "none (trainer.save_freq=-1)",
        "metrics": folder / METRICS_FILE,
        "TensorBoard": folder / "tensorboard",
        "plot": folder / PLOT_FILE,
        "log": folder / LOG_FILE,
    }
    print(f"\n{summary(run, TRAIN_LEVELS)}\n")
    for name, place in places.items():
        print(f"{name:<12}{place}")


def _report_failure(folder: Path, status: int) -> None:
    log = folder / LOG_FILE
    print(*log.read_text(errors="replace").splitlines()[-LOG_LINES:], sep="\n", file=sys.stderr)
    print(f"\nerror: the training ended with status {status}; its log: {log}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the quickstart, and return the exit status.

    It is 0 when done, 1 if the training failed, 2 for wrong settings, 130 when interrupted.
    """
    options, given = _arguments(arguments)
    from hydra.errors import HydraException

    from recipe.hpt.configs import compose

    try:
        demonstrations = demonstrations_of(options)
        task = options.out / f"task-seed{options.seed}"
        questions = task / demonstrations.label  # the base model is the same for all demonstrations
        folder = new_run_folder(options.out, options.seed)
        overrides = [*_overrides(folder, task, questions, options.seed), *given]
        config = compose(overrides)
        total_steps = config.trainer.total_training_steps
        check_length(demonstrations.style, config.data.max_response_length, config.data.max_target_length)
        make_task(task, options.seed)
        if demonstrations.label or options.extra_sets:
            write_files(questions, options.seed, demonstrations, options.extra_sets)
        folder.mkdir(parents=True)
        status = train(folder, overrides, total_steps)
    except HydraException as error:
        from hpt.verl_ext.names import explain

        print(f"error: {explain(str(error))}", file=sys.stderr)
        return 2
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    if status:
        _report_failure(folder, status)
        return 2 if status == 2 else 1
    report(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
