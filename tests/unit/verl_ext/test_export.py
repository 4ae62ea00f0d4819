# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints with and without LoRA, on one and two ranks: their Hugging Face copy, their adapters and their resume.

Run as a script this file is the ranks: each trains a step, saves, trains another one, and continues the checkpoint in a
new worker. The tests compare logits of the actor with those of what was saved.
"""

import multiprocessing
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow

SECONDS = 800  # for all cases; about 40 where the machine is idle
IDS = torch.tensor([[1, 5, 3, 7, 2, 9], [4, 4, 8, 1, 6, 11]])


@dataclass(frozen=True)
class Case:
    """One training: FSDP's version, ranks, whether the embeddings are tied, and the LoRA rank."""

    strategy: str
    ranks: int
    tied: bool
    lora_rank: int
    lora_only: bool = False

    @property
    def model(self) -> str:
        return "tied" if self.tied else "untied"

    @property
    def name(self) -> str:
        kind = f"lora{self.lora_rank}" + "_only" * self.lora_only if self.lora_rank else "full"
        return f"{self.strategy}-{self.ranks}-{self.model}-{kind}"


CASES = [
    *(Case("fsdp2", ranks, tied, 4) for ranks in (1, 2) for tied in (True, False)),
    Case("fsdp2", 2, True, 4, lora_only=True),
    Case("fsdp2", 1, True, 0),
    Case("fsdp2", 2, False, 0),
    Case("fsdp", 1, True, 4),  # FSDP 1 comes last, because of what it changes in the process
    Case("fsdp", 2, False, 4),
]
LORA = [case for case in CASES if case.lora_rank]


# ---- one rank ----


def checkpoint_config(case: Case) -> Any:
    from verl.trainer.config import CheckpointConfig

    contents = ["model", "optimizer", "extra", "hf_model"]
    return CheckpointConfig(save_contents=contents, save_lora_only=case.lora_only)


def build_worker(folder: Path, case: Case) -> Any:
    """The worker of a training on FSDP2."""
    from verl.workers.config import FSDPEngineConfig, FSDPOptimizerConfig, HFModelConfig, TrainingWorkerConfig

    from hpt.verl_ext.worker import HybridTrainingWorker

    worker = HybridTrainingWorker(
        TrainingWorkerConfig(
            model_type="language_model",
            model_config=HFModelConfig(
                path=str(folder / case.model),
                load_tokenizer=False,
                use_remove_padding=False,
                enable_gradient_checkpointing=False,
                override_config={"attn_implementation": "sdpa"},
                lora_rank=case.lora_rank,
                lora_alpha=8,
                lora={"merge": True},
            ),
            engine_config=FSDPEngineConfig(
                strategy="fsdp2",
                model_dtype="fp32",
                dtype="float32",
                mixed_precision={"param_dtype": "fp32"},
                use_torch_compile=False,
            ),
            optimizer_config=FSDPOptimizerConfig(optimizer="AdamW", lr=0.02, total_training_steps=10),
            checkpoint_config=checkpoint_config(case),
        )
    )
    worker.reset()
    engine = worker.engine

    def step() -> None:
        engine.optimizer_step()
        engine.optimizer_zero_grad()

    return SimpleNamespace(
        module=engine.module, step=step, save=worker.save_checkpoint, load=worker.load_checkpoint,
        sent=lambda: engine.get_per_tensor_param(base_sync_done=True)[0],
    )  # fmt: skip


def build_fsdp1(folder: Path, case: Case) -> Any:
    """FSDP 1 as verl's engine wraps a model; the engine itself refuses a CPU with it."""
    from peft import LoraConfig, get_peft_model
    from torch.distributed.fsdp import FullyShardedDataParallel
    from transformers import AutoModelForCausalLM
    from verl.utils.fsdp_utils import get_fsdp_full_state_dict, get_fsdp_wrap_policy

    from hpt.verl_ext import export

    # torch's FSDP 1 frees what it has gathered once it has moved it to main memory, even if it was there before.
    export.get_fsdp_full_state_dict = lambda model, **_: get_fsdp_full_state_dict(model, offload_to_cpu=False)
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(folder / case.model)
    config = LoraConfig(task_type="CAUSAL_LM", r=case.lora_rank, lora_alpha=8, target_modules="all-linear")
    model = get_peft_model(base, config)
    policy = get_fsdp_wrap_policy(model, is_lora=True)
    module = FullyShardedDataParallel(model, auto_wrap_policy=policy, device_id=torch.device("cpu"))
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.02)
    manager = export.AdapterCheckpointManager(module, optimizer, checkpoint_config=checkpoint_config(case))

    def step() -> None:
        optimizer.step()
        optimizer.zero_grad()

    return SimpleNamespace(module=module, step=step, save=manager.save_checkpoint, load=manager.load_checkpoint)


def train(worker: Any) -> None:
    worker.module.train()
    logits = worker.module(input_ids=IDS).logits
    torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()).backward()
    worker.step()


def logits_of(worker: Any) -> torch.Tensor:
    worker.module.eval()
    with torch.no_grad():
        logits = worker.module(input_ids=IDS).logits.clone()
    if (handle := getattr(worker.module, "_handle", None)) is not None and handle.uses_sharded_strategy:
        handle.reshard(True)  # FSDP 1, as verl's engine does it
    return logits


