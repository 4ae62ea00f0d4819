# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The published settings as numbers, written down apart from the configuration files that tests compare with them.

Keys are those of the composed configuration after the checks of a launch: LUFFY and SRFT generate 7 rollouts there,
because the demonstration is the eighth.
"""

from dataclasses import dataclass
from typing import Any

from recipe.hpt.configs import choices
from recipe.hpt.reproduction.paper import results

LLAMA_TEMPLATE = (
    "Question:\n{prompt}\nPlease reason step by step, and put your final answer within \\boxed{}.\n"
    "Answer:\nLet's think step by step."
)
_ACTOR, _ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
_OPTIM, _VALIDATION = f"{_ACTOR}.optim", f"{_ROLLOUT}.val_kwargs"

SHARED: dict[str, Any] = {
    "data.train_batch_size": 128, "data.max_prompt_length": 1024, "data.max_response_length": 8192,
    "data.shuffle": True, "data.seed": 1, "data.prompt_template": None,
    f"{_ACTOR}.ppo_mini_batch_size": 64, f"{_ACTOR}.ppo_epochs": 1, f"{_ACTOR}.entropy_coeff": 0.0,
    f"{_ACTOR}.use_kl_loss": False,
    f"{_OPTIM}.optimizer": "AdamW", f"{_OPTIM}.lr": 5e-6, f"{_OPTIM}.betas": [0.9, 0.999],
    f"{_OPTIM}.weight_decay": 0.01, f"{_OPTIM}.lr_scheduler_type": "constant", f"{_OPTIM}.lr_warmup_steps": 0,
    f"{_OPTIM}.clip_grad": 1.0,
    f"{_ROLLOUT}.n": 8, f"{_ROLLOUT}.temperature": 1.0,
    f"{_VALIDATION}.n": 8, f"{_VALIDATION}.temperature": 0.6, f"{_VALIDATION}.top_p": 0.95,
    f"{_VALIDATION}.do_sample": True,
    "trainer.total_training_steps": 500, "trainer.test_freq": 10, "trainer.save_freq": 50,
    "trainer.val_before_train": True,
    "hpt.gamma_off": None, "hpt.normalization": "prompt", "hpt.skip_grad_norm": None, "hpt.clip_ratio": None,
    "hpt.rollout_algorithm": None, "hpt.length": None, "hpt.demonstration_score": "one",
    f"{_ACTOR}.use_dynamic_bsz": True, f"{_ACTOR}.ppo_max_token_len_per_gpu": 18432,
}  # fmt: skip
VALIDATION = ("aime24", "amc23", "math500")
"""The benchmarks of the released scripts' validation."""
# The released scripts and code: all of it beside the method's own settings that is arithmetic.
RELEASED: dict[str, Any] = {
    "hpt.normalization": "released", "hpt.demonstration_score": "verified",
    f"{_ACTOR}.ppo_max_token_len_per_gpu": 32768, f"{_ROLLOUT}.log_prob_max_token_len_per_gpu": 32768,
    f"{_ACTOR}.entropy_coeff": 0.001, f"{_OPTIM}.lr_warmup_steps": 1, "data.seed": 47,
}  # fmt: skip
_GROUP_OF_8 = {f"{_OPTIM}.lr": 1e-6, f"{_ROLLOUT}.n": 7}
METHODS: dict[str, dict[str, Any]] = {
    "sft": {
        "hpt.strategy": "sft_only", "hpt.sft_coef": 1.0,
        # arXiv 2604.23747
        "data.train_batch_size": 64, f"{_ACTOR}.ppo_mini_batch_size": 64,
        f"{_OPTIM}.lr": 5e-5, f"{_OPTIM}.lr_scheduler_type": "cosine", f"{_OPTIM}.min_lr_ratio": 0.1,
        f"{_OPTIM}.lr_warmup_steps": -1, f"{_OPTIM}.lr_warmup_steps_ratio": 0.1,
        "trainer.total_epochs": 3, "trainer.total_training_steps": None,
        "trainer.test_freq": 200, "trainer.save_freq": 500,
    },
    "rl": {  # arXiv 2604.23747
        "hpt.strategy": "rl_only", "hpt.rollout_algorithm": "dr_grpo", "hpt.clip_ratio": [0.2, 0.28],
        "hpt.length": "step", f"{_OPTIM}.lr": 1e-6,
    },
    "grpo": {"hpt.strategy": "rl_only", "hpt.rollout_algorithm": "grpo", "hpt.clip_ratio": 0.2},
    "luffy": {"hpt.strategy": "luffy", "hpt.off_coef": 1.0, "hpt.shaping": 0.1, **_GROUP_OF_8},
    "srft": {
        "hpt.strategy": "srft", "hpt.off_coef": 1.0, "hpt.sft_coef": 1.0, f"{_ACTOR}.calculate_entropy": True,
        **_GROUP_OF_8,
    },
    "hpt": {"hpt.strategy": "switch", "hpt.gamma": 0.0, "hpt.sft_coef": 1.0},
    "hpt_lora": {  # not published
        "hpt.strategy": "switch", "hpt.gamma": 0.0, f"{_OPTIM}.lr": 5e-5,
        "actor_rollout_ref.model.lora_rank": 32, "actor_rollout_ref.model.lora_alpha": 32,
        "actor_rollout_ref.model.target_modules": "all-linear", f"{_ACTOR}.ppo_max_token_len_per_gpu": 9216,
    },
    "hpt_gamma_1_8": {"hpt.strategy": "switch", "hpt.gamma": 1 / 8},
    "hpt_gamma_2_8": {"hpt.strategy": "switch", "hpt.gamma": 2 / 8},
    "off_on": {"hpt.strategy": "off_on", "hpt.gamma": 0.0, "hpt.off_coef": 1.0, "hpt.shaping": 0.1},
    "mix_on": {
        "hpt.strategy": "mix_on", "hpt.gamma": 0.0, "hpt.off_coef": 1.0, "hpt.sft_coef": 0.1, "hpt.shaping": 0.1,
    },
}  # fmt: skip
GATED = ("hpt", "hpt_gamma_1_8", "hpt_gamma_2_8", "off_on", "mix_on")
RELEASED_METHODS = (*GATED, "luffy", "srft")
"""Those whose scripts run the released arithmetic by default."""
RL_STEPS = {"sft_then_rl_50": {f"{_OPTIM}.lr": 5e-6, "trainer.total_training_steps": 50}}
"""Row -> what its second stage has otherwise."""
BASE_MODELS = {
    "qwen2.5_math_7b": "models/Qwen2.5-Math-7B-16k",
    "qwen2.5_math_1.5b": "models/Qwen2.5-Math-1.5B-16k",
    "llama3.1_8b": "models/Llama-3.1-8B",
}


