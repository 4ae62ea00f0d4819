# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""An update on one device: seconds, tokens per second and peak memory, beside what arithmetic says.

A model of the shape of Qwen2.5-Math-1.5B with random weights trains on one routed batch through the real training
worker, with the settings that a training on GPUs has. Each variant runs in a process of its own.

    python -m benchmarks.device
    VERL_PLATFORM=cpu python -m benchmarks.device --tiny    # a trial on a CPU

Columns, in GiB: ``least`` is what the check before a run counts (weights, gradients, Adam), ``excess`` the allocator's
peak beyond it, ``by arithmetic`` what docs/guides/limits.md adds: activations, one gathered layer and the embeddings,
and copies of the logits. ``infer s`` is the pass for the old log-probabilities.
"""

import importlib.util
import json
import os
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT, Values, finish, in_new_process, measure, median, parser, summary

GIB = 1 << 30
ENTROPY_COEFF, ROLLOUTS = 0.001, 8


@dataclass(frozen=True)
class Shape:
    """The model, the batch (demonstrations and rollouts, tokens of each) and the tokens of a micro-batch."""

    hidden: int = 1536
    layers: int = 28
    heads: int = 12
    key_value_heads: int = 2
    intermediate: int = 8960
    vocabulary: int = 151936
    demonstrations: int = 8
    rollouts: int = 24
    prompt: int = 256
    target: int = 4096
    shortest: int = 512
    longest: int = 8192
    budget: int = 18432


TINY = Shape(64, 2, 4, 2, 128, 512, 2, 6, 8, 32, 8, 64, 256)


@dataclass(frozen=True)
class Variant:
    """What differs from the defaults; without a name ``attention`` is flash attention where it is installed."""

    attention: str = ""
    entropy: bool = False
    temperature: bool = False
    compiled: bool = True


VARIANTS = {
    "default": Variant(),
    "sdpa": Variant(attention="sdpa"),
    "entropy": Variant(entropy=True),
    "temperature 0.6": Variant(temperature=True),
    "entropy, not compiled": Variant(entropy=True, compiled=False),
}


def on_cpu() -> bool:
    return os.environ.get("VERL_PLATFORM") == "cpu"


def attention() -> str:
    return "flash_attention_2" if importlib.util.find_spec("flash_attn") and not on_cpu() else "sdpa"


def write_model(folder: Path, shape: Shape) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    sizes = {"hidden_size": shape.hidden, "num_hidden_layers": shape.layers, "intermediate_size": shape.intermediate}
    heads = {"num_attention_heads": shape.heads, "num_key_value_heads": shape.key_value_heads}
    tokens = {"vocab_size": shape.vocabulary, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0}
    config = Qwen2Config(**sizes, **heads, **tokens, tie_word_embeddings=True, max_position_embeddings=32768)
    torch.manual_seed(0)
    with torch.device("cpu" if on_cpu() else "cuda"):
        model = Qwen2ForCausalLM(config).bfloat16()
    print(f"model: {model.num_parameters():,} parameters", flush=True)
    model.save_pretrained(folder)


def items(shape: Shape) -> list[Any]:
    """Rows as after the gate: demonstrations of about one length, rollouts from short to the limit."""
    from worker_scenarios import Item

    from hpt.method.routing import RowKind

    rng, rows = random.Random(0), []
    ratio, questions = shape.longest / shape.shortest, shape.demonstrations + shape.rollouts / ROLLOUTS
    for number in range(shape.demonstrations + shape.rollouts):
        demonstration = number < shape.demonstrations
        length = int(shape.target * rng.uniform(0.8, 1.2) if demonstration else shape.shortest * ratio ** rng.random())
        prompt, response = ([rng.randrange(1, shape.vocabulary) for _ in range(n)] for n in (shape.prompt, length))
        rows.append(Item(RowKind.DEMONSTRATION if demonstration else RowKind.ROLLOUT, number, prompt, response))
        rows[-1].sft_weight, rows[-1].advantage = demonstration / (questions * length), rng.uniform(-1, 1)
        rows[-1].rl_weight = (not demonstration) / (questions * ROLLOUTS * shape.longest)
    return rng.sample(rows, len(rows))


def build_worker(model: Path, variant: Variant, budget: int) -> Any:
    """As tests/helpers/worker_ranks.py does, with the settings of a training on GPUs."""
    from verl.trainer.config import CheckpointConfig
    from verl.workers.config import FSDPEngineConfig, FSDPOptimizerConfig, HFModelConfig, TrainingWorkerConfig

    from hpt.verl_ext.worker import HybridTrainingWorker

    model_settings = HFModelConfig(
        path=str(model),
        load_tokenizer=False,
        use_remove_padding=True,
        enable_gradient_checkpointing=True,
        override_config={"attn_implementation": variant.attention or attention()},
    )
    engine = FSDPEngineConfig(
        strategy="fsdp2",
        max_token_len_per_gpu=budget,
        infer_max_token_len_per_gpu=budget,
        use_torch_compile=variant.compiled,
        use_no_sync_for_gradient_accumulation=False,  # as verl's yaml has it
    )
    optimizer = FSDPOptimizerConfig(optimizer="AdamW", lr=1e-6, clip_grad=1.0, total_training_steps=100)
    parts = {"model_config": model_settings, "engine_config": engine, "optimizer_config": optimizer}
    worker = HybridTrainingWorker(
        TrainingWorkerConfig(model_type="language_model", checkpoint_config=CheckpointConfig(), **parts)
    )
    worker.reset()
    return worker


def run(model: Path, shape: Shape, variant: Variant, updates: int) -> dict[str, float]:
    """Medians over the updates after the first ones, which compile and find the allocator's blocks."""
    import torch

    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    import worker_ranks as ranks
    from verl.utils import tensordict_utils as tu
    from verl.utils.device import get_torch_device
    from verl.workers.config import ActorConfig, PolicyLossConfig
    from worker_scenarios import Scenario

    from hpt.method.estimator.composite import Composite
    from hpt.verl_ext.loss import actor_loss

    alone = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    os.environ |= {**alone, "DIST_INIT_METHOD": f"file://{tempfile.mkdtemp()}/ranks", "GLOO_SOCKET_IFNAME": "lo"}
    if on_cpu():
        from hpt.verl_ext.cpu import platform

        platform.prepare_worker()
    worker = build_worker(model, variant, shape.budget)
    terms = {"policy_loss": PolicyLossConfig(loss_mode="hpt"), "entropy_coeff": ENTROPY_COEFF * variant.entropy}
    config = ActorConfig(strategy="fsdp2", rollout_n=ROLLOUTS, use_dynamic_bsz=True, **terms)
    worker.set_loss_fn(partial(actor_loss, config=config, composite=Composite(), plugins=()))
    device, on_cuda = get_torch_device(), not on_cpu()
    scenario = Scenario([[items(shape)]], per_row_temperature=variant.temperature, old_log_probs=False)

    def timed(call: Any, **settings: Any) -> float:
        data = ranks.tensor_dict(scenario, 0)
        tu.assign_non_tensor(data, **settings)
        start = time.perf_counter()
        call(data)
        if on_cuda:
            device.synchronize()
        return time.perf_counter() - start

    update = partial(timed, worker.train_mini_batch, calculate_entropy=variant.entropy)
    first, _ = update(), update()
    if on_cuda:
        device.empty_cache()
        device.reset_peak_memory_stats()
    seconds = median(update() for _ in range(updates))
    peak = (device.max_memory_allocated(), device.max_memory_reserved()) if on_cuda else (0, 0)
    infer = min(timed(worker.infer_batch, calculate_entropy=False, compute_loss=False) for _ in range(2))
    tokens = sum(len(row.prompt) + len(row.response) for row in scenario.steps[0][0])
    torch.distributed.destroy_process_group()
    result = {"update s": seconds, "tokens/s": tokens / seconds, "infer s": infer, "first update s": first}
    return result | {"allocated": peak[0] / GIB, "reserved": peak[1] / GIB, "tokens": tokens}


