# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations that wait: the oldest leave first, and none is lost over a checkpoint."""

import json

from hpt.method.demonstration_queue import DemonstrationQueue, Waiting


def waiting(number: int) -> Waiting:
    return Waiting(f"1-{number}", [1, number], [2, 3, number])


def test_the_oldest_leave_when_there_are_enough():
    queue = DemonstrationQueue(2)
    queue.add(waiting(0))
    assert queue.take() == [] and len(queue) == 1
    queue.add(waiting(1))
    queue.add(waiting(2))
    assert queue.take() == [waiting(0), waiting(1)] and queue.take() == [] and len(queue) == 1


def test_the_state_goes_through_json():
    queue, restored = DemonstrationQueue(3), DemonstrationQueue(3)
    queue.add(waiting(0))
    queue.add(waiting(1))
    restored.load_state_dict(json.loads(json.dumps(queue.state_dict())))
    assert restored.waiting == queue.waiting
