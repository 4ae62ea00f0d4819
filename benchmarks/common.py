# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: tasks and models of given sizes, launches as a user's, medians, tables, results."""

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from hpt.common.training_log import Run, read_run
from hpt.common.versions import commit_of, versions
from recipe.hpt.launch import LOG_FILE, ROOT, run_process

WARM_UP = 2
"""Steps at the start of a training that do not count."""
OURS = (sys.executable, "-m", "recipe.hpt.main_hpt", "--config-name", "quickstart")
REWARD_FILE = Path(__file__).with_name("reward.py")
MAX_PROMPT = 32
LEVELS = (1, 2)
"""Their demonstrations have 19 and 26 tokens, and fit into every size."""
PACKAGES = ("hpt", "python", "torch", "transformers", "verl", "vllm", "ray")
LOG_LINES = 15

Values = Mapping[str, float]
"""Column -> value of one measurement; the first column is the one that is compared."""


@dataclass(frozen=True)
class Size:
    """A model (hidden size, layers, heads) and a batch (questions, rollouts per question, tokens per rollout)."""

    hidden: int
    layers: int
    heads: int
    questions: int
    rollouts: int
    tokens: int


SIZES = {"small": Size(64, 6, 2, 32, 8, 32), "large": Size(512, 7, 8, 8, 8, 128)}
"""0.3 M and 24 M parameters."""
TINY = Size(64, 2, 2, 4, 2, 32)


def parser(doc: str, repeat: int = 3) -> argparse.ArgumentParser:
    """Options of every benchmark; what else is given overrides config/quickstart.yaml."""
    options = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeat", type=int, default=repeat, help=f"measurements of each ({repeat})")
    options.add_argument("--out", type=Path, help="JSON file for all values and the machine")
    return options


def new_folder(name: str) -> Path:
    """A folder for the runs of one benchmark, in the checkout's runs/; it is kept."""
    folder = ROOT / "runs" / "benchmarks" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True)
    return folder


def make_task(folder: Path, size: Size) -> None:
    """Write questions and a model with random weights into ``folder``."""
    from recipe.hpt.reproduction.task.model import BaseModelSettings, build_model, build_tokenizer
    from recipe.hpt.reproduction.task.questions import write_task

    write_task(folder, seed=0, train_size=64 * size.questions, val_per_level=1, train_levels=LEVELS)
    tokenizer = build_tokenizer()
    settings = BaseModelSettings(hidden_size=size.hidden, num_layers=size.layers, num_heads=size.heads)
    model = build_model(settings, tokenizer)
    print(f"model: {model.num_parameters():,} parameters; {size}", flush=True)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")


def overrides_of(task: Path, size: Size, steps: int, ends: bool = False) -> list[str]:
    """Overrides for verl and for us: the batch in one optimizer step, and nothing but steps.

    Args:
        ends: whether a response ends at the end-of-sequence token; otherwise each has full length.
    """
    return [
        f"data.train_files={task / 'train.parquet'}",
        f"data.val_files={task / 'val.parquet'}",
        "data.shuffle=false",
        f"data.train_batch_size={size.questions}",
        f"data.max_prompt_length={MAX_PROMPT}",
        f"data.max_response_length={size.tokens}",
        f"actor_rollout_ref.model.path={task / 'model'}",
        f"actor_rollout_ref.actor.ppo_mini_batch_size={size.questions}",
        "actor_rollout_ref.actor.ppo_epochs=1",
        f"actor_rollout_ref.rollout.n={size.rollouts}",
        f"actor_rollout_ref.rollout.ignore_eos={not ends}",
        f"actor_rollout_ref.rollout.max_model_len={MAX_PROMPT + size.tokens}",
        "trainer.logger=[file]",
        "trainer.val_before_train=false",
        "trainer.test_freq=-1",
        "trainer.save_freq=-1",
        f"trainer.total_training_steps={steps}",
    ]


def random_rewards(share: float = 0.0) -> list[str]:
    """Overrides for the rewards of reward.py, in one worker."""
    function = "reward.custom_reward_function"
    return [f"{function}.path={REWARD_FILE}", f"++{function}.reward_kwargs.share={share}", "reward.num_workers=1"]


def train(
    folder: Path,
    overrides: Sequence[str],
    watch: Callable[[subprocess.Popen], Any] = subprocess.Popen.wait,
    command: Sequence[str] = OURS,
) -> Run:
    """Train in a process of its own and return its metrics; ends this program if it fails."""
    folder.mkdir(parents=True)
    places = [f"trainer.default_local_dir={folder}", f"hydra.run.dir={folder / 'hydra'}"]
    if status := run_process([*command, *places, *overrides], folder, watch):
        log = folder / LOG_FILE
        print(*log.read_text(errors="replace").splitlines()[-LOG_LINES:], sep="\n", file=sys.stderr)
        raise SystemExit(f"error: a training ended with status {status}; its log: {log}")
    return read_run(folder)


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result; it runs in a fresh interpreter with as many threads as a training has."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as recipe.hpt.launch does
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def after_warm_up(run: Run, metric: str) -> float:
    """Median of a metric over the steps after the first ones."""
    return median(value for step, value in run.series(metric).items() if step > WARM_UP)


def measure(arms: Mapping[str, Callable[[], Values]], repeat: int) -> dict[str, list[Values]]:
    """Measure all in turn, ``repeat`` times over: A B A B ..., so that a busy spell of the machine meets each."""
    results: dict[str, list[Values]] = {name: [] for name in arms}
    for number in range(repeat):
        for name, arm in arms.items():
            results[name].append(arm())
            shown = ", ".join(f"{column} {value:.4g}" for column, value in results[name][-1].items())
            print(f"[{number + 1}/{repeat}] {name}: {shown}", flush=True)
    return results


def summary(results: Mapping[str, Sequence[Values]]) -> dict[str, dict[str, float]]:
    """Median of each column, and of the ratios to the first arm, repeat by repeat, of the first column."""
    first = next(iter(results.values()))
    compared = next(iter(first[0]))
    rows: dict[str, dict[str, float]] = {}
    for name, values in results.items():
        ratio = median(mine[compared] / other[compared] for mine, other in zip(values, first, strict=True))
        medians = {column: median(each[column] for each in values) for column in values[0]}
        rows[name] = {compared: medians.pop(compared), "ratio": ratio, **medians}
    return rows


def table(rows: Mapping[str, Values], label: str) -> str:
    """The rows in Markdown; a value that a row lacks is a dash."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [[label, *columns], ["---"] * (1 + len(columns))]
    lines += [[name, *(_shown(row.get(column)) for column in columns)] for name, row in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return ("no", "yes")[value] if isinstance(value, bool) else f"{value:,.4g}"


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0].partition(":")[2].strip() if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average": os.getloadavg(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", "1"),
        "versions": versions(*PACKAGES),
        "commit": commit_of(ROOT),
    }


def finish(name: str, out: Path | None, rows: Mapping[str, Values], **details: Any) -> None:
    """Print the table, and write it with the machine and further details into ``out``."""
    print(f"\n{table(rows, name)}")
    if out is not None:
        out.write_text(json.dumps({"benchmark": name, "machine": machine(), "rows": rows, **details}, indent=2) + "\n")
        print(f"wrote {out}")
