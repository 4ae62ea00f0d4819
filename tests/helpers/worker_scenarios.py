# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Small batches for the real training worker, and their gradients by a second implementation.

The second implementation is plain transformers in float64: the paper's formula in loops over questions.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from hpt.method.routing import RowKind

VOCAB, N, ROLLOUTS, L_MAX, LAMBDA = 13, 4, 3, 8, 0.7
ENTROPY_COEFF, KL_COEF, TEMPERATURE = 0.05, 0.2, 0.6
LORA_RANK, LORA_ALPHA = 2, 4


@dataclass(frozen=True)
class Setup:
    """How the worker computes.

    Attributes:
        packed: rows lie in one sequence without padding (``use_remove_padding``), as in every training on a GPU.
        dtype: in which the actor is kept.
        compute_dtype: of the forward and backward pass; another one than ``dtype`` means autocast.
        adapter: LoRA on all linear layers, from the folder ``adapter``.
        optimizer: SGD, so that a learning rate of 0 changes nothing and 1 subtracts the gradient.
        sequence_ranks: that share the tokens of each row (Ulysses sequence parallelism).
    """

    packed: bool = False
    dtype: str = "float32"
    compute_dtype: str = "float32"
    checkpointing: bool = False
    adapter: bool = False
    attention: str = "sdpa"
    optimizer: str = "SGD"
    sequence_ranks: int = 1
    profiled: bool = False  # verl's profiler keeps the second optimizer step of a call


@dataclass
class Item:
    """A training row: token ids and what the driver decided about it."""

    kind: RowKind
    question: int
    prompt: list[int]
    response: list[int]
    rl_weight: float = 0.0
    sft_weight: float = 0.0
    advantage: float = 0.0
    mean_score: float = 0.0
    prefix_length: int = 0
    old_log_probs: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    ref_log_prob: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    on_policy: bool = False


@dataclass
class Scenario:
    """One call of train_mini_batch.

    Attributes:
        steps: rows per optimizer step, per rank.
        micro_batch_size: rows; None is dynamic batch size with ``tokens`` as its budget.
    """

    steps: list[list[list[Item]]]
    micro_batch_size: int | None = None
    tokens: int = 4096
    per_row_temperature: bool = False
    extra_terms: bool = False
    old_log_probs: bool = True
    epochs: int = 1
    skip_grad_norm: float | None = None
    infer: bool = False  # a forward pass for log-probabilities instead of the update
    lacks: tuple[str, ...] = ()  # fields that the request names and the storage leaves out
    scale: float | None = None  # the loss scale of float16 from here on


@dataclass
class Group:
    """Scenarios that one worker runs, one after the other."""

    setup: str
    settings: Setup
    learning_rate: float
    scenarios: dict[str, Scenario]

    def save(self) -> dict:
        """Plain values: the ranks know these classes under another module's name."""
        return asdict(self)

    @classmethod
    def restored(cls, values: dict) -> "Group":
        """The group that ``save`` made these values of."""
        scenarios = {}
        for name, scenario in values["scenarios"].items():
            steps = [[[Item(**row) for row in rank] for rank in step] for step in scenario["steps"]]
            scenarios[name] = Scenario(**scenario | {"steps": steps})
        return cls(**values | {"settings": Setup(**values["settings"]), "scenarios": scenarios})


# ---- the second implementation: plain transformers, float64, loops over questions ----


def log_probs_and_entropy(model: Any, item: Item, temperature: float) -> tuple:
    tokens = torch.tensor([item.prompt + item.response])
    logits = model(tokens).logits[0, len(item.prompt) - 1 : -1].double() / temperature
    logs = logits.log_softmax(-1)
    chosen = logs.gather(-1, tokens[0, len(item.prompt) :].unsqueeze(-1)).squeeze(-1)
    return chosen, -(logs.exp() * logs).sum(-1)


