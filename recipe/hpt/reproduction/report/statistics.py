# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Mean and standard error over seeds, for all parts of the report.

The standard error of the mean is s / sqrt(n), where s has n - 1 degrees of freedom. A single seed has none.
"""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple


class Value(NamedTuple):
    """A mean over n seeds and its standard error, which is None where n = 1."""

    mean: float
    error: float | None
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f}" + ("" if self.error is None else f" ± {self.error:.3f}")


def value_of(samples: Sequence[float]) -> Value:
    """Mean and standard error of one number per seed.

    Raises:
        ValueError: there is no number.
    """
    if not samples:
        raise ValueError("got no numbers; expected one per seed that finished")
    middle, n = fmean(samples), len(samples)
    if n == 1:
        return Value(middle, None, n)
    variance = math.fsum((sample - middle) ** 2 for sample in samples) / (n - 1)
    return Value(middle, math.sqrt(variance / n), n)
