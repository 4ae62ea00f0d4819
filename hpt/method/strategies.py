# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A strategy says what a question's score means for its rows. This module imports no torch.

A strategy is a gate, three coefficients as a function of P or of more (:mod:`hpt.method.gate`), and the names of the
entries of ``hpt.upge.ALGORITHMS`` by which rollouts and demonstrations are reinforced and imitated. Data, rollouts,
verifier, routing and loss are the same for all.
"""

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpt.method import draws as drawing
from hpt.method import gate, gates
from hpt.method.schedules import schedule_of

if TYPE_CHECKING:
    from hpt.method.config import HPTConfig


@dataclass(frozen=True)
class Strategy:
    """One method.

    Attributes:
        summary: what the method does, in a line.
        feedback: the settings' map from P to coefficients, or their gate.
        params: class of the strategy's parameters, the settings ``hpt.params``; None: it has none.
        rollouts: entry that reinforces rollouts; ``hpt.rollout_algorithm`` overrides it.
        demonstrations: entry that reinforces demonstrations; ``hpt.demonstration_algorithm`` overrides it.
        sft: entry of the SFT term; ``hpt.sft_algorithm`` overrides it.
        clip_ratio: clip of the ratio on rollouts unless ``hpt.clip_ratio`` has one.
        generates: whether the questions are sampled from at all.
        in_group: the demonstration takes the place of one of the n rollouts.
        needs_demonstrations: every question must have one.
        reweighting: change of the rows' weights by the policy's entropy, one of
            ``hpt.method.estimator.rows.REWEIGHTINGS``; None: none.
        length: what rollouts and reinforced demonstrations are divided by; None: as their entries say.
        pooled_sft: SFT is a mean over all demonstration tokens of the optimizer step, instead of a mean over questions.
        draws: how a question's rollouts are drawn; None: plainly.
        prefixes: what rollouts' prefixes from the demonstration are, one of ``PREFIXES``.
        sft_batch: name of the parameter with the number of demonstrations that wait for an SFT step of their own; None:
            demonstrations are trained on in their question's batch.
        source: where the method is published.
        departs: where its public code departs from its publication, or this strategy from either.
    """

    summary: str
    feedback: Callable[["HPTConfig"], gate.Feedback | gate.Gate]
    params: type[gates.Parameters] | None = None
    rollouts: str = "dr_grpo"
    demonstrations: str = "luffy_offline"
    sft: str = "sft"
    clip_ratio: float | tuple[float, float] | None = None
    generates: bool = True
    in_group: bool = False
    needs_demonstrations: bool = False
    reweighting: str | None = None
    length: str | None = None
    pooled_sft: bool = False
    draws: Callable[["HPTConfig"], drawing.Draws] | None = None
    prefixes: str = "alike"
    sft_batch: str | None = None
    source: str = ""
    departs: str = ""


PREFIXES = ("alike", "imitated", "reinforced", "ignored")
"""What the loss makes of the first tokens of a rollout, where they are the demonstration's: as the rollout's own; under
the SFT term; under the demonstrations' entry with the rollout's weight and advantage; nothing."""


def _switch(gated: gate.Coefficients) -> Callable[["HPTConfig"], gate.Feedback]:
    return lambda settings: gate.switch(settings.gamma, gated, settings.gamma_off)


def _always(on: float, off: float, sft: float) -> Callable[["HPTConfig"], gate.Feedback]:
    return lambda settings: gate.constant(gate.Coefficients(on, off, sft))


STRATEGIES: dict[str, Strategy] = {
    "switch": Strategy(
        "HPT: SFT where P <= gamma, RL elsewhere",
        _switch(gate.SFT),
        source="arXiv 2509.04419",
        departs="code: SFT's weight depends on the packing (hpt.normalization=released)",
    ),
    "soft": Strategy(
        "coefficients as a function of P, hpt.schedule",
        lambda settings: schedule_of(settings.schedule, settings.params),
        source="arXiv 2509.04419",
        departs="code: its tables have no effect",
    ),
    "rl_only": Strategy("RL on the rollouts of every question", _always(1, 0, 0)),
    "sft_only": Strategy(
        "SFT on every demonstration; no rollouts are generated",
        _always(0, 0, 1),
        generates=False,
        needs_demonstrations=True,
        pooled_sft=True,
    ),
    "luffy": Strategy(
        "LUFFY: n - 1 rollouts and the demonstration in one group",
        _always(1, 1, 0),
        rollouts="grpo",
        in_group=True,
        needs_demonstrations=True,
        length="constant",
        source="arXiv 2504.14945",
        departs="code: A without std (hpt.normalization=released)",
    ),
    "srft": Strategy(
        "SRFT: n - 1 rollouts, SFT and RL on the demonstration, weighted by entropy",
        _always(1, 1, 1),
        rollouts="reinforce",
        demonstrations="srft_offline",
        in_group=True,
        needs_demonstrations=True,
        reweighting="srft",
        length="constant",
        source="arXiv 2506.19767",
        departs="code: none of its own found; HPT's has -A pi / (pi + 0.1) on demonstrations",
    ),
    "off_on": Strategy(
        "OFF/ON: off-policy RL on the demonstration where P <= gamma, RL elsewhere",
        _switch(gate.OFF_POLICY),
        source="arXiv 2509.04419",
    ),
    "mix_on": Strategy(
        "Mix/ON: off-policy RL and SFT on the demonstration where P <= gamma, RL elsewhere",
        _switch(gate.Coefficients(0.0, 1.0, 1.0)),
        source="arXiv 2509.04419",
    ),
    "superrl": Strategy(
        "SuperRL: SFT where P <= gamma (no rollout is right), GRPO elsewhere",
        _switch(gate.SFT),
        rollouts="grpo",
        clip_ratio=0.2,
        source="arXiv 2506.01096",
        departs="code: not read; version 2 of the paper, the first one had a probe",
    ),
    "mix": Strategy(
        "MIX: (1 - mu) GRPO + mu SFT on every question, mu constant",
        lambda settings: gate.constant(gate.Coefficients(1 - settings.chosen.mu, 0.0, settings.chosen.mu)),
        params=gates.MixParameters,
        rollouts="grpo",
        clip_ratio=0.2,
        length="step",
        pooled_sft=True,
        source="Trinity-RFT",
        departs="code: divides by sizes of its own batches, demonstrations come from another data set",
    ),
    "chord": Strategy(
        "CHORD-mu: (1 - mu) GRPO + mu SFT on every question, mu by the training step",
        lambda settings: gates.Chord(settings.chosen),
        params=gates.ChordParameters,
        rollouts="grpo",
        clip_ratio=0.2,
        length="step",
        pooled_sft=True,
        source="arXiv 2508.11408",
        departs="code: SFT is a mean over a micro-batch; here over all tokens of the step",
    ),
    "sasr": Strategy(
        "SASR: each step is SFT or GRPO, by a coin that follows the gradient norms of SFT",
        lambda settings: gates.Coin(settings.chosen),
        params=gates.CoinParameters,
        rollouts="grpo",
        clip_ratio=0.2,
        needs_demonstrations=True,
        source="arXiv 2505.13026",
        departs="code: none found, values not published; here: SFT steps sample rollouts, too",
    ),
    "curriculum": Strategy(
        "SFT where the running mean of a question's P is <= gamma, RL elsewhere",
        lambda settings: gates.Curriculum(settings.chosen, settings.gamma),
        params=gates.CurriculumParameters,
    ),
    "relift": Strategy(
        "ReLIFT: RL on every question; demonstrations of those with P <= gamma wait for an SFT step of their own",
        lambda settings: gate.switch(settings.gamma, gate.Coefficients(1.0, 0.0, 1.0)),
        params=gates.ReliftParameters,
        pooled_sft=True,
        sft_batch="sft_data_size",
        source="arXiv 2506.07527",
        departs="code: SFT has an optimizer of its own; here one serves both",
    ),
    "rl_plus": Strategy(
        "RL-PLUS: n - 1 rollouts and the demonstration in one group, the latter by a mixture of policies",
        _always(1, 1, 0),
        demonstrations="rl_plus_offline",
        in_group=True,
        needs_demonstrations=True,
        source="arXiv 2508.00222",
        departs="paper: A / std; code and here: A without std",
    ),
    "self_distill": Strategy(
        "HPT with self-distillation for SFT: the policy with the demonstration in its prompt scores the rollouts",
        _switch(gate.SFT),
        sft="self_distill",
        source="arXiv 2601.20802",
        departs="code: the teacher is a running average of policies; here: the current policy",
    ),
    "uft": Strategy(
        "UFT: rollouts continue the first parts of the demonstration, fewer and fewer; GRPO, and SFT on these parts",
        lambda settings: gate.constant(gate.Coefficients(1.0, 0.0, settings.chosen.sft_loss_coef)),
        params=drawing.UFTParameters,
        rollouts="grpo",
        clip_ratio=0.2,
        pooled_sft=True,
        draws=lambda settings: drawing.UFT(settings.chosen),
        prefixes="imitated",
        source="arXiv 2505.16984",
        departs="code: parts of the solution's steps, and a KL term; here: parts by tokens, no KL unless set",
    ),
    "prefix_rft": Strategy(
        "Prefix-RFT: some rollouts of a group continue a prefix, which is reinforced where the policy is uncertain",
        _always(1, 0, 0),
        params=drawing.PrefixRFTParameters,
        rollouts="grpo",
        demonstrations="prefix_rft",
        clip_ratio=0.2,
        draws=lambda settings: drawing.PrefixRFT(settings.chosen),
        prefixes="reinforced",
        source="arXiv 2507.01679",
        departs="code: lacks the prefix lengths, so they are ours; low entropy in a micro-batch, here in a row",
    ),
    "trapo": Strategy(
        "TRAPO: rounds of rollouts that show more of the demonstration the less is solved; TrSFT on the prefixes",
        _always(1, 0, 1),
        params=drawing.TRAPOParameters,
        sft="trsft",
        draws=lambda settings: drawing.TRAPO(settings.chosen),
        prefixes="imitated",
        source="arXiv 2512.17636",
        departs="paper and code differ in the rounds, here the code's; prefixes end at the ratio, not at a connective",
    ),
    "bread": Strategy(
        "BREAD: where all rollouts fail, those behind the shortest prefix that succeeds; GRPO on what is sampled",
        _always(1, 0, 0),
        params=drawing.BREADParameters,
        rollouts="grpo",
        clip_ratio=0.2,
        draws=lambda settings: drawing.BREAD(settings.chosen),
        prefixes="ignored",
        source="arXiv 2506.17211",
        departs="code: none found; here: parts of equal numbers of tokens",
    ),
    "ghpo": Strategy(
        "GHPO: where all rollouts fail, others with a part of the solution in the prompt; GRPO on these prompts",
        _always(1, 0, 0),
        params=drawing.GHPOParameters,
        rollouts="grpo",
        clip_ratio=0.2,
        draws=lambda settings: drawing.GHPO(settings.chosen),
        source="arXiv 2507.10628",
        departs="code: one ratio, .5, in its configuration and .25, .5, .75 in its trainer, as here",
    ),
    "scaf_grpo": Strategy(
        "Scaf-GRPO: where all rollouts fail, one with a hint of the data replaces a rollout; GRPO",
        _always(1, 0, 0),
        params=drawing.ScafGRPOParameters,
        rollouts="grpo",
        clip_ratio=0.2,
        draws=lambda settings: drawing.ScafGRPO(settings.chosen),
        source="arXiv 2510.19807",
        departs="code: twelve hints of three tiers; here: as many as the data has",
    ),
}


def register_strategy(name: str, strategy: Strategy) -> None:
    """Add a strategy, so that ``hpt.strategy=NAME`` selects it; call it from a module of ``hpt.plugins``.

    Raises:
        ValueError: the name is taken.
    """
    if name in STRATEGIES:
        raise ValueError(f"Strategy '{name}' is registered already; choose another name.")
    STRATEGIES[name] = strategy


def check_feedback(feedback: gate.Feedback | gate.Gate, rollouts: int, total_steps: int = 1) -> None:
    """Ask for the coefficients at every P that n rollouts can have; raises what ``feedback`` raises.

    A gate is asked for the first and the last training step, so hand over one that is not used afterwards.
    """
    asked = gate.gate_of(feedback, rollouts)
    means = [solved / rollouts for solved in range(rollouts + 1)]
    for step in sorted({1, total_steps}):
        for solved, mean in enumerate(means):
            scores = [1.0] * solved + [0.0] * (rollouts - solved)
            asked(gate.Context(mean, scores, "a question", step, total_steps, means))
    state = asked.state_dict()
    try:
        json.dumps(state)
    except TypeError as error:
        raise ValueError(f"got a gate with the state {state!r}, which JSON cannot hold: {error}") from error


def trains_on_demonstrations(feedback: gate.Feedback | gate.Gate, rollouts: int) -> bool:
    """Whether a question with n rollouts may have a term for its demonstration."""
    return not {"off", "sft"}.isdisjoint(gate.gate_of(feedback, rollouts).terms)


def import_plugins(plugins: Sequence[str], setting: str = "hpt.plugins") -> None:
    """Import the modules that register a user's own algorithms or kinds of answers.

    Args:
        plugins: names of modules.
        setting: by which the user named them, for the message.

    Raises:
        ValueError: one that cannot be imported.
    """
    for name in plugins:
        try:
            if not isinstance(name, str) or name.startswith("."):
                raise ImportError("no absolute name of a module")
            importlib.import_module(name)
        except ImportError as error:
            raise ValueError(
                f"got {setting} with '{name}', which cannot be imported ({error}); expected a module on PYTHONPATH"
            ) from error