def arithmetic(shape: Shape, variant: Variant) -> dict[str, float]:
    """GiB of docs/guides/limits.md for this model on one rank: c = 2 bytes of a number in which it computes."""
    h, k, f = shape.hidden, shape.hidden * shape.key_value_heads // shape.heads, shape.intermediate
    c, tokens = 2, shape.budget
    layer = 2 * h * h + 2 * h * k + 3 * h * f
    of_layer = tokens * (c * (6 * h + 2 * k + 4 * f) + 8 * h)
    activations = c * tokens * h * shape.layers + of_layer
    overwritten = attention() != "sdpa" and not variant.entropy  # flash-attn's kernel writes the gradient over them
    copies = (1 if overwritten else 2) + variant.temperature
    logits = copies * c * tokens * shape.vocabulary * (1 if variant.compiled else 2)
    parts = {
        "activations": activations,
        "gathered": c * (2 * layer + shape.vocabulary * h) + 4 * layer,
        "logits": logits,
    }
    return {name: value / GIB for name, value in parts.items()}


def least(model: Path) -> float:
    """GiB that the check before a run counts."""
    import hydra

    from hpt.preflight.memory import needed
    from hpt.preflight.model import read_sizes
    from recipe.hpt.configs import FOLDER

    with hydra.initialize_config_dir(config_dir=str(FOLDER), version_base=None):
        config = hydra.compose("hpt_trainer", ["trainer.n_gpus_per_node=1", "trainer.nnodes=1"])
    return needed(read_sizes(model), config).step / GIB


def main() -> None:
    options = parser(__doc__, repeat=1)
    options.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="which (all)")
    options.add_argument("--updates", type=int, default=3, help="updates that are timed, per process (3)")
    options.add_argument("--sizes", default="{}", help="JSON: fields of Shape, such as '{\"budget\": 32768}'")
    options.add_argument("--tiny", action="store_true", help="a tiny model, for a trial on a CPU")
    given = options.parse_args()
    shape = Shape(**asdict(TINY if given.tiny else Shape()) | json.loads(given.sizes))
    with tempfile.TemporaryDirectory() as name:
        model = Path(name)
        in_new_process(write_model, model, shape)
        floor = in_new_process(least, model)

        def arm(variant: Variant) -> Values:
            measured = in_new_process(run, model, shape, variant, given.updates)
            parts, excess = arithmetic(shape, variant), measured["allocated"] - floor
            return measured | {"least": floor, "excess": excess, "by arithmetic": sum(parts.values())} | parts

        results = measure({name: partial(arm, VARIANTS[name]) for name in given.variants}, given.repeat)
    finish("device", given.out, summary(results), shape=asdict(shape), results=results, attention=attention())


if __name__ == "__main__":
    main()
