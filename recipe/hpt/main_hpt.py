# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Train: ``python -m recipe.hpt.main_hpt [--config-name NAME] [overrides]``.

With ``DRY_RUN=1`` in the environment it validates configuration, data and paths, and stops before Ray.
"""

import os
import sys

# Hydra then raises what went wrong instead of printing its own summary and exiting; `main` does that.
os.environ.setdefault("HYDRA_FULL_ERROR", "1")
# Read when TransferQueue is imported; it warns, at each operation, about more threads than cores.
os.environ.setdefault("TQ_NUM_THREADS", str(min(8, os.cpu_count() or 1)))

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from hpt.config import ConfigError
from hpt.data.errors import DataError


@hydra.main(config_path="config", config_name="hpt_trainer", version_base=None)
def _train(config: DictConfig) -> None:
    from hpt.verl_ext.preflight import direct_logs, prepare

    try:
        prepare(config)
    except (ConfigError, DataError) as error:
        # Not through Hydra, which would print the launch's overrides before the reason.
        raise SystemExit(_refuse(error)) from None
    if os.environ.get("DRY_RUN") == "1":
        print("dry run: configuration, data and paths are valid; nothing was started")
        return
    from hpt.verl_ext.runner import run

    direct_logs(config)
    run(config)


def _refuse(error: Exception | str) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2


def main() -> int:
    """Exit status: 0 done, 1 failed (with a traceback), 2 bad settings or data, 130 interrupted."""
    try:
        _train()
    except (HydraException, OmegaConfBaseException) as error:
        from hpt.verl_ext.preflight import explain

        return _refuse(explain(str(error)))
    except KeyboardInterrupt:
        print("interrupted; the last complete checkpoint is kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
