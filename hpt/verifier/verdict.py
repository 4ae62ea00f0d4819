# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The outcome of a verification."""

from dataclasses import dataclass, field
from typing import Literal, get_args

Reason = Literal["correct", "wrong", "no_answer", "unparsable", "timeout", "memory", "crashed"]
REASONS: tuple[Reason, ...] = get_args(Reason)
GoldKind = Literal["exact", "text", "unverifiable"]
"""How a gold answer is compared: by what it says, as a text, or only as it is written, because it is not understood."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of one verification.

    reason:     correct     equal to the gold answer
                wrong       understood, and different from the gold answer
                no_answer   no answer in the part of the response that counts
                unparsable  the grammar does not read the answer or the gold answer, or the answer is too large
                timeout     the comparison exceeded the time limit and its worker was killed
                memory      the comparison exceeded the memory limit and its worker was ended
                crashed     the worker died, or the comparison raised
    extracted:  the answer as it was found in the response, or None
    gold:       how the gold answer was compared, or None if it was not, or by a user's own function
    """

    reason: Reason
    extracted: str | None = None
    gold: GoldKind | None = field(default=None, compare=False)

    @property
    def score(self) -> float:
        """1.0 for a correct answer, 0.0 otherwise."""
        return 1.0 if self.reason == "correct" else 0.0
