# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The metrics of a hybrid run; each is defined here and nowhere else. This module imports no verl.

``DEFINITIONS`` maps a metric's name to (unit, meaning); documentation and tests read it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from hpt.method.gate import Coefficients
from hpt.method.routing import Plan, RowKind

# Upper ends of the histogram's classes between "none solved" and "all solved".
P_CLASSES = (0.25, 0.5, 0.75)

DEFINITIONS: dict[str, tuple[str, str]] = {
    "hpt/sft_share_questions": (
        "share",
        "questions with an SFT term, on their demonstration, on a prefix of it or as distillation, of all questions",
    ),
    "hpt/demonstration_share_questions": (
        "share",
        "questions that train on their demonstration, by SFT or off-policy RL, of all questions",
    ),
    "hpt/shown_share_questions": (
        "share",
        "questions whose demonstration, a part of it or a hint was given to a rollout as prefix or in its prompt, or "
        "to the teacher of self-distillation, of all questions",
    ),
    "hpt/demonstration_share_rows": (
        "share",
        "demonstrations, of all rows that the gate sends to training (also those without an advantage)",
    ),
    "hpt/demonstration_share_tokens": ("share", "demonstration tokens, of all response tokens trained on"),
    "hpt/p_hist/none": ("share", "questions with P = 0 (no rollout solved)"),
    "hpt/p_hist/0_to_0.25": ("share", "questions with 0 < P <= 0.25"),
    "hpt/p_hist/0.25_to_0.5": ("share", "questions with 0.25 < P <= 0.5"),
    "hpt/p_hist/0.5_to_0.75": ("share", "questions with 0.5 < P <= 0.75"),
    "hpt/p_hist/0.75_to_1": ("share", "questions with 0.75 < P < 1"),
    "hpt/p_hist/all": ("share", "questions with P = 1 (every rollout solved)"),
    "hpt/questions_none_solved": ("questions", "questions with P = 0"),
    "hpt/questions_all_solved": ("questions", "questions with P = 1"),
    "hpt/rollout_accuracy": (
        "mean score",
        "over all rollouts of the step, also those that were dropped",
    ),
    "hpt/response_length_rollout": (
        "tokens",
        "mean length of all rollouts of the step, dropped ones too",
    ),
    "hpt/truncated_share": (
        "share",
        "rollouts that were cut off before their end, of all rollouts of the step; with verl's own manager, which does "
        "not say why a rollout ends, those of the greatest length",
    ),
    "hpt/demonstrations_skipped": (
        "questions",
        "questions that the gate sends to their demonstration, but that have none",
    ),
    "hpt/rollouts_discarded": (
        "rollouts",
        "drawn in rounds and in no group, of strategies that draw again where all rollouts fail",
    ),
    "hpt/demonstrations_waiting": (
        "demonstrations",
        "that wait for an SFT step of their own, of strategies that collect them",
    ),
    "hpt/coefficient_on": ("coefficient", "mean over questions, RL on rollouts"),
    "hpt/coefficient_off": ("coefficient", "mean over questions, RL on demonstrations"),
    "hpt/coefficient_sft": ("coefficient", "mean over questions, SFT on demonstrations, or distillation in its place"),
    "hpt/rows_rollout": ("rows", "rollout rows trained on"),
    "hpt/rows_demonstration": ("rows", "demonstration rows trained on"),
    "hpt/tokens_trained": ("tokens", "response tokens of the rows trained on, once per epoch over the batch"),
    "hpt/tokens_sampled": (
        "tokens",
        "response tokens of all rollouts of the step, with the prefixes that they were given, dropped ones too",
    ),
    "hpt/loss_rl": (
        "loss",
        "RL term per optimizer step: sum of weight * surrogate over its rollout tokens",
    ),
    "hpt/loss_off": ("loss", "RL term of the demonstrations (off-policy), likewise"),
    "hpt/loss_sft": ("loss", "SFT term per optimizer step, with sft_coef: sum of weight * -log pi"),
    "hpt/loss_entropy": ("loss", "entropy term, where actor.entropy_coeff is not 0"),
    "hpt/loss_kl": ("loss", "KL term, where actor.use_kl_loss is on"),
    "hpt/entropy_rollout": (
        "nats",
        "mean policy entropy per token of the rollouts for which a pass measures it",
    ),
    "hpt/grad_norm": (
        "L2 norm",
        "norm of the gradient before clipping, mean over the batch's optimizer steps",
    ),
    "hpt/steps_skipped": (
        "optimizer steps",
        "steps left out: a gradient that is not finite, or a norm above hpt.skip_grad_norm",
    ),
    "hpt/steps_idle": (
        "optimizer steps",
        "steps without a row to train on: their gradient is zero, so AdamW moves by its momentum and weight decay",
    ),
    "hpt/age_mean": (
        "steps",
        "updates of the weights since a rollout was begun, mean over all rollouts of the step, dropped ones too; this "
        "and the next three in hpt_colocate_async only",
    ),
    "hpt/age_max": ("steps", "age of the oldest rollout"),
    "hpt/stale_share": ("share", "rollouts with an age above 0, of all rollouts of the step"),
    "hpt/partial_share": ("share", "rollouts begun and ended with different versions of the weights, likewise"),
    "hpt/questions_in_flight": (
        "questions",
        "drawn and not yet trained on when the step ends; not 0 in synchronous training is a leak",
    ),
    "hpt/leftover_rows": (
        "rows",
        "in TransferQueue that belong neither to the step nor to a question in flight; not 0 is a leak",
    ),
    "timing_s/*": (
        "s",
        "seconds per phase: gen, old_log_prob, adv, update_actor, update_weights, testing, step",
    ),
    "timing_per_token_ms/gen": (
        "ms",
        "per sampled token of all rollouts; not in hpt_colocate_async, which samples during the other phases, too",
    ),
    "timing_per_token_ms/ref": ("ms", "per token, prompts too, of the rollouts trained on"),
    "timing_per_token_ms/update_actor": ("ms", "per token, prompts too, of all rows in the update, padding too"),
    "critic/score/*": (
        "score",
        "mean, maximum and minimum over all rollouts of the step, dropped ones too; so are critic/rewards/* and the "
        "next five. A step without rollouts has none of them",
    ),
    "response_length/*": ("tokens", "of the responses"),
    "response_length/clip_ratio": (
        "share",
        "rollouts of the greatest length (data.max_response_length, hpt.sampling.max_tokens, or what "
        "rollout.max_model_len leaves), which may have ended there",
    ),
    "response_length_non_aborted/*": (
        "tokens",
        "both without the empty responses, whose share is response/aborted_ratio",
    ),
    "prompt_length/*": ("tokens", "of the prompts"),
    "prompt_length/clip_ratio": ("share", "rollouts whose prompt has data.max_prompt_length tokens"),
    "critic/advantages/*": (
        "advantage",
        "over the rollouts trained on, as are critic/returns/*, num_turns/* and training/off_policy/trajectory_*. A "
        "step that trains on no rollout has none of them, nor rollout_corr/* and training/rollout_probs_diff_*",
    ),
    "perf/throughput": (
        "tokens/s",
        "per GPU and second of the step: perf/total_num_tokens, the tokens of all rows in the update, prompts too",
    ),
}