def run_case(folder: Path, case: Case) -> dict:
    """Logits: trained, after one more step, continued, continued with that step, and without the adapters."""
    build = build_worker if case.strategy == "fsdp2" else build_fsdp1
    saved = str(folder / case.name)
    first = build(folder, case)
    train(first)
    found = {"trained": logits_of(first)}
    first.save(saved)
    if case.strategy == "fsdp2":
        found["sent"] = {name: full(value) for name, value in first.sent()}
    found["saved"] = logits_of(first)
    train(first)
    found["next"] = logits_of(first)
    second = build(folder, case)
    second.load(saved)
    found["continued"] = logits_of(second)
    train(second)
    found["continued, next"] = logits_of(second)
    if case.lora_rank:
        with second.module.disable_adapter():
            found["base"] = logits_of(second)
    return found


def full(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).detach().clone()


def run_rank(folder: Path, world: int, rank: int) -> None:
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": str(rank),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",  # verl wants one; the ranks meet at the file, which is theirs alone
        "DIST_INIT_METHOD": f"file://{folder}/rendezvous_{world}",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    from hpt.verl_ext.cpu import platform as cpu_platform

    torch.set_num_threads(1)
    cpu_platform.prepare_worker()
    results = {case.name: run_case(folder, case) for case in CASES if case.ranks == world}
    torch.save(results, folder / f"results_{world}_{rank}.pt")
    torch.distributed.destroy_process_group()


def run_worlds(folder: Path) -> int:
    import hpt.verl_ext.worker  # noqa: F401  (imported once for all ranks)

    context = multiprocessing.get_context("fork")
    ranks = [context.Process(target=run_rank, args=(folder, world, rank)) for world in (1, 2) for rank in range(world)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    return max(abs(process.exitcode) for process in ranks)


# ---- the tests ----


def make_models(folder: Path) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    for name, tied in (("tied", True), ("untied", False)):
        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=13, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=32, tie_word_embeddings=tied, initializer_range=0.3,
            bos_token_id=None, eos_token_id=0, pad_token_id=0,
        )  # fmt: skip
        Qwen2ForCausalLM(config).save_pretrained(folder / name)


@pytest.fixture(scope="module")
def runs(interpreter, tmp_path_factory) -> SimpleNamespace:
    """The folder of the checkpoints, and the results by case, of the first rank."""
    folder = tmp_path_factory.mktemp("export")
    make_models(folder)
    environment = {**os.environ, "VERL_PLATFORM": "cpu", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [interpreter, __file__, str(folder)], env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr[-6000:]
    results = {}
    for world in (1, 2):
        results |= torch.load(folder / f"results_{world}_0.pt")
    return SimpleNamespace(folder=folder, results=results)


def by_case(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def close(got: torch.Tensor, expected: torch.Tensor) -> bool:
    return torch.allclose(got, expected, rtol=1e-5, atol=1e-5)


def loaded(folder: Path) -> tuple[torch.Tensor, dict]:
    """Logits of a checkpoint under plain transformers, and what it lacked or had too much."""
    from transformers import AutoModelForCausalLM

    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    with torch.no_grad():
        return model(input_ids=IDS).logits, {kind: sorted(names) for kind, names in info.items() if names}


@by_case(CASES)
def test_the_copy_is_the_actor(runs, case):
    result = runs.results[case.name]
    logits, wrong = loaded(runs.folder / case.name / "huggingface")
    assert wrong == {}
    assert close(logits, result["trained"])
    base, _ = loaded(runs.folder / case.model)
    assert (logits - base).abs().max() > 0.1  # the step has changed the model


@by_case(CASES)
def test_saving_and_sending_change_nothing(runs, case):
    assert torch.equal(runs.results[case.name]["saved"], runs.results[case.name]["trained"])


@by_case(CASES)
def test_a_continued_run_repeats_the_uninterrupted_one(runs, case):
    result = runs.results[case.name]
    assert torch.equal(result["continued"], result["trained"])
    assert torch.equal(result["continued, next"], result["next"])
    assert not close(result["next"], result["trained"])


@by_case(LORA)
def test_peft_loads_the_adapters_on_the_base_model(runs, case):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(runs.folder / case.model)
    folder = runs.folder / case.name / "lora_adapter"
    model = PeftModel.from_pretrained(base, folder).eval()
    with torch.no_grad():
        assert close(model(input_ids=IDS).logits, runs.results[case.name]["trained"])
    assert model.peft_config["default"].r == case.lora_rank
    assert str(runs.folder / case.model) == model.peft_config["default"].base_model_name_or_path


@by_case(LORA)
def test_the_actor_without_its_adapters_is_the_base_model(runs, case):
    base, _ = loaded(runs.folder / case.model)
    assert close(runs.results[case.name]["base"], base)


@by_case([case for case in CASES if case.strategy == "fsdp2"])
def test_vllm_gets_the_weights_of_the_copy(runs, case):
    from safetensors.torch import load_file

    copy = load_file(runs.folder / case.name / "huggingface" / "model.safetensors")
    sent = runs.results[case.name]["sent"]
    assert set(copy) <= set(sent) <= {*copy, "lm_head.weight"}
    for name, value in copy.items():
        assert sent[name].dtype == value.dtype == torch.float32
        assert close(sent[name], value)


@by_case([case for case in CASES if case.lora_only])
def test_a_checkpoint_of_the_adapters_alone_has_no_other_weights(runs, case):
    state = torch.load(runs.folder / case.name / "model_world_size_2_rank_0.pt", weights_only=False)
    assert all("lora_" in name for name in state)


if __name__ == "__main__":
    sys.exit(run_worlds(Path(sys.argv[1])))
