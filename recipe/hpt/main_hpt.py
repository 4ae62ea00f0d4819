# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Train: ``python -m recipe.hpt.main_hpt [--config-name NAME] [overrides]``.

With ``DRY_RUN=1`` in the environment it validates configuration, data and paths, prints the composed configuration
and stops before Ray.
With ``--check``, or ``CHECK=1`` in the environment, it shows all that can be known before a GPU hour as a table.
"""

import contextlib
import os
import sys

from hpt.common.errors import ConfigError

# Hydra then raises what went wrong instead of printing its own summary and exiting; `main` does that.
os.environ.setdefault("HYDRA_FULL_ERROR", "1")
# Read when TransferQueue is imported; it warns, at each operation, about more threads than cores.
os.environ.setdefault("TQ_NUM_THREADS", str(min(8, os.cpu_count() or 1)))

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hpt.data.errors import DataError
from hpt.verl_ext.cpu.forkserver import ForkServer, modules, serving

# A check leaves no folder behind, Hydra's included.
CHECK_OVERRIDES = (
    "hydra.run.dir=.",
    "hydra.output_subdir=null",
    "hydra/job_logging=disabled",
    "hydra/hydra_logging=disabled",
)


@hydra.main(config_path="config", config_name="hpt_trainer", version_base=None)
def _train(config: DictConfig) -> None:
    if os.environ.get("CHECK") == "1":
        from hpt.preflight.command import check

        raise SystemExit(check(config))
    dry_run = os.environ.get("DRY_RUN") == "1"
    with contextlib.ExitStack() as stack:
        server = None
        on_cpu = OmegaConf.select(config, "trainer.device") == "cpu"
        if not dry_run and on_cpu and OmegaConf.select(config, "hpt.fork_workers") is True:
            # First of all, so that it imports while this process does.
            server = stack.enter_context(serving(modules.AT_ONCE, modules.IN_CLUSTER, modules.ENVIRONMENT))
        _check_and_run(config, dry_run, server)


def _check_and_run(config: DictConfig, dry_run: bool, server: ForkServer | None) -> None:
    from hpt.verl_ext.validation import prepare

    try:
        with contextlib.redirect_stdout(sys.stderr):  # verl reports there; a dry run prints YAML
            prepare(config)
    except (ConfigError, DataError) as error:
        # Not through Hydra, which would print the launch's overrides before the reason.
        raise SystemExit(_refuse(error)) from None
    if dry_run:
        print(OmegaConf.to_yaml(config, resolve=True), end="")
        print("dry run: configuration, data and paths are valid; nothing was started")
        return
    _run(config, server)


def _run(config: DictConfig, server: ForkServer | None) -> None:
    from hpt.preflight.run_lock import claimed
    from hpt.preflight.start import admit
    from hpt.verl_ext.validation import direct_logs

    try:
        with claimed(config, admit(config)):
            from hpt.verl_ext.runner import run

            direct_logs(config)
            run(config, server)
    except ConfigError as error:  # of the run's folder, of a cluster to join, of the data
        raise SystemExit(_refuse(error)) from None


def _refuse(error: Exception | str) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2


def _take_check_option() -> None:
    """``--check`` is no option of Hydra's: it becomes CHECK=1, with Hydra's own files turned off."""
    if "--check" in sys.argv[1:]:
        os.environ["CHECK"] = "1"
    if os.environ.get("CHECK") == "1":
        replaced = {"--check", *(item.partition("=")[0] for item in CHECK_OVERRIDES)}
        kept = [item for item in sys.argv if item.partition("=")[0] not in replaced]
        sys.argv = [*kept, *CHECK_OVERRIDES]


def main() -> int:
    """Exit status: 0 done, 1 failed (with a traceback), 2 bad settings or data, 130 interrupted."""
    _take_check_option()
    try:
        _train()
    except (HydraException, OmegaConfBaseException) as error:
        from hpt.verl_ext.validation import explain

        return _refuse(explain(str(error)))
    except KeyboardInterrupt:
        print("interrupted; the last complete checkpoint is kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
