# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A batch's questions on their way to samples: what is asked of the server, and what came back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hpt.method.draws import Draw, Drawn, Known
from hpt.verl_ext.rollout_scores import Answer
from hpt.verl_ext.sampling import Sample

PLAIN = Draw()


@dataclass
class Asked:
    """One sample.

    Attributes:
        prompt: token ids that the server sees, without the prefix.
        prefix: first response tokens.
        seed: its own.
        draw: why it was asked for.
        trained_prompt: token ids that its row has; None: ``prompt``.
        sample: what the server generated.
        version: training step that made the server's weights.
        score: of the verifier or the reward workers, {"score", "info"}.
    """

    prompt: list[int]
    prefix: list[int]
    seed: int
    draw: Draw = PLAIN
    trained_prompt: list[int] | None = None
    sample: Sample | None = None
    version: int | None = None
    score: dict[str, Any] | None = None


@dataclass
class Question:
    """A question of a batch.

    Attributes:
        fields: its row of the dataset, with its uid.
        name: its id in the data set.
        prompt: token ids.
        first: place of its first sample among those of the same question in the batch.
        known: what a method that draws in rounds may look at; None: the samples are drawn plainly.
        demonstration: token ids without EOS, for prefixes.
        asked: its samples, of all rounds.
        kept: places of those that make its group; None: all.
    """

    fields: dict[str, Any]
    name: str
    prompt: list[int]
    first: int = 0
    known: Known | None = None
    demonstration: Sequence[int] = ()
    asked: list[Asked] = field(default_factory=list)
    kept: list[int] | None = None

    @property
    def uid(self) -> str:
        """Its key in TransferQueue."""
        return str(self.fields["uid"])

    @property
    def drawn(self) -> list[Drawn]:
        """The samples so far, as a method sees them."""
        return [Drawn(each.draw, float(each.score["score"]) if each.score else 0.0) for each in self.asked]

    @property
    def group(self) -> list[Asked]:
        """The samples that become rows."""
        return self.asked if self.kept is None else [self.asked[place] for place in self.kept]

    @property
    def tag(self) -> dict[str, int]:
        """What its first row's tag says of all its samples; of plain ones that are all in rows nothing.

        ``shown``: whether one was given the demonstration, a part of it or a hint. ``discarded``, ``discarded_len``:
        number and sampled tokens of those that are in no row.
        """
        kept = range(len(self.asked)) if self.kept is None else self.kept
        left = [each for place, each in enumerate(self.asked) if place not in set(kept)]
        shown = any(each.draw.prefix or each.draw.hint for each in self.asked)
        tokens = sum(len(each.sample.tokens) for each in left if each.sample)
        return ({"shown": 1} if shown else {}) | ({"discarded": len(left), "discarded_len": tokens} if left else {})

    def answer(self, number: int, asked: Asked) -> Answer:
        """A sample as the scorer sees it and as its row has it; ``number`` is its place in the group."""
        sample = asked.sample
        assert sample is not None
        return Answer(
            key=f"{self.uid}_{number}_0",
            fields=self.fields,
            prompt=asked.prompt if asked.trained_prompt is None else asked.trained_prompt,
            response=asked.prefix + sample.tokens,
            prefix_length=len(asked.prefix),
            # The prefix was not sampled.
            log_probs=None if sample.log_probs is None else [0.0] * len(asked.prefix) + sample.log_probs,
            version=asked.version,
            truncated=sample.truncated,
            imitated=len(asked.prefix) if asked.draw.imitated else 0,
        )