# verl's metrics of rows that it takes for rollouts. The first are replaced by those of all rollouts.
_OF_ALL_ROLLOUTS = ("critic/score/", "critic/rewards/", "response", "prompt_length/", "timing_per_token_ms/gen")
_OF_TRAINED_ROLLOUTS = (
    "critic/advantages/", "critic/returns/", "num_turns/", "training/num_turns/", "training/off_policy/trajectory_",
    "timing_per_token_ms/ref",
)  # fmt: skip


def _class_of(mean: float) -> str:
    if mean <= 0.0:
        return "none"
    if mean >= 1.0:
        return "all"
    edges = (0.0, *P_CLASSES, 1.0)
    upper = next(index for index, edge in enumerate(edges) if mean <= edge)
    return f"{edges[upper - 1]:g}_to_{edges[upper]:g}"


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


@dataclass(frozen=True)
class BatchMetrics:
    """Metrics of one batch that are known before the update. Sequences have an item per rollout, dropped ones too.

    Attributes:
        scores: of the verifier.
        response_lengths, prompt_lengths: in tokens.
        at_limit: whether the response has all tokens that it may have.
        truncated: whether it was cut off there.
        discarded, discarded_tokens: rollouts of further rounds that are in no group, and their tokens.
        sampled: tokens that the phase "gen" has sampled, of all rollouts; 0: other phases have, too.
    """

    scores: Sequence[float] = ()
    response_lengths: Sequence[int] = ()
    prompt_lengths: Sequence[int] = ()
    at_limit: Sequence[bool] = ()
    truncated: Sequence[bool] = ()
    sampled: int = 0
    discarded: int = 0
    discarded_tokens: int = 0

    def of_plan(self, plan: Plan, lengths: Mapping[RowKind, int], epochs: int = 1) -> dict[str, float]:
        """Return the metrics of what the gate decided.

        Args:
            plan: the routing plan.
            lengths: response tokens that are trained on, per kind of row.
            epochs: over the batch.
        """
        questions = len(plan.coefficients)
        kinds = [row.kind for row in plan.rows]
        per_question = len(self.scores) // questions if questions else 0
        sent = len(plan.demonstrated) + per_question * len(plan.rl)
        tokens = sum(lengths.values())
        return {
            "hpt/sft_share_questions": _share(len(plan.sft), questions),
            "hpt/demonstration_share_questions": _share(len(plan.demonstrated), questions),
            "hpt/shown_share_questions": _share(len(plan.shown), questions),
            "hpt/demonstration_share_rows": _share(len(plan.demonstrated), sent),
            "hpt/demonstration_share_tokens": _share(lengths.get(RowKind.DEMONSTRATION, 0), tokens),
            **{
                f"hpt/coefficient_{name}": _mean([getattr(each, name) for each in plan.coefficients])
                for name in Coefficients._fields
            },
            **(self._of_rollouts(plan) if plan.means or not questions else {}),
            "hpt/demonstrations_skipped": len(plan.skipped),
            "hpt/rows_rollout": kinds.count(RowKind.ROLLOUT),
            "hpt/rows_demonstration": kinds.count(RowKind.DEMONSTRATION),
            "hpt/tokens_trained": epochs * tokens,
            "hpt/tokens_sampled": sum(self.response_lengths) + self.discarded_tokens,
            "hpt/rollouts_discarded": self.discarded,
        }

    def _of_rollouts(self, plan: Plan) -> dict[str, float]:
        """Return the metrics that need rollouts; a strategy that does not generate has none of them."""
        classes = [_class_of(mean) for mean in plan.means]
        names = [name.removeprefix("hpt/p_hist/") for name in DEFINITIONS if name.startswith("hpt/p_hist/")]
        return {
            **{f"hpt/p_hist/{name}": classes.count(name) / max(len(classes), 1) for name in names},
            "hpt/questions_none_solved": classes.count("none"),
            "hpt/questions_all_solved": classes.count("all"),
            "hpt/rollout_accuracy": _mean(self.scores),
            "hpt/response_length_rollout": _mean(self.response_lengths),
            "hpt/truncated_share": _mean(self.truncated),
        }

    def replace_row_metrics(
        self, metrics: dict[str, Any], seconds: Mapping[str, float], max_prompt_length: int, trained_tokens: int
    ) -> None:
        """Replace verl's metrics of rollouts, which cover the rows trained on, by those of all rollouts.

        Args:
            metrics: of the step; those of rollouts that there are none of leave.
            seconds: per phase.
            max_prompt_length: in tokens.
            trained_tokens: prompt and response tokens of the rollouts that are trained on.
        """
        left_out = _OF_ALL_ROLLOUTS + (_OF_TRAINED_ROLLOUTS if not trained_tokens else ())
        # The phase "adv" sees rollouts only, on the driver, and verl divides it by the tokens of the update.
        for name in [name for name in metrics if name.startswith((*left_out, "timing_per_token_ms/adv"))]:
            del metrics[name]
        if trained_tokens and "ref" in seconds:
            metrics["timing_per_token_ms/ref"] = seconds["ref"] * 1000 / trained_tokens
        if self.sampled:
            metrics["timing_per_token_ms/gen"] = seconds["gen"] * 1000 / self.sampled
        if self.scores:
            metrics.update(self._row_metrics(max_prompt_length))

    def _row_metrics(self, max_prompt_length: int) -> dict[str, float]:
        """verl's names for scores and lengths, over all rollouts."""
        kept = [(length, cut) for length, cut in zip(self.response_lengths, self.at_limit, strict=True) if length]
        families = {
            "critic/score": self.scores,
            "critic/rewards": self.scores,
            "response_length": self.response_lengths,
            "response_length_non_aborted": [length for length, _ in kept],
            "prompt_length": self.prompt_lengths,
        }
        return {
            f"{family}/{statistic}": function(values)
            for family, values in families.items()
            for statistic, function in (("mean", _mean), ("max", max), ("min", min))
            if values
        } | {
            "response_length/clip_ratio": _mean(self.at_limit),
            "response_length_non_aborted/clip_ratio": _mean([cut for _, cut in kept]),
            "response/aborted_ratio": 1 - len(kept) / len(self.scores),
            "prompt_length/clip_ratio": _mean([length >= max_prompt_length for length in self.prompt_lengths]),
        }


