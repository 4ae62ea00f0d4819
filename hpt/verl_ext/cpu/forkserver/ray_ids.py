# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Keep Ray's generator of random ids unused until after the fork."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def from_the_system() -> Iterator[None]:
    """Draw the ids of actor classes from the system's random numbers while the block runs.

    Ray draws an id for every class under ``@ray.remote``, that is on import, from a generator that is seeded on first
    use. Children forked after that would all give their objects the same "random" ids.
    """
    import ray.actor

    original = ray.actor.ActorClassID

    class ActorClassID:
        @staticmethod
        def from_random():
            return original(os.urandom(original.size()))

    ray.actor.ActorClassID = ActorClassID
    try:
        yield
    finally:
        ray.actor.ActorClassID = original
