# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of every row of the tables, each with its source. Imports no torch.

Keys are those of the composed configuration after the checks of a launch, so that a run's own can be
compared with them: rollouts per question, for example, are 7 where a gold solution takes the place of
the eighth. What depends on the machine (ranks, memory, packing under ``hpt.normalization=prompt``) is
not listed: it does not change the training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PAPER = "paper"
"""Stated in arXiv 2509.04419; where the released scripts set it too, they agree."""
RELEASED = "released code"
"""Not in the paper's text, but in its code: set by a script (train, train_llama, train_luffy, train_srft) or its default."""
CHOSEN = "not published"
"""In neither; the note says what is followed."""
SOURCES = (PAPER, RELEASED, CHOSEN)


@dataclass(frozen=True)
class Setting:
    """One value.

    Attributes:
        value: as the composed configuration has it.
        source: one of ``SOURCES``.
        note: what else there is to know; needed where nothing was published.
    """

    value: Any
    source: str = PAPER
    note: str = ""

    def __post_init__(self) -> None:
        assert self.source in SOURCES, self.source
        assert self.note or self.source != CHOSEN, "what is followed, and why"


Settings = Mapping[str, Setting]


@dataclass(frozen=True)
class Model:
    """A base model as the trainings start from it.

    Attributes:
        label: how the tables call it.
        hub_id: of the original.
        folder: of the prepared copy under models/.
        preset: of ``hpt.models.prepare`` that makes the copy.
        rope_theta, max_position_embeddings: of the copy; None: as in the original.
        settings: of its trainings, whatever the method.
    """

    label: str
    hub_id: str
    folder: str
    preset: str
    rope_theta: int | None
    max_position_embeddings: int | None
    settings: Settings


DATASET = "Elliott/Openr1-Math-46k-8192"
QUESTION_ANSWER = (
    "Question:\n{prompt}\nPlease reason step by step, and put your final answer within \\boxed{}.\n"
    "Answer:\nLet's think step by step."
)
"""LLaMA's template. Its `{}` is text, `{prompt}` the question's place."""

MODELS: dict[str, Model] = {
    "qwen2.5_math_7b": Model(
        "Qwen2.5-Math-7B", "Qwen/Qwen2.5-Math-7B", "Qwen2.5-Math-7B-16k", "qwen2.5-math", 40000, 16384,
        {"data.prompt_template": Setting(None, note="the tokenizer's chat template")},
    ),
    "qwen2.5_math_1.5b": Model(
        "Qwen2.5-Math-1.5B", "Qwen/Qwen2.5-Math-1.5B", "Qwen2.5-Math-1.5B-16k", "qwen2.5-math", 40000, 16384,
        {"data.prompt_template": Setting(None, note="the tokenizer's chat template")},
    ),
    "llama3.1_8b": Model(
        "LLaMA-3.1-8B", "meta-llama/Llama-3.1-8B", "Llama-3.1-8B", "llama-3.1", None, None,
        {"data.prompt_template": Setting(QUESTION_ANSWER)},
    ),
}  # fmt: skip

_ACTOR, _ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
_OPTIM, _VALIDATION = f"{_ACTOR}.optim", f"{_ROLLOUT}.val_kwargs"

SHARED: Settings = {
    "data.train_batch_size": Setting(128, note="questions per batch"),
    "data.max_prompt_length": Setting(1024, note="tokens"),
    "data.max_response_length": Setting(8192, note="tokens"),
    "data.shuffle": Setting(True, RELEASED),
    f"{_ACTOR}.ppo_mini_batch_size": Setting(64, note="questions per optimizer step"),
    f"{_ACTOR}.ppo_epochs": Setting(1, RELEASED),
    f"{_ACTOR}.entropy_coeff": Setting(
        0.0, note="no such term in the text; the released code adds 0.001, over demonstrations too"
    ),
    f"{_ACTOR}.use_kl_loss": Setting(False),
    f"{_OPTIM}.optimizer": Setting("AdamW"),
    f"{_OPTIM}.lr": Setting(5e-6),
    f"{_OPTIM}.betas": Setting([0.9, 0.999]),
    f"{_OPTIM}.weight_decay": Setting(0.01),
    f"{_OPTIM}.lr_scheduler_type": Setting("constant"),
    f"{_OPTIM}.lr_warmup_steps": Setting(0),
    f"{_OPTIM}.clip_grad": Setting(1.0, RELEASED),
    f"{_ROLLOUT}.n": Setting(8),
    f"{_ROLLOUT}.temperature": Setting(1.0),
    f"{_VALIDATION}.n": Setting(8),
    f"{_VALIDATION}.temperature": Setting(0.6),
    f"{_VALIDATION}.top_p": Setting(0.95),
    f"{_VALIDATION}.do_sample": Setting(True),
    "trainer.total_training_steps": Setting(500),
    "trainer.test_freq": Setting(10),
    "trainer.save_freq": Setting(50, RELEASED),
    "trainer.val_before_train": Setting(True, RELEASED),
    "hpt.normalization": Setting(
        "prompt",
        note="the text's means; `released` is the code's arithmetic, which depends on packing",
    ),
    "hpt.skip_grad_norm": Setting(None, note="no skipped steps in the text"),
    "hpt.clip_ratio": Setting(None, note="Dr. GRPO without a clip, also in the released code"),
}
"""Of every training, unless its model or method says otherwise."""

