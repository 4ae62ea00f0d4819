# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The workers' fork server imports this module, so that every worker starts warm, also one that replaces a killed one.

math-verify and sympy build grammars and import modules at the first answer of each form. This takes longer than
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

# math-verify warns once per process that its time limits are off. The pool has its own.
logging.getLogger("math_verify").setLevel(logging.ERROR)
assert all(judge(*pair).score == 1.0 for pair in EXAMPLES)
