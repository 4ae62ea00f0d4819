# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Schedules as a user would write them."""


def halves(mean):
    return mean / 2, 0.0, 0.5


def negative(mean):
    return mean - 0.5, 0.0, 0.5