_TUNE = "common for SFT on long solutions; to be tuned, as a sound baseline must be"
SFT: Settings = {
    "hpt.strategy": Setting("sft_only"),
    "hpt.sft_coef": Setting(1.0, CHOSEN, "the loss is SFT alone"),
    f"{_OPTIM}.lr": Setting(2e-5, CHOSEN, _TUNE),
    f"{_OPTIM}.lr_scheduler_type": Setting("cosine", CHOSEN, _TUNE),
    f"{_OPTIM}.lr_warmup_steps": Setting(-1, CHOSEN, "the ratio counts"),
    f"{_OPTIM}.lr_warmup_steps_ratio": Setting(0.1, CHOSEN, _TUNE),
    "trainer.total_epochs": Setting(3, CHOSEN, _TUNE),
    "trainer.total_training_steps": Setting(None, CHOSEN, "the epochs count"),
}
GRPO: Settings = {
    "hpt.strategy": Setting("rl_only"),
    "hpt.rollout_algorithm": Setting("grpo"),
    "hpt.clip_ratio": Setting(0.2, CHOSEN, "Table 1 has a clip and no number; 0.2 is PPO's and GRPO's usual"),
}
_RELEASED_LR = Setting(1e-6, RELEASED)
_IN_GROUP = {
    f"{_OPTIM}.lr": _RELEASED_LR,
    f"{_ROLLOUT}.n": Setting(7, RELEASED, "and the gold solution, in a group of 8"),
}
LUFFY: Settings = {
    "hpt.strategy": Setting("luffy"),
    "hpt.off_coef": Setting(1.0, RELEASED),
    "hpt.shaping": Setting(0.1),
    **_IN_GROUP,
}
SRFT: Settings = {
    "hpt.strategy": Setting("srft"),
    "hpt.off_coef": Setting(1.0, RELEASED),
    "hpt.sft_coef": Setting(1.0, RELEASED),
    f"{_ACTOR}.calculate_entropy": Setting(True, note="its weights are functions of it"),
    **_IN_GROUP,
}
_SKIP = Setting(80, RELEASED, "the scripts of both Qwen models; LLaMA's has none")


def _gated(strategy: str, gamma: float, **coefficients: Setting) -> dict[str, Setting]:
    named = {f"hpt.{name}": value for name, value in coefficients.items()}
    return {
        "hpt.strategy": Setting(strategy),
        "hpt.gamma": Setting(gamma),
        "hpt.gamma_off": Setting(None),
        **named,
    }


_QWEN_7B = {**_gated("switch", 0.0, sft_coef=Setting(1.0)), "hpt.skip_grad_norm": _SKIP}
_QWEN_1_5B = {**_gated("switch", 0.0, sft_coef=Setting(0.3)), "hpt.skip_grad_norm": _SKIP}
_OFF_ON = _gated("off_on", 0.0, off_coef=Setting(1.0, RELEASED), shaping=Setting(0.1))
_MIX_ON = _gated("mix_on", 0.0, off_coef=Setting(1.0), sft_coef=Setting(0.1), shaping=Setting(0.1))

METHODS: dict[str, tuple[tuple[str, Settings], ...]] = {
    "sft": (("sft", SFT),),
    "grpo": (("grpo", GRPO),),
    "sft_grpo": (("sft", SFT), ("grpo", GRPO)),
    "luffy": (("luffy", LUFFY),),
    "srft": (("srft", SRFT),),
}
"""Stages of the methods whose settings are the same for every model: name and what differs from ``SHARED``."""

