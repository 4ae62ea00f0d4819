# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How a question's rollouts are drawn: plainly, behind the first tokens of its demonstration, or with a hint.

A method draws in rounds and sees the scores of the rounds before, so that it helps only where help is needed. n of the
rollouts that were drawn make the question's group. Imports no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Annotated

from pydantic import Field, model_validator

from hpt.common.errors import ConfigError
from hpt.method.gates import Parameters, Share, Steps, cosine

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Draw:
    """One rollout to draw.

    Attributes:
        prefix: first tokens of the demonstration that it begins with; they are part of its response.
        imitated: whether the SFT term acts on the prefix, for methods that imitate prefixes.
        hint: text that the user's turn has behind the question; empty for none.
        plain: train it behind the question without the hint.
    """

    prefix: int = 0
    imitated: bool = False
    hint: str = ""
    plain: bool = False


@dataclass(frozen=True)
class Drawn:
    """A rollout that was drawn, and its score."""

    draw: Draw
    score: float


@dataclass(frozen=True)
class Known:
    """What a method may look at when it draws a question's rollouts.

    Attributes:
        rollouts: n, rollouts of the group.
        step: training step, from 1.
        demonstration: tokens of the demonstration without EOS; 0 where the question has none.
        text: of the demonstration.
        hints: texts of the question's row of the data set, from the least to the most that they give away.
        random: draws alike whenever the step is repeated.
    """

    rollouts: int
    step: int = 1
    demonstration: int = 0
    text: str = ""
    hints: Sequence[str] = ()
    random: Random = field(default_factory=Random)

    def share(self, ratio: float) -> int:
        """That share of the demonstration in tokens, rounded."""
        return round(ratio * self.demonstration)


class Draws:
    """A way to draw; a subclass has ``next``. It remembers nothing between questions.

    Attributes:
        hints: whether it reads the hints of the data set.
        group: n, where the way to draw fixes it; None: any.
    """

    hints = False
    group: int | None = None

    def next(self, known: Known, drawn: Sequence[Drawn]) -> list[Draw]:
        """The draws of the next round; none: the question is done.

        Args:
            drawn: of the rounds before, in their order.
        """
        raise NotImplementedError

    def keep(self, known: Known, drawn: Sequence[Drawn]) -> list[int]:
        """Which n of the rollouts make the group, by their places in ``drawn``."""
        return list(range(len(drawn)))


def failed(drawn: Sequence[Drawn]) -> bool:
    """Whether no rollout is right."""
    return not any(each.score > 0 for each in drawn)


# ---- prefixes in the first round ----


class UFTParameters(Parameters):
    """UFT (arXiv 2505.16984); the defaults are those of its code."""

    hint_steps: Count = 300
    """Training steps with prefixes; later ones have none."""
    slices: Count = 5
    """Equal parts that a demonstration is cut into, by tokens; the prefix is some of the first of them."""
    high: Share = 0.95
    """Chance of each part to be in the prefix in the first step."""
    low: Share = 0.05
    """The same in the last step with prefixes; between them it falls as a half cosine."""
    sft_loss_coef: Annotated[float, Field(ge=0)] = 0.001
    """Weight of SFT on the prefixes, a mean over all their tokens of the optimizer step."""

    @model_validator(mode="after")
    def _falls(self) -> "UFTParameters":
        if self.low > self.high:
            raise ConfigError(f"got hpt.params.low={self.low} and high={self.high}; expected low <= high")
        return self


class UFT(Draws):
    """All rollouts of a question continue a prefix of l parts, l drawn from a binomial distribution."""

    def __init__(self, parameters: UFTParameters):
        self.parameters = parameters

    def next(self, known: Known, drawn: Sequence[Drawn]) -> list[Draw]:
        if drawn:
            return []
        chosen, parts = self.parameters, 0
        if known.step <= chosen.hint_steps:
            chance = cosine(chosen.high, chosen.low, known.step, chosen.hint_steps)
            parts = sum(known.random.random() < chance for _ in range(chosen.slices))
        prefix = known.share(parts / chosen.slices)
        return [Draw(prefix, imitated=prefix > 0)] * known.rollouts