def age_metrics(versions: Sequence[tuple[int, int]], trained: int) -> dict[str, float]:
    """Return how old rollouts are, in updates of the weights.

    Args:
        versions: per rollout, the versions of the weights that sampled its first and its last token.
        trained: the version of the weights that is trained on them.
    """
    ages = [trained - first for first, _ in versions]
    return {
        "hpt/age_mean": _mean(ages),
        "hpt/age_max": max(ages, default=0),
        "hpt/stale_share": _share(sum(age > 0 for age in ages), len(ages)),
        "hpt/partial_share": _share(sum(first != last for first, last in versions), len(ages)),
    }


def update_metrics(
    reported: Mapping[str, Any],
    average: Callable[[dict[str, Any]], dict[str, float]],
    skip_grad_norm: float | None = None,
) -> dict[str, float]:
    """Return the update's metrics under our names.

    Args:
        reported: what the workers reported, lists with one value per optimizer step; names of ours
            start with ``hpt/``, verl's have no prefix.
        average: verl's reduction of such lists.
        skip_grad_norm: norm above which the worker skips a step; None: it skips none.

    Returns:
        Numbers; ``hpt/steps_skipped`` counts the steps whose gradient was not finite or too large.
    """
    norms = [float(norm) for norm in reported["grad_norm"]]
    finite = [norm for norm in norms if math.isfinite(norm)]
    values = average({**reported, "grad_norm": finite or [math.nan]})
    ours = {name: value for name, value in values.items() if name.startswith("hpt/")}
    others = {f"actor/{name}": value for name, value in values.items() if not name.startswith("hpt/")}
    if "actor/mfu" in others:
        others["perf/mfu/actor"] = others.pop("actor/mfu")
    entropy, tokens = ours.pop("hpt/entropy_sum", None), ours.pop("hpt/entropy_tokens", 0.0)
    if entropy is not None and tokens:
        ours["hpt/entropy_rollout"] = entropy / tokens
    ours["hpt/grad_norm"] = others["actor/grad_norm"]
    limit = math.inf if skip_grad_norm is None else skip_grad_norm
    ours["hpt/steps_skipped"] = sum(not math.isfinite(norm) or norm > limit for norm in norms)
    return ours | others