GATED: dict[tuple[str, str], Settings] = {
    ("qwen2.5_math_7b", "hpt"): _QWEN_7B,
    ("qwen2.5_math_1.5b", "hpt"): _QWEN_1_5B,
    ("llama3.1_8b", "hpt"): _gated("switch", 0.25, sft_coef=Setting(1.0)),
    ("qwen2.5_math_1.5b", "hpt_gamma_1_8"): {**_QWEN_1_5B, "hpt.gamma": Setting(0.125)},
    ("qwen2.5_math_1.5b", "hpt_gamma_2_8"): {**_QWEN_1_5B, "hpt.gamma": Setting(0.25)},
    ("qwen2.5_math_1.5b", "off_on"): {**_OFF_ON, "hpt.skip_grad_norm": _SKIP},
    ("qwen2.5_math_1.5b", "mix_on"): {**_MIX_ON, "hpt.skip_grad_norm": _SKIP},
}
"""What differs from ``SHARED`` where it depends on the model, too."""


@dataclass(frozen=True)
class Row:
    """A row of the tables that a training makes.

    Attributes:
        model: key of ``MODELS``.
        method: key of ``METHODS``, or with the model one of ``GATED``.
        tables: the paper's; none: the paper has no such row.
        quoted: its figures there are from another paper.
    """

    model: str
    method: str
    tables: tuple[int, ...] = ()
    quoted: bool = False

    @property
    def name(self) -> str:
        """Of its launch script (examples/run_NAME.sh) and of its folder (runs/NAME)."""
        return f"{self.model}_{'sft_then_grpo' if self.method == 'sft_grpo' else self.method}"

    @property
    def stages(self) -> tuple[tuple[str, Settings], ...]:
        """Its trainings, one after the other: name and all settings."""
        own = METHODS.get(self.method) or ((self.method, GATED[self.model, self.method]),)
        common = {**SHARED, **MODELS[self.model].settings}
        return tuple((name, {**common, **settings}) for name, settings in own)


ROWS: tuple[Row, ...] = (
    Row("qwen2.5_math_7b", "sft", (2,)),
    Row("qwen2.5_math_7b", "grpo", (2, 4)),
    Row("qwen2.5_math_7b", "sft_grpo", (2,)),
    Row("qwen2.5_math_7b", "luffy", (2, 4)),
    Row("qwen2.5_math_7b", "srft", (2,)),
    Row("qwen2.5_math_7b", "hpt", (2, 4)),
    Row("qwen2.5_math_1.5b", "sft", (3,)),
    Row("qwen2.5_math_1.5b", "grpo", (3,)),
    Row("qwen2.5_math_1.5b", "sft_grpo"),
    Row("qwen2.5_math_1.5b", "luffy", (3,)),
    Row("qwen2.5_math_1.5b", "srft"),
    Row("qwen2.5_math_1.5b", "hpt", (3, 5, 6)),
    Row("qwen2.5_math_1.5b", "off_on", (5,)),
    Row("qwen2.5_math_1.5b", "mix_on", (5,)),
    Row("qwen2.5_math_1.5b", "hpt_gamma_1_8", (6,)),
    Row("qwen2.5_math_1.5b", "hpt_gamma_2_8", (6,)),
    Row("llama3.1_8b", "sft", (3,), quoted=True),
    Row("llama3.1_8b", "grpo", (3,), quoted=True),
    Row("llama3.1_8b", "sft_grpo"),
    Row("llama3.1_8b", "luffy", (3,), quoted=True),
    Row("llama3.1_8b", "srft"),
    Row("llama3.1_8b", "hpt", (3,)),
)


def row_of(model: str, method: str) -> Row:
    """The row of a model and a method.

    Raises:
        ValueError: there is none; the message lists those of the model, or the models.
    """
    methods = [row.method for row in ROWS if row.model == model]
    if not methods:
        raise ValueError(f"Unknown model '{model}'. Available: {', '.join(MODELS)}.")
    if method not in methods:
        raise ValueError(f"Unknown method '{method}' of {model}. Available: {', '.join(methods)}.")
    return next(row for row in ROWS if (row.model, row.method) == (model, method))


@dataclass(frozen=True)
class Evaluation:
    """How checkpoints are evaluated.

    Attributes:
        temperature, top_p: of sampling.
        max_tokens: longest response.
        averaged: benchmarks with several samples per question (avg@32); pass@1 on the others.
        samples: of those, per question.
        curve_samples: per question for pass@k curves.
        curve_until: the largest k of a curve.
    """

    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 8192
    averaged: tuple[str, ...] = ("aime24", "aime25", "amc23")
    samples: int = 32
    curve_samples: int = 2048
    curve_until: int = 1024


EVALUATION = Evaluation()
