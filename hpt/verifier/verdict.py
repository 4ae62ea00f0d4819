"""What a verification says."""

from dataclasses import dataclass
from typing import Literal, get_args

Reason = Literal["correct", "wrong", "no_answer", "unparsable", "timeout", "memory", "crashed"]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True)
class Verdict:
    """The outcome of one verification.

    reason:     correct     equal to the gold answer
                wrong       understood, and different
                no_answer   no answer found in what counts of the response
                unparsable  the answer or the gold answer is nothing that the parser understands, or too large
                            to be an answer
                timeout     the comparison ran past the time limit and its worker was killed
                memory      the comparison wanted more memory than the limit and its worker was ended
                crashed     the worker died, or the comparison raised
    extracted:  the answer as it was found in the response, or None
    """

    reason: Reason
    extracted: str | None = None

    @property
    def score(self) -> float:
        """1.0 for a correct answer and 0.0 for everything else."""
        return 1.0 if self.reason == "correct" else 0.0
