# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Milliseconds per sample that the rollout manager adds to vLLM's own time.

The generation of a step (timing_s/gen: prompts, sampling, the verifier's scores, the write into TransferQueue) against
vllm.LLM.generate with the same engine arguments, prompts, number of samples and tokens, and a seed per sample. The
third line is verl's own manager in the same trainer. A measurement is the median over the steps after the first two.

    python -m benchmarks.rollouts --size small

Further arguments override config/quickstart.yaml.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

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
    summary,
    train,
)

VERLS_MANAGER = "actor_rollout_ref.rollout.agent.agent_loop_manager_class=null"
ENGINE_ARGUMENTS = (
    "dtype",
    "load_format",
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "enable_chunked_prefill",
    "enable_prefix_caching",
    "enforce_eager",
    "seed",
)
"""Settings of actor_rollout_ref.rollout that verl hands to vLLM."""


def values_of(seconds: float, size: Size) -> Values:
    """Milliseconds per sample, and seconds per batch."""
    return {"ms per sample": 1000 * seconds / (size.questions * size.rollouts), "seconds per batch": seconds}


def managed(folders: Iterator[Path], overrides: Sequence[str], size: Size) -> Values:
    """The generation of a training's steps."""
    return values_of(after_warm_up(train(next(folders), overrides), "timing_s/gen"), size)


def vllm_alone(task: Path, overrides: Sequence[str], size: Size, steps: int) -> float:
    """Seconds of LLM.generate per batch, in this process; the prompts are token ids already."""
    from recipe.hpt.configs import compose

    config = compose(overrides)
    from hpt.verl_ext.cpu import platform

    platform.select()
    import pyarrow.parquet as pq
    from transformers import AutoTokenizer
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import RequestOutputKind

    from hpt.verl_ext.sampling import sampling_params

    rollout = config.actor_rollout_ref.rollout
    arguments = {name: rollout[name] for name in ENGINE_ARGUMENTS}
    engine = LLM(model=str(task / "model"), distributed_executor_backend="uni", **arguments)
    tokenizer = AutoTokenizer.from_pretrained(task / "model")
    shared = {**sampling_params(config, validate=False), "max_tokens": size.tokens, "detokenize": False}
    shared["output_kind"] = RequestOutputKind.FINAL_ONLY
    rows = pq.read_table(task / "train.parquet").to_pylist()
    texts = itertools.cycle(row["prompt"][0]["content"] for row in rows)
    seconds = []
    for step in range(steps):
        batch = itertools.islice(texts, size.questions)
        prompts = [{"prompt_token_ids": tokenizer(text)["input_ids"]} for text in batch for _ in range(size.rollouts)]
        params = [SamplingParams(**shared, seed=step * len(prompts) + number) for number in range(len(prompts))]
        start = time.perf_counter()
        outputs = engine.generate(prompts, params, use_tqdm=False)
        seconds.append(time.perf_counter() - start)
        assert all(len(output.outputs[0].token_ids) == size.tokens for output in outputs)
    return median(seconds[WARM_UP:])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", choices=SIZES, default="small")
    options.add_argument("--steps", type=int, default=12, help="batches, the first two included (12)")
    given, further = options.parse_known_args()
    size, folder = SIZES[given.size], new_folder(f"rollouts-{given.size}")
    task, folders = folder / "task", (folder / f"run{number}" for number in itertools.count())
    make_task(task, size)
    overrides = [*overrides_of(task, size, given.steps), "hpt.strategy=rl_only", *further]
    arms: dict[str, Callable[[], Values]] = {
        "vLLM alone": lambda: values_of(in_new_process(vllm_alone, task, overrides, size, given.steps), size),
        "our manager": partial(managed, folders, overrides, size),
        "verl's manager": partial(managed, folders, [*overrides, VERLS_MANAGER], size),
    }
    results = measure(arms, given.repeat)
    rows = summary(results)
    for row in rows.values():
        row["beyond vLLM ms"] = row["ms per sample"] - rows["vLLM alone"]["ms per sample"]
    finish(f"rollouts, {given.size}", given.out, rows, values=results, steps=given.steps)


if __name__ == "__main__":
    main()
