# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Schedules as a user would write them."""

from hpt.method.gate import Coefficients, Gate


def halves(mean):
    return mean / 2, 0.0, 0.5


def negative(mean):
    return mean - 0.5, 0.0, 0.5


class Fading(Gate):
    """Weights that are negative from the second step on."""

    def __call__(self, context):
        return Coefficients(0.0, 0.0, 1.5 - context.step)
