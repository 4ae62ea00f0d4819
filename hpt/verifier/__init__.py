"""Answer checking: is the boxed answer of a response the gold answer?

Importing this package is cheap: sympy and math-verify are imported in the worker processes only.
"""

from hpt.verifier.extract import extract_answer, normalize_gold
from hpt.verifier.kinds import KINDS, register_kind
from hpt.verifier.pool import VerifierPool, shared_pool
from hpt.verifier.verdict import REASONS, Reason, Verdict

__all__ = [
    "KINDS",
    "REASONS",
    "Reason",
    "Verdict",
    "VerifierPool",
    "extract_answer",
    "normalize_gold",
    "register_kind",
    "shared_pool",
    "verify",
]


def verify(response: str, answer: str, kind: str = "math") -> Verdict:
    """Check one response against the gold ``answer``, from any thread.

    What the exact screen does not decide goes to this process's shared pool, so the call returns within the
    pool's time limit however the response was written. For many responses use ``VerifierPool.verify_many``.
    """
    return shared_pool().verify(response, answer, kind)