def reference(policy: "Policy", items: list[Item], scenario: Scenario) -> tuple[dict, dict]:
    """(loss per term, gradient per parameter that is trained) of one optimizer step over N questions."""
    terms = {name: torch.zeros((), dtype=torch.float64) for name in ("rl", "off", "sft", "entropy", "kl")}
    for item in items:
        hot = scenario.per_row_temperature and item.kind == RowKind.ROLLOUT
        log_prob, entropy = log_probs_and_entropy(policy.model, item, TEMPERATURE if hot else 1.0)
        if item.kind == RowKind.DEMONSTRATION:
            terms["sft"] = terms["sft"] - LAMBDA / (N * len(item.response)) * log_prob.sum()
        if item.kind == RowKind.ROLLOUT:
            weight = 1 / (N * ROLLOUTS * L_MAX)
            measured = scenario.old_log_probs and not item.on_policy
            old = item.old_log_probs if measured else log_prob.detach()
            ratio = torch.exp(log_prob - old)
            terms["rl"] = terms["rl"] - weight * (item.advantage * ratio).sum()
            if scenario.extra_terms:
                gap = item.ref_log_prob - log_prob
                terms["entropy"] = terms["entropy"] - ENTROPY_COEFF * weight * entropy.sum()
                terms["kl"] = terms["kl"] + KL_COEF * weight * (gap.exp() - gap - 1).sum()
    policy.model.zero_grad()
    loss = sum(terms.values())
    if loss.requires_grad:
        loss.backward()
    return {name: float(value.detach()) for name, value in terms.items()}, policy.gradients()


@dataclass
class Policy:
    """The second implementation's model in float64.

    Attributes:
        model: with the adapter, if there is one, added to its weights.
        adapter: matrices A (rank, in) and B (out, rank) per weight W + ``SCALE`` B A.
    """

    SCALE = LORA_ALPHA / LORA_RANK

    model: Any
    adapter: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    def gradients(self) -> dict[str, torch.Tensor]:
        """Gradients under the worker's names; those of A and B follow from that of W by the chain rule."""
        whole = {
            name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in self.model.named_parameters()
        }
        if not self.adapter:
            return whole
        found = {}
        for name, (a, b) in self.adapter.items():
            prefix = f"base_model.model.{name.removesuffix('.weight')}"
            found[f"{prefix}.lora_A.default.weight"] = self.SCALE * b.T @ whole[name]
            found[f"{prefix}.lora_B.default.weight"] = self.SCALE * whole[name] @ a.T
        return found


# ---- scenarios ----


