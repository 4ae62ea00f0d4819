# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A verifier of one's own: numbers within one percent.

Questions choose it in their data: ``extra_info.verifier_kind = "examples.own_verifier:within_a_percent"``.
"""

import math

from hpt.verifier import Verdict, extract_answer


def within_a_percent(response, answer):
    extracted = extract_answer(response)
    if extracted is None:
        return Verdict("no_answer")
    try:
        close = math.isclose(float(extracted), float(answer), rel_tol=0.01)
    except ValueError:
        return Verdict("unparsable", extracted)
    return Verdict("correct" if close else "wrong", extracted)
