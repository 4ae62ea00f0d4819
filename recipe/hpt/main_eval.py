# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluate a checkpoint: ``python -m recipe.hpt.main_eval model=... benchmarks=[...] out=... [overrides]``.

With ``DRY_RUN=1`` in the environment it only validates settings, model, benchmarks and results folder. After an
interruption, the same command continues from what is on disk. ``hpt eval compare`` compares results.
"""

import os
import re
import sys

# With this, Hydra raises its errors instead of printing a summary and exiting; `main` reports them.
os.environ.setdefault("HYDRA_FULL_ERROR", "1")

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hpt.common.settings import unknown
from hpt.evaluation.settings import EvaluationSettings, known_keys

CONTINUE = "the same command continues from there"


@hydra.main(config_path="config", config_name="eval", version_base=None)
def _evaluate(config: DictConfig) -> None:
    from hpt.evaluation.run import evaluate
    from hpt.evaluation.worker import GenerationError

    try:
        values = OmegaConf.to_container(config, resolve=True)
        assert isinstance(values, dict)
        settings = EvaluationSettings.from_mapping({str(key): item for key, item in values.items()})
        evaluate(settings, dry_run=os.environ.get("DRY_RUN") == "1")
    except ValueError as error:
        # Raised as SystemExit, because Hydra would print the overrides before the reason of any other exception.
        raise SystemExit(_refuse(error)) from None
    except GenerationError as error:
        print(f"error: {error}", file=sys.stderr)
        print(f"finished samples are kept; {CONTINUE}", file=sys.stderr)
        raise SystemExit(1) from None


def explain(message: str) -> str:
    """Replace Hydra's message on an unknown key by one that names the nearest known keys."""
    found = re.match(r"Could not override '([^']+)'", message)
    if not found:
        return message
    section, _, key = found[1].rpartition(".")
    return unknown(section, key, known_keys(section))


def _refuse(error: Exception | str) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2


def main() -> int:
    """Run the command. Exit status: 0 done, 1 engines failed, 2 wrong settings, data or folder, 130 interrupted."""
    try:
        _evaluate()
    except (HydraException, OmegaConfBaseException) as error:
        return _refuse(explain(str(error)))
    except KeyboardInterrupt:
        print(f"interrupted; finished samples are kept, {CONTINUE}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
