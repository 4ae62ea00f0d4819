# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The workers' fork server imports this module, so that every worker starts warm, also one that replaces a killed one.

Python imports modules and mpmath computes its constants at the first comparison of each form.
"""

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

assert all(judge(*pair).score == 1.0 for pair in EXAMPLES)