class PrefixRFTParameters(Parameters):
    """Prefix-RFT (arXiv 2507.01679). The published code leaves these open; the values are ours."""

    prefixed: Count = 1
    """Rollouts of a group that continue a prefix."""
    high: Share = 0.95
    """Largest share of the demonstration in a prefix."""
    low_first: Share = 0.8
    """Smallest share in the first training step."""
    low_last: Share = 0.05
    """Smallest share from ``decay_steps`` on."""
    decay_steps: Count = 300
    """Training steps in which the smallest share falls, as a half cosine."""
    least_tokens: Steps = 16
    """Fewest tokens of a prefix."""


class PrefixRFT(Draws):
    """Some rollouts of a group continue a prefix whose share is drawn evenly from [low, high]; low falls."""

    def __init__(self, parameters: PrefixRFTParameters):
        self.parameters = parameters

    def next(self, known: Known, drawn: Sequence[Drawn]) -> list[Draw]:
        if drawn:
            return []
        chosen = self.parameters
        low = cosine(chosen.low_first, chosen.low_last, known.step, chosen.decay_steps)
        prefixed = min(chosen.prefixed, known.rollouts) if known.demonstration else 0
        prefixes = [
            max(known.share(known.random.uniform(min(low, chosen.high), chosen.high)), chosen.least_tokens)
            for _ in range(prefixed)
        ]
        draws = [Draw(min(prefix, known.demonstration)) for prefix in prefixes]
        return draws + [Draw()] * (known.rollouts - prefixed)


# ---- rounds ----


class TRAPOParameters(Parameters):
    """TRAPO (arXiv 2512.17636); the defaults are those of its code. The paper has ratios [0, .2, .5, 1] and
    thresholds [-1, .5, .7, .9]."""

    sizes: tuple[Count, ...] = (4, 2, 1, 1)
    """Rollouts of each round; their sum is rollout.n."""
    ratios: tuple[Share, ...] = (0.0, 0.25, 0.5, 1.0)
    """Share of the demonstration in each round's prefixes, if the rounds before have not solved enough."""
    thresholds: tuple[float, ...] = (0.0, 0.5, 4 / 6, 1.0)
    """Mean score so far below which a round has prefixes."""

    @model_validator(mode="after")
    def _alike(self) -> "TRAPOParameters":
        if not len(self.sizes) == len(self.ratios) == len(self.thresholds):
            raise ConfigError(
                f"got hpt.params with {len(self.sizes)} sizes, {len(self.ratios)} ratios and {len(self.thresholds)} "
                "thresholds; expected one of each per round"
            )
        return self


class TRAPO(Draws):
    """Rounds that show more of the demonstration the less is solved; one prefix of a round is imitated."""

    def __init__(self, parameters: TRAPOParameters):
        self.parameters, self.group = parameters, sum(parameters.sizes)

    def next(self, known: Known, drawn: Sequence[Drawn]) -> list[Draw]:
        chosen, begun = self.parameters, 0
        for size, ratio, threshold in zip(chosen.sizes, chosen.ratios, chosen.thresholds, strict=True):
            if begun == len(drawn):
                mean = sum(each.score for each in drawn) / begun if begun else 0.0
                prefix = known.share(ratio) if mean < threshold else 0
                # Of two rollouts behind one prefix the second is the one whose prefix is imitated.
                return [Draw(prefix, imitated=prefix > 0 and number == size - 1) for number in range(size)]
            begun += size
        return []


class BREADParameters(Parameters):
    """BREAD (arXiv 2506.17211), which has no public code; the number of episodes is read from notes on the paper."""

    episodes: Count = 10
    """Equal parts that a demonstration is cut into, by tokens."""


