# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Run the ranks of ``worker_ranks.py`` in a process of their own, and compare what they report."""

import math
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.helpers.worker_scenarios import Group

RANKS = Path(__file__).with_name("worker_ranks.py")
ROOT = RANKS.parents[2]
LOG_END = 6000
"""Characters of the log to show when the ranks fail."""

# bfloat16 keeps 8 bits, float16 11: a result is rounded by up to 2**-8 or 2**-11 of itself. A token's way through one
# layer and back has about 30 roundings, which are independent, so their errors add up like a random walk.
BFLOAT16, FLOAT16 = (math.sqrt(30) * 2**-bits for bits in (8, 11))
# Relative to the gradient's norm. In float64 what remains is that the rows' weights travel in float32.
TOLERANCE = {"float64": 2e-7, "float32": 1e-6, "bfloat16": BFLOAT16, "float16": FLOAT16}


def run_ranks(
    interpreter: str,
    folder: Path,
    groups: Mapping[int, Sequence[Group]],
    seconds: float,
    environment: Mapping[str, str],
) -> dict[tuple[str, int, str], SimpleNamespace]:
    """Run what there is for each world size; the first rank's results by (setup, world size, name).

    Args:
        interpreter: the program that runs the ranks.
        folder: with what the groups name: ``model``, and ``adapter`` if one of them has one.
        groups: per world size.
        seconds: limit for the slowest world.
        environment: variables beside those of this process.
    """
    for world, of_world in groups.items():
        torch.save([group.save() for group in of_world], folder / f"groups_{world}.pt")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **environment}
    command = [interpreter, str(RANKS), str(folder), *map(str, groups)]
    log = folder / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=variables, stdout=output, stderr=output) as launcher,
    ):
        try:
            status: int | str = launcher.wait(seconds)
        except subprocess.TimeoutExpired:
            launcher.terminate()  # takes its ranks along
            status = f"no end after {seconds} s"
    if status != 0:
        pytest.fail(f"{status}\n{log.read_text()[-LOG_END:]}")
    results = {}
    for world in groups:
        ranks = [torch.load(folder / f"results_{world}_{rank}.pt", weights_only=False) for rank in range(world)]
        for (setup, name), result in ranks[0].items():
            forwards = [rank[setup, name]["forwards"] for rank in ranks]
            results[setup, world, name] = SimpleNamespace(**result, forwards_by_rank=forwards)
    return results


def distance(got: dict, expected: dict) -> float:
    """Norm of the difference of two gradients, relative to the second."""
    assert got.keys() == expected.keys()
    difference = sum(float((got[k].double() - expected[k].double()).square().sum()) for k in got)
    return (difference / sum(float(x.double().square().sum()) for x in expected.values())) ** 0.5


def unchanged(result: SimpleNamespace) -> bool:
    """Whether a call left all parameters as they were."""
    return all(torch.equal(result.parameters[name], start) for name, start in result.before.items())
