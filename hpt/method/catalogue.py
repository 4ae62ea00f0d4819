# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The table of the field: every published method that is an entry here, read off its entry; and those that are not.

A row is of a strategy, or of an entry that serves as the SFT term or reinforces rollouts under another strategy.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt.method.config import HPTConfig
from hpt.method.draws import Draw, Drawn, Draws, Known
from hpt.method.estimator.algorithms import ALGORITHMS, find
from hpt.method.estimator.composite import TEACHER, Composite, composite_of
from hpt.method.gate import Coefficients, Gate, gate_of
from hpt.method.plan import Imitated
from hpt.method.strategies import STRATEGIES

COSTS = Path(__file__).with_name("costs.json")
"""What ``python -m benchmarks.methods --out`` wrote: a row per method, with the ratio of its step to GRPO's."""
NOT_MEASURED = "not measured"
NONE = "-"

ROLLOUTS, TOKENS, STEP = 8, 100, 100
"""The question that tells how a method draws: its rollouts, tokens of its demonstration, and the training step."""
GAMMA = 3 / ROLLOUTS
"""At which a gate is asked, so that what follows gamma shows."""


@dataclass(frozen=True)
class Unsupported:
    """A published method that is no entry."""

    name: str
    source: str
    reason: str


UNSUPPORTED = (
    Unsupported("GKD, OPD", "arXiv 2306.13649", "another model is the teacher; verl's section distillation has it"),
    Unsupported("KDRL", "arXiv 2506.02208", "another model is the teacher"),
    Unsupported("MIFO", "arXiv 2510.04454", "takes part in the optimizer: SFT leaves parameters alone that RL changed"),
    Unsupported("BRIDGE", "arXiv 2509.06948", "takes part in the optimizer: an adapter learns where SFT helps RL"),
    Unsupported(
        "AMFT",
        "arXiv 2508.06944",
        "takes part in the optimizer: a gradient of the weight of SFT",
    ),
    Unsupported("ASFT", "arXiv 2509.23753", "needs the logits of the whole vocabulary: a KL term to the start policy"),
    Unsupported("GIFT", "arXiv 2601.09233", "needs the logits of the whole vocabulary: its target is a distribution"),
)


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        key: of its strategy or entry.
        name: as published, where the strategy says it.
        source: where it is published.
        selected: the settings that select it.
        terms: entries for rollouts / demonstrations / SFT, and what they act on, if not that.
        when: coefficients (on, off, sft) of these terms, and what they depend on.
        generated: rollouts of a question.
        passes: what is computed beside an update's own log-probabilities.
        departs: where public code departs from the publication, or this from either.
    """

    key: str
    name: str
    source: str
    selected: str
    terms: str
    when: str
    generated: str
    passes: str
    departs: str


def methods() -> list[Method]:
    """All rows: strategies, then entries for the SFT term, then those for rollouts."""
    return [*_strategies(), *_entries()]


def costs() -> dict[str, float]:
    """Seconds of a step relative to GRPO's by the key of a row, as measured; none for the others."""
    return {name: row["ratio"] for name, row in json.loads(COSTS.read_text())["rows"].items()}


def _strategies() -> Iterator[Method]:
    for key, strategy in STRATEGIES.items():
        name, named, _ = strategy.summary.partition(": ")
        yield _row(key, HPTConfig(strategy=key, gamma=GAMMA), f"hpt.strategy={key}", name if named else key)


def _entries() -> Iterator[Method]:
    of_demonstrations = {strategy.demonstrations for strategy in STRATEGIES.values()}
    others = {key: entry for key, entry in ALGORITHMS.items() if key not in STRATEGIES and key not in of_demonstrations}
    for key, entry in others.items():
        if "advantages" not in entry.inputs and entry.credit is None and key != "sft":
            yield _row(key, HPTConfig(sft_algorithm=key, gamma=GAMMA), f"hpt.sft_algorithm={key}")
    for key, entry in others.items():
        if entry.credit is not None:
            settings = HPTConfig(strategy="rl_only", rollout_algorithm=key)
            yield _row(key, settings, f"hpt.strategy=rl_only hpt.rollout_algorithm={key}")


def _row(key: str, settings: HPTConfig, selected: str, name: str = "") -> Method:
    composite, strategy = composite_of(settings), settings.method
    used = _used(settings, composite)
    departures = [strategy.departs] if key in STRATEGIES else []
    departures += [find(entry).departs for entry in dict.fromkeys((*used.rollouts, *used.demonstrations))]
    return Method(
        key=key,
        name=name or key,
        source=(strategy.source if key in STRATEGIES else find(key).source) or NONE,
        selected=selected,
        terms=_terms(settings, composite),
        when=_when(settings),
        generated=_generated(settings),
        passes=_passes(composite, used),
        departs="; ".join(filter(None, departures)) or NONE,
    )


