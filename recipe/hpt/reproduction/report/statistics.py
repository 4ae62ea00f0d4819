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


_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t with 1, 2, ... degrees of freedom; with more than 9 the last is a little wide."""


class Difference(NamedTuple):
    """A mean over n paired differences, one per seed, and its 95 % interval (Student's t), None where n = 1."""

    mean: float
    half_width: float | None
    n: int

    def __str__(self) -> str:
        if self.half_width is None:
            return f"{self.mean:+.3f}"
        return f"{self.mean:+.3f} [{self.mean - self.half_width:+.3f}, {self.mean + self.half_width:+.3f}]"

    @property
    def sign(self) -> int:
        """1 or -1 if the interval is on one side of 0, otherwise 0."""
        if self.half_width is None or abs(self.mean) <= self.half_width:
            return 0
        return 1 if self.mean > 0 else -1


def difference_of(differences: Sequence[float]) -> Difference:
    """Mean and 95 % interval of one paired difference per seed.

    Raises:
        ValueError: there is no number.
    """
    value = value_of(differences)
    if value.error is None:
        return Difference(value.mean, None, 1)
    return Difference(value.mean, _T[min(value.n - 1, len(_T)) - 1] * value.error, value.n)