def settings_of(model: str, method: str, arithmetic: str = "released") -> dict[str, Any]:
    """Dotted key -> value of a training."""
    found = {**SHARED, **METHODS[method]}
    if arithmetic == "released" and method in RELEASED_METHODS:
        found |= RELEASED
    if model == "llama3.1_8b":
        found["data.prompt_template"] = LLAMA_TEMPLATE
        if method == "hpt":
            found["hpt.gamma"] = 2 / 8
    elif method in GATED:
        found["hpt.skip_grad_norm"] = 80  # the released scripts for Qwen
    if model == "qwen2.5_math_1.5b" and method.startswith("hpt"):
        found["hpt.sft_coef"] = 0.3
    return found


@dataclass(frozen=True)
class Row:
    """One launch script.

    Attributes:
        model: folder in config/experiment.
        method: file there, or folder with a file per stage.
    """

    model: str
    method: str

    @property
    def name(self) -> str:
        return f"{self.model}_{self.method}"

    @property
    def gpus(self) -> int:
        """GPUs that it is for."""
        return 1 if self.method == "hpt_lora" else 8

    @property
    def stages(self) -> tuple[str, ...]:
        """The methods of its trainings, one after the other."""
        second = self.method.removeprefix("sft_then_").removesuffix("_50")
        return ("sft", second) if second != self.method else (self.method,)

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiment of each stage."""
        name = f"{self.model}/{self.method}"
        return (name,) if len(self.stages) == 1 else tuple(f"{name}/{stage}" for stage in self.stages)

    @property
    def tables(self) -> tuple[int, ...]:
        """The paper's tables that have the row; none: the paper has no such row."""
        method = {"sft_then_grpo": "sft_grpo"}.get(self.method, self.method)
        found = {number for number, rows in ((2, results.TABLE_2), (3, results.TABLE_3))
                 for row in rows if (row.model, row.method) == (self.model, method)}  # fmt: skip
        if self.model == results.TABLE_4_MODEL and method in ("hpt", *results.TABLE_4):
            found.add(4)
        if self.model == results.ABLATION_MODEL:
            found |= {number for number, table in ((5, results.TABLE_5), (6, results.TABLE_6)) if method in table}
        return tuple(sorted(found))


ROWS = tuple(
    dict.fromkeys(
        Row(*(name.split("/")[:2])) for name in sorted(choices("experiment"), key=lambda name: name.split("/"))
    )
)