# ---- terms ----


@dataclass(frozen=True)
class _Used:
    """Entries whose terms can act, by the rows that they read."""

    rollouts: Sequence[str]
    demonstrations: Sequence[str]


def _used(settings: HPTConfig, composite: Composite) -> _Used:
    terms = set(gate_of(settings.feedback, ROLLOUTS).terms)
    on_rollouts = [composite.rollouts] if "on" in terms else []
    on_rollouts += [composite.demonstrations] if composite.prefixes == "reinforced" else []
    on_demonstrations = [composite.demonstrations] if "off" in terms else []
    if "sft" in terms:
        (on_demonstrations if composite.imitated == Imitated.DEMONSTRATION else on_rollouts).append(composite.sft)
    return _Used(on_rollouts, on_demonstrations)


def _terms(settings: HPTConfig, composite: Composite) -> str:
    terms = set(gate_of(settings.feedback, ROLLOUTS).terms)
    shown = [composite.rollouts if "on" in terms else NONE, composite.demonstrations if "off" in terms else NONE]
    if composite.prefixes == "reinforced":
        shown[1] = f"{composite.demonstrations} on prefixes"
    where = "" if composite.imitated == Imitated.DEMONSTRATION else f" on {composite.imitated}"
    shown.append(f"{composite.sft}{where}" if "sft" in terms else NONE)
    weighted = ", weighted by entropy" if composite.reweighting else ""
    return " / ".join(shown) + weighted


def _passes(composite: Composite, used: _Used) -> str:
    read = {
        kind: frozenset[str]().union(*(find(entry).inputs for entry in entries))
        for kind, entries in (("rollouts", used.rollouts), ("demonstrations", used.demonstrations))
    }
    found = []
    if "old_log_prob" in read["demonstrations"]:
        found.append("log pi_old of demonstrations")
    if "initial_log_prob" in read["demonstrations"]:
        found.append("log pi_0 of demonstrations")
    if TEACHER in read["rollouts"]:
        found.append("log pi_T of rollouts")
    if composite.reweighting or any("entropy" in inputs for inputs in read.values()):
        found.append("entropy")
    return ", ".join(found) or NONE


# ---- the gate ----


def _shown(coefficients: Coefficients) -> str:
    return f"({', '.join(f'{value:g}' for value in coefficients)})"


def _when(settings: HPTConfig) -> str:
    feedback = settings.feedback
    waiting = f"; SFT where {settings.sft_batch} demonstrations wait" if settings.sft_batch else ""
    if isinstance(feedback, Gate):
        return feedback.when + waiting
    values = [feedback(solved / ROLLOUTS) for solved in range(ROLLOUTS + 1)]
    changes = [solved for solved in range(1, ROLLOUTS + 1) if values[solved] != values[solved - 1]]
    if not changes:
        return _shown(values[0]) + waiting
    if changes == [round(GAMMA * ROLLOUTS) + 1]:
        return f"P <= gamma: {_shown(values[0])}; else {_shown(values[-1])}{waiting}"
    return "by P, as hpt.schedule says" + waiting


# ---- what is generated ----


def _rounds(draws: Draws, score: float) -> list[list[Draw]]:
    """The rounds of a question whose rollouts all have the same score."""
    known = Known(ROLLOUTS, STEP, TOKENS, "a text", ("a hint",), random.Random(0))
    rounds: list[list[Draw]] = []
    while drawn := draws.next(known, [Drawn(draw, score) for each in rounds for draw in each]):
        rounds.append(drawn)
    return rounds


def _generated(settings: HPTConfig) -> str:
    if not settings.method.generates:
        return "nothing"
    if settings.draws is None:
        return "n - 1" if settings.method.in_group else "n"
    first, *later = _rounds(settings.draws, 0.0)
    prefixed = sum(draw.prefix > 0 for draw in first)
    shown = _number(first)
    if prefixed:
        shown += " behind prefixes" if prefixed == len(first) else f", {prefixed} of them behind a prefix"
    if not later:
        return shown
    sizes = ", ".join(_number(each) for each in later)
    help_given = "with hints" if any(draw.hint for each in later for draw in each) else "behind prefixes"
    if settings.method.prefixes == "ignored":
        help_given += ", which have no loss"
    if len(_rounds(settings.draws, 1.0)) > 1:
        return f"{shown}, then {sizes}; {help_given} where too few are right"
    if settings.draws.hints:
        return f"{shown}; if all fail one with each hint of the data"
    return f"{shown}; if all fail up to {sizes} {help_given}"


def _number(draws: Sequence[Draw]) -> str:
    return "n" if len(draws) == ROLLOUTS else str(len(draws))
