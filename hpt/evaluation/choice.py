# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The choice of the checkpoint of a training that is evaluated."""

import math
import re
from pathlib import Path
from statistics import fmean

from hpt.common.errors import HPTError
from hpt.common.files import UNLOGGED
from hpt.common.training_log import read_run

_ACCURACY = re.compile(r"^val-core/.+/(acc|reward)/mean@\d+$")


def best_checkpoint(folder: Path) -> Path:
    """The kept checkpoint of a run with the highest validation score; of equals, the earliest.

    The score is the mean of the accuracies of the validation's data sources, each with the same weight.

    Returns:
        Its Hugging Face copy.

    Raises:
        HPTError: there is no checkpoint, or the log has no validation at the step of one.
    """
    kept = {
        int(copy.parts[-3].removeprefix("global_step_")): copy
        for copy in folder.glob("global_step_*/actor/huggingface")
        if not (copy.parents[1] / UNLOGGED).exists()
    }
    if not kept:
        raise HPTError(f"got {folder} without a checkpoint; expected the folder of a run: train it first")
    try:
        steps = read_run(folder).steps
    except FileNotFoundError:
        steps = {}
    scores = {}
    for step in sorted(kept):
        found = [value for name, value in steps.get(step, {}).items() if _ACCURACY.match(name)]
        if not found or not all(map(math.isfinite, found)):
            raise HPTError(
                f"got no validation at step {step} in the log of {folder}, which has a checkpoint of that step; "
                "expected one for each checkpoint (trainer.save_freq a multiple of trainer.test_freq): evaluate the "
                "last one, or the one of your choice with python -m recipe.hpt.main_eval model=..."
            )
        scores[step] = fmean(found)
    return kept[max(scores, key=scores.__getitem__)]