class BREAD(Draws):
    """Where all rollouts fail, a bisection finds the shortest prefix behind which one succeeds; its rollouts remain."""

    def __init__(self, parameters: BREADParameters):
        self.parameters = parameters

    def _groups(self, known: Known, drawn: Sequence[Drawn]) -> list[Sequence[Drawn]]:
        return [drawn[first : first + known.rollouts] for first in range(0, len(drawn), known.rollouts)]

    def next(self, known: Known, drawn: Sequence[Drawn]) -> list[Draw]:
        groups, episodes = self._groups(known, drawn), self.parameters.episodes
        if not groups:
            return [Draw()] * known.rollouts
        if not known.demonstration or not failed(groups[0]):
            return []
        short, long = 0, episodes  # all fail behind the first; the second is not known to
        for group in groups[1:]:
            middle = (short + long) // 2
            short, long = (middle, long) if failed(group) else (short, middle)
        middle = (short + long) // 2
        return [] if middle == short else [Draw(known.share(middle / episodes))] * known.rollouts

    def keep(self, known: Known, drawn: Sequence[Drawn]) -> list[int]:
        """The last group with a success is that of the shortest prefix."""
        groups = self._groups(known, drawn)
        best = next((number for number in reversed(range(len(groups))) if not failed(groups[number])), 0)
        return list(range(best * known.rollouts, (best + 1) * known.rollouts))


# ---- hints in the prompt ----


class GHPOParameters(Parameters):
    """GHPO (arXiv 2507.10628); the defaults are those of its code."""

    ratios: tuple[Share, ...] = (0.25, 0.5, 0.75)
    """Share of the demonstration's text in the hint of each further round."""
    start_hint_step: Steps = 0
    """Training steps without hints at the start."""


class GHPO(Draws):
    """Where all rollouts fail, they are drawn again with a part of the solution in the prompt, and trained so."""

    opening = "The solution begins like this:"

    def __init__(self, parameters: GHPOParameters):
        self.parameters = parameters

    def next(self, known: Known, drawn: Sequence[Drawn]) -> list[Draw]:
        if not drawn:
            return [Draw()] * known.rollouts
        hinted = len(drawn) // known.rollouts - 1
        chosen = self.parameters
        done = not failed(drawn[-known.rollouts :]) or hinted >= len(chosen.ratios)
        if done or not known.text or known.step <= chosen.start_hint_step:
            return []
        part = known.text[: round(chosen.ratios[hinted] * len(known.text))]
        return [Draw(hint=f"{self.opening}\n{part}")] * known.rollouts

    def keep(self, known: Known, drawn: Sequence[Drawn]) -> list[int]:
        return list(range(len(drawn) - known.rollouts, len(drawn)))


class ScafGRPOParameters(Parameters):
    """Scaf-GRPO (arXiv 2510.19807); the default is that of its script."""

    warmup_steps: Steps = 50
    """Training steps without hints at the start."""


class ScafGRPO(Draws):
    """Where all rollouts fail, one is drawn with each hint of the data; the first that is right replaces the last.

    It is trained behind the plain question.
    """

    hints = True

    def __init__(self, parameters: ScafGRPOParameters):
        self.parameters = parameters

    def next(self, known: Known, drawn: Sequence[Drawn]) -> list[Draw]:
        if not drawn:
            return [Draw()] * known.rollouts
        if len(drawn) > known.rollouts or not failed(drawn) or known.step <= self.parameters.warmup_steps:
            return []
        return [Draw(hint=hint, plain=True) for hint in known.hints]

    def keep(self, known: Known, drawn: Sequence[Drawn]) -> list[int]:
        right = [place for place in range(known.rollouts, len(drawn)) if drawn[place].score > 0]
        kept = list(range(known.rollouts))
        return [*kept[:-1], right[0]] if right else kept
