# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The whole job on a laptop: make the built-in task and its base model, train with HPT, show what came out.

python -m recipe.hpt.quickstart [--seed S] [--out DIR] [overrides of config/quickstart.yaml]
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from recipe.hpt.launch import LOG_FILE, METRICS_FILE, ROOT, compose, run_training, steps_until_end

PLOT_FILE = "training.png"


def _arguments(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m recipe.hpt.quickstart",
        description="Train the built-in task on this machine's CPU. Further arguments override config/quickstart.yaml.",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the task, the base model and the run")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "quickstart", help="folder to write into")
    options, overrides = parser.parse_known_args(arguments)
    wrong = [item for item in overrides if item.startswith("-") or "=" not in item]
    if wrong:
        parser.error(f"got '{wrong[0]}'; expected key=value, an override of config/quickstart.yaml")
    options.out = options.out.expanduser().resolve()
    return options, overrides


def make_task(folder: Path, seed: int) -> None:
    """Write the task and train its base model into ``folder``, unless they are there."""
    from recipe.hpt.reproduction.task.base_model import (
        BaseModelSettings,
        accuracy_table,
        train_base_model,
    )
    from recipe.hpt.reproduction.task.questions import write_task

    write_task(folder, seed=seed)
    manifest = train_base_model(folder / "base_model", BaseModelSettings(seed=seed))
    print(f"Base model ({manifest['parameters']:,} parameters, trained on levels 1 and 2), held-out accuracy:")
    print(accuracy_table(manifest), flush=True)


def new_run_folder(out: Path, seed: int) -> Path:
    """A folder of its own for each run, so that running twice keeps both."""
    stem = f"seed{seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    number = 1
    while (folder := out / (stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    folder.mkdir(parents=True)
    return folder


def _watch(process: subprocess.Popen, metrics: Path, total: int) -> None:
    """Show the training's progress until it ends."""
    with tqdm(total=total, desc="starting Ray, FSDP and vLLM", unit="step", mininterval=0) as bar:
        for steps in steps_until_end(process, metrics):
            if metrics.exists():
                bar.set_description("training")
            bar.update(steps - bar.n)
            bar.refresh()


def train(folder: Path, task: Path, seed: int, overrides: Sequence[str]) -> int:
    """Run the training with its output in a log file; returns its exit status."""
    every = [
        f"data.train_files={task / 'train.parquet'}",
        f"data.val_files={task / 'val.parquet'}",
        f"data.seed={seed}",
        f"actor_rollout_ref.model.path={task / 'base_model'}",
        f"actor_rollout_ref.rollout.seed={seed}",
        f"trainer.default_local_dir={folder}",
        f"hydra.run.dir={folder / 'hydra'}",
        *overrides,
    ]
    total = compose(every).trainer.total_training_steps
    return run_training(folder, every, lambda process: _watch(process, folder / METRICS_FILE, total))


def report(folder: Path) -> None:
    """Print the table and write the figure."""
    from hpt.common.training_log import plot, read_run, summary
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 training failed, 2 wrong settings, 130 interrupted."""
    options, overrides = _arguments(arguments)
    from hydra.errors import HydraException

    try:
        task = options.out / f"task-seed{options.seed}"
        folder = new_run_folder(options.out, options.seed)
        make_task(task, options.seed)
        status = train(folder, task, options.seed, overrides)
    except HydraException as error:
        from hpt.verl_ext.validation import explain

        print(f"error: {explain(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    if status:
        tail = (folder / LOG_FILE).read_text(errors="replace").splitlines()[-15:]
        print(
            "\n".join(tail),
            f"\nerror: the training ended with status {status}; its log: {folder / LOG_FILE}",
            sep="\n",
            file=sys.stderr,
        )
        return 2 if status == 2 else 1
    report(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
