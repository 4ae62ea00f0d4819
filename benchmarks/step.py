# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds of a training step: ours, plain verl's and TRL's; or HPT's at several shares of SFT against GRPO's.

All have the same model, questions, number of rollouts and tokens per rollout, random rewards so that every group
trains, and one optimizer step per batch. A measurement is the median over the steps after the first two. With --eos a
rollout ends at its end-of-sequence token, and the column "tokens" has the mean length.

    python -m benchmarks.step --size small --trl runs/trl       # frameworks
    python -m benchmarks.step --size small --compare shares     # HPT against GRPO

TRL is optional: pip install --no-deps --target runs/trl trl. It has a folder of its own because verl 0.9.1 cannot build
a model where TRL 1 is importable: it asks for a class that TRL has removed.

Further arguments override config/quickstart.yaml for ours. With one optimizer step per batch TRL has no pass for the
old log-probabilities; hpt.old_log_probs=when_off_policy leaves it out in ours, always has it as verl does.
"""

import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from benchmarks.common import (
    SIZES,
    WARM_UP,
    Size,
    Values,
    after_warm_up,
    finish,
    in_new_process,
    make_task,
    measure,
    median,
    new_folder,
    overrides_of,
    parser,
    random_rewards,
    summary,
    train,
)
from hpt.common.training_log import METRICS_FILE, SFT_SHARE, Run
from hpt.verl_ext.cpu.environment import ENVIRONMENT, NAME, PLATFORM_ENV
from recipe.hpt.configs import FOLDER
from recipe.hpt.launch import ROOT

FRAMEWORKS = ("ours", "verl", "trl")
SHARES = {"HPT, share 0": 0.0, "HPT, share 1/2": 0.5, "HPT, share 1": 1.0}
COLUMNS = {
    "step s": "timing_s/step",
    "generation s": "timing_s/gen",
    "old log-probs s": "timing_s/old_log_prob",
    "update s": "timing_s/update_actor",
    "SFT share": SFT_SHARE,
    "tokens": "response_length/mean",
}
# What plain verl has to be set to beside the values of cpu.yaml and quickstart.yaml, to train as rl_only does.
VERLS = (
    "algorithm.adv_estimator=grpo",
    "algorithm.norm_adv_by_std_in_grpo=false",
    "actor_rollout_ref.actor.strategy=fsdp2",
    "actor_rollout_ref.actor.use_dynamic_bsz=true",
    "actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-sum-norm",
    "actor_rollout_ref.rollout.name=vllm",
    "actor_rollout_ref.rollout.tensor_model_parallel_size=1",
    "actor_rollout_ref.rollout.log_prob_use_dynamic_bsz=true",
    "trainer.v1.trainer_mode=sync",
)


def parts_of(run: Run) -> Values:
    """Seconds of a step and of its parts, the share of questions with SFT (not plain verl's) and tokens per rollout."""
    return {column: after_warm_up(run, metric) for column, metric in COLUMNS.items() if run.series(metric)}


def ours(folders: Iterator[Path], overrides: Sequence[str]) -> Values:
    """A training of ours."""
    return parts_of(train(next(folders), overrides))


def plain_verl(folders: Iterator[Path], overrides: Sequence[str]) -> Values:
    """verl's own entry point and trainer, with the values of quickstart.yaml and cpu.yaml that are verl's."""
    folder = next(folders)
    variables = {**ENVIRONMENT, PLATFORM_ENV: NAME, "VERL_FILE_LOGGER_PATH": str(folder / METRICS_FILE)}
    variables_as_text = [f"{name}={value}" for name, value in variables.items()]
    command = ["env", *variables_as_text, sys.executable, "-m", "verl.trainer.main_ppo", *_quickstart(), *VERLS]
    return parts_of(train(folder, overrides, command=command))


def _quickstart() -> list[str]:
    from omegaconf import OmegaConf

    def flat(prefix: str, values: dict[str, Any]) -> Iterator[str]:
        for name, value in values.items():
            if isinstance(value, dict):
                yield from flat(f"{prefix}{name}.", value)
            else:
                yield f"++{prefix}{name}={json.dumps(value)}"

    files = (OmegaConf.load(FOLDER / f"{name}.yaml") for name in ("cpu", "quickstart"))
    config: Any = OmegaConf.to_container(OmegaConf.merge(*files), resolve=False)
    return list(flat("", {name: part for name, part in config.items() if name not in ("defaults", "hydra", "hpt")}))


def trl_steps(trl: Path, task: Path, folder: Path, size: Size, steps: int, ends: bool) -> Values:
    """TRL's GRPOTrainer with the loss of Dr. GRPO, generation by transformers, on the CPU; in this process."""
    sys.path.append(str(trl))
    import pyarrow.parquet as pq
    from datasets import Dataset
    from transformers import AutoTokenizer, PrinterCallback, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    class Clock(TrainerCallback):
        seconds: list[float] = []  # noqa: RUF012
        start = 0.0

        def on_step_begin(self, *args, **kwargs):
            self.start = time.perf_counter()

        def on_step_end(self, *args, **kwargs):
            self.seconds.append(time.perf_counter() - self.start)

    config = GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        loss_type="dr_grpo",
        scale_rewards="none",
        beta=0.0,
        num_generations=size.rollouts,
        per_device_train_batch_size=size.questions * size.rollouts,
        gradient_accumulation_steps=1,
        gradient_checkpointing=False,
        max_completion_length=size.tokens,
        generation_kwargs={} if ends else {"min_new_tokens": size.tokens},
        max_steps=steps,
        shuffle_dataset=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_steps=1,
    )
    rows = pq.read_table(task / "train.parquet").to_pylist()
    trainer = GRPOTrainer(
        model=str(task / "model"),
        processing_class=AutoTokenizer.from_pretrained(task / "model"),
        reward_funcs=lambda completions, **kwargs: [random.random() for _ in completions],
        args=config,
        train_dataset=Dataset.from_list([{"prompt": row["prompt"][0]["content"]} for row in rows]),
        callbacks=[Clock()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    lengths = [row["completions/mean_length"] for row in trainer.state.log_history[:-1]]
    assert ends or set(lengths) == {size.tokens}, f"TRL's rollouts have {lengths} tokens; expected {size.tokens}"
    return {"step s": median(Clock.seconds[WARM_UP:]), "tokens": median(lengths[WARM_UP:])}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", choices=SIZES, default="small")
    options.add_argument("--steps", type=int, default=12, help="steps of a training, the first two included (12)")
    options.add_argument("--eos", action="store_true", help="let rollouts end before their full length")
    options.add_argument("--compare", choices=("frameworks", "shares"), default="frameworks")
    options.add_argument("--frameworks", default=",".join(FRAMEWORKS), help="some of ours,verl,trl")
    options.add_argument("--trl", type=Path, default=ROOT / "runs" / "trl", help="folder with TRL (runs/trl)")
    given, further = options.parse_known_args()
    size, folder = SIZES[given.size], new_folder(f"step-{given.size}")
    task, folders = folder / "task", (folder / f"run{number}" for number in itertools.count())
    make_task(task, size)
    base = overrides_of(task, size, given.steps, given.eos)
    grpo = [*base, *random_rewards(), "hpt.strategy=rl_only", *further]
    trl_version = [found.version for found in distributions(name="trl", path=[str(given.trl)])]
    verl = partial(plain_verl, folders, [*base, *random_rewards(), *verls(further)])
    if given.compare == "shares":
        arms: dict[str, Callable[[], Values]] = {"GRPO": partial(ours, folders, grpo), "plain verl": verl}
        for name, share in SHARES.items():
            arms[name] = partial(ours, folders, [*base, *random_rewards(share), "hpt.strategy=switch", *further])
    else:
        known: dict[str, Callable[[], Values]] = {
            "ours": partial(ours, folders, grpo),
            "verl": verl,
            "trl": lambda: in_new_process(trl_steps, given.trl, task, next(folders), size, given.steps, given.eos),
        }
        arms = {name: known[name] for name in given.frameworks.split(",")}
        if "trl" in arms and not trl_version:
            print(f"TRL is left out; to install it: pip install --no-deps --target {given.trl} trl")
            del arms["trl"]
    results = measure(arms, given.repeat)
    finish(f"step, {given.size}", given.out, summary(results), values=results, steps=given.steps, trl=trl_version)


def verls(overrides: Sequence[str]) -> list[str]:
    """Those overrides that verl knows, too."""
    return [each for each in overrides if not each.lstrip("+~").startswith("hpt.")]


if __name__ == "__main__":
    main()