def make_model(folder: Path, **sizes: int) -> Any:
    """Save a tiny model, or one of other sizes; returns it in float64."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    settings = {
        "vocab_size": VOCAB,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 32,
        "tie_word_embeddings": False,
        "initializer_range": 0.1,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 0,
    }
    model = Qwen2ForCausalLM(Qwen2Config(**settings | sizes))
    model.save_pretrained(folder / "model")
    return model.double().eval()


def make_adapter(folder: Path) -> Policy:
    """Save a LoRA adapter on all linear layers, whose B is not zero: otherwise A would have no gradient."""
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import Qwen2ForCausalLM

    torch.manual_seed(1)
    plain = Qwen2ForCausalLM.from_pretrained(folder / "model")
    settings = LoraConfig(task_type=TaskType.CAUSAL_LM, r=LORA_RANK, lora_alpha=LORA_ALPHA, target_modules="all-linear")
    adapted = get_peft_model(plain, settings)
    matrices = {name: p.data for name, p in adapted.named_parameters() if p.requires_grad}
    for matrix in matrices.values():
        matrix.normal_(std=0.1)
    adapted.save_pretrained(folder / "adapter")
    policy = Policy(Qwen2ForCausalLM.from_pretrained(folder / "model").double().eval())
    for name, p in policy.model.named_parameters():
        prefix = f"base_model.model.{name.removesuffix('.weight')}.lora"
        if f"{prefix}_A.default.weight" in matrices:
            a, b = (matrices[f"{prefix}_{letter}.default.weight"].double() for letter in "AB")
            policy.adapter[name] = a, b
            p.data += policy.SCALE * b @ a
    assert 2 * len(policy.adapter) == len(matrices)
    return policy


def make_step(model: Any, seed: int) -> list[Item]:
    """N questions: two on RL with n rollouts each, two on their gold solution; 8 rows."""
    random = torch.Generator().manual_seed(seed)

    def tokens(low: int, high: int) -> list[int]:
        length = int(torch.randint(low, high + 1, (), generator=random))
        return torch.randint(1, VOCAB, (length,), generator=random).tolist()

    items = []
    for question, solved in enumerate([2, 0, 1, 0]):
        prompt = tokens(2, 5)
        if not solved:
            solution = tokens(2, L_MAX)
            weight = LAMBDA / (N * len(solution))
            items.append(Item(RowKind.DEMONSTRATION, question, prompt, solution, 0.0, weight, 1.0))
            continue
        for rollout in range(ROLLOUTS):
            item = Item(RowKind.ROLLOUT, question, prompt, tokens(1, L_MAX))
            item.rl_weight = 1 / (N * ROLLOUTS * L_MAX)
            item.advantage = float(rollout < solved) - solved / ROLLOUTS
            with torch.no_grad():
                now, _ = log_probs_and_entropy(model, item, 1.0)
            for name in ("old_log_probs", "ref_log_prob"):
                noise = torch.randn(len(now), generator=random, dtype=torch.float64)
                # Rounded as they travel, so that both implementations read the same numbers.
                setattr(item, name, (now + 0.3 * noise).float().double())
            items.append(item)
    return items


def padding(count: int) -> list[Item]:
    return [Item(RowKind.PADDING, -1, [1], [1]) for _ in range(count)]


def split(items: list[Item]) -> list[list[Item]]:
    return [items[::2], items[1::2]]


def on_policy(items: list[Item]) -> list[Item]:
    """The rows with a log pi_old that must not be read, because theirs is log pi_theta."""
    return [item and replace(item, on_policy=True) for item in items]


SETUPS = {
    # In float64 packed and padded rows are equal to the last digits, and the references to the rounding of weights.
    "padded": Setup(dtype="float64", compute_dtype="float64"),
    "packed": Setup(packed=True, dtype="float64", compute_dtype="float64"),
    "checkpointed": Setup(checkpointing=True),
    "LoRA": Setup(packed=True, adapter=True),
    "bfloat16": Setup(packed=True, compute_dtype="bfloat16", checkpointing=True),  # as the scripts for GPUs train
}


def guarded(a: list[Item]) -> dict[str, Scenario]:
    """The same step under two limits for its gradient's norm, which is about 0.4."""
    return {
        "guard, skipped": Scenario([split(a)], skip_grad_norm=1e-6),
        "guard, not skipped": Scenario([split(a)], skip_grad_norm=100.0),
    }


def make_groups(a: list[Item], b: list[Item]) -> dict[int, list[Group]]:
    """What each worker runs, per world size: all scenarios in each setup, and what needs a setup of its own."""
    guards = guarded(a)
    half = {
        "guard, skipped": replace(guards["guard, skipped"], scale=2.0**16),
        "guard, not skipped": guards["guard, not skipped"],
        "overflow": replace(guards["guard, not skipped"], scale=2.0**40),
        "after an overflow": replace(guards["guard, not skipped"], scale=2.0**16),
    }
    profiled, adamw = Setup(profiled=True), replace(SETUPS["padded"], optimizer="AdamW")
    groups: dict[int, list[Group]] = {
        1: [
            Group("profiled", profiled, 0.0, {"two steps": Scenario([[a], [b[:5]]])}),
            Group("AdamW", adamw, 0.01, {"then an idle step": Scenario([[a], [padding(1)]])}),
        ],
        2: [
            Group("float16", Setup(compute_dtype="float16"), 0.5, half),
            Group(
                "padded",
                SETUPS["padded"],
                0.0,
                {
                    f"lacks {name}": Scenario([split(a)], extra_terms=True, lacks=(name,))
                    for name in ("old_log_probs", "ref_log_prob")
                },
            ),
        ],
    }
    for world, (frozen, trained) in enumerate((one_rank(a, b), two_ranks(a, b)), start=1):
        for setup, settings in SETUPS.items():
            groups[world].append(Group(setup, settings, 0.0, frozen))
            groups[world] += [Group(setup, settings, 0.5, scenarios) for scenarios in trained]
    return groups


