"""Imported by the workers' fork server: each worker, and each that replaces a killed one, starts warm.

math-verify and sympy build grammars and import modules when they first meet a kind of answer, which takes longer than
hundreds of later comparisons.
"""

import logging

from hpt.verifier.judge import judge

EXAMPLES = (
    ("0.5", r"\frac{1}{2}"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \pi/2)"),
    (r"(-\sqrt{3}, 2] \cup (4,\infty)", r"(-\sqrt{3}, 2] \cup (4, \infty)"),
    ("x^5 - x^4 + 3R^2", "3R^2 + x^5 - x^4"),
    (r"\{1 \pm \sqrt{5}\}", r"\{1 - \sqrt{5}, 1 + \sqrt{5}\}"),
    (r"\begin{pmatrix} 1 \\ -2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ -2 \end{pmatrix}"),
    ("y = 2x + 1", "2x + 1"),
)

# It warns once per process that its time limits are off; the pool has its own.
logging.getLogger("math_verify").setLevel(logging.ERROR)
assert all(judge(*pair).score == 1.0 for pair in EXAMPLES)
