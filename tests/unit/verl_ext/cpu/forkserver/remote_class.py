# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A module that draws one of Ray's random ids when it is imported."""

import ray


@ray.remote
class Actor:
    """As verl's workers and controllers are declared."""