def one_rank(a: list[Item], b: list[Item]) -> tuple[dict[str, Scenario], list[dict[str, Scenario]]]:
    """Scenarios at a learning rate of 0, and those that train, for each of which a worker is built."""
    one = {
        "1 micro-batch": Scenario([[a]], 8),
        "2 micro-batches": Scenario([[a]], 4),
        "4 micro-batches": Scenario([[a]], 2),
        "8 micro-batches": Scenario([[a]], 1),
        "3 equal micro-batches": Scenario([[a + padding(1)]], 4),  # 9 rows: 3 of 3, not 4 + 4 + 1
        "reversed": Scenario([[a[::-1]]], 2),
        "dynamic": Scenario([[a]]),
        "dynamic, small": Scenario([[a]], tokens=26),
        "padding": Scenario([[a[:3] + padding(2) + a[3:]]]),
        "padding, fixed": Scenario([[a[:3] + padding(2) + a[3:] + padding(2)]], 4),
        "only padding": Scenario([[padding(2)]]),
        "temperature": Scenario([[a]], 4, per_row_temperature=True),
        "temperature, dynamic": Scenario([[a]], tokens=26, per_row_temperature=True),
        "entropy and KL": Scenario([[a + padding(1)]], 3, extra_terms=True),
        "on policy": Scenario([[a]], 4, old_log_probs=False),
        "two steps": Scenario([[a], [b[:5] + padding(1)]]),
        "first step on policy": Scenario([[on_policy(a)], [b[:5] + padding(1)]]),
        "second step alone": Scenario([[b[:5]]]),
        "two steps, fixed": Scenario([[a], [b[:5]]], 5),
        "two epochs": Scenario([[a], [b[:5]]], epochs=2),
    }
    inference = {f"infer, {name}": replace(one[name], infer=True) for name in ("padding", "padding, fixed")}
    trained = [
        {"both steps": Scenario([[a], [b[:5]]])},
        {"first step": Scenario([[a]]), "then second": Scenario([[b[:5]]])},
    ]
    return one | inference, trained


def two_ranks(a: list[Item], b: list[Item]) -> tuple[dict[str, Scenario], list[dict[str, Scenario]]]:
    """The same on two ranks."""
    two = {
        "1 micro-batch": Scenario([split(a)], 4),
        "2 micro-batches": Scenario([split(a)], 2),
        "4 micro-batches": Scenario([split(a)], 1),
        "all on one rank": Scenario([[a, padding(8)]], 4),
        "dynamic": Scenario([split(a)]),
        "dynamic, small": Scenario([split(a)], tokens=26),
        "padding": Scenario([[a[:4] + padding(1), padding(1) + a[4:]]]),
        "padding, fixed": Scenario([[a[:5] + padding(1), padding(1) + a[5:] + padding(2)]], 2),
        "a rank of padding": Scenario([[a[:1], padding(1)]]),
        "a rank of demonstrations": Scenario([[a[:1], a[3:4]]]),
        "temperature": Scenario([split(a)], 2, per_row_temperature=True),
        "entropy and KL": Scenario([split(a)], 2, extra_terms=True),
        "on policy": Scenario([split(a)], 2, old_log_probs=False),
        "two steps": Scenario([split(a), split(b[:5] + padding(1))]),
        "first step on policy": Scenario([split(on_policy(a)), split(b[:5] + padding(1))]),
    }
    return two, [guarded(a)]
