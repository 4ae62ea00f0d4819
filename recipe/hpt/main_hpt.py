# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Train: ``python -m recipe.hpt.main_hpt [--config-name NAME] [+experiment=MODEL/METHOD] [overrides]``.

``+experiment`` takes the settings of a row of the paper's tables, from config/experiment.

Two ways of checking leave no file behind and start nothing:

- ``DRY_RUN=1`` in the environment makes the checks of a run, and prints the settings that differ from verl's own.
- ``--check``, or ``CHECK=1`` in the environment, shows what can be known before the first GPU hour as a table.
"""

import contextlib
import gc
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

# Hydra then raises what went wrong instead of printing a summary of its own and exiting; `main` does that.
os.environ.setdefault("HYDRA_FULL_ERROR", "1")
# TransferQueue reads it on import, and warns at each operation about more threads than cores.
os.environ.setdefault("TQ_NUM_THREADS", str(min(8, os.cpu_count() or 1)))

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hpt.common.errors import ConfigError, HPTError, first_line
from hpt.common.exit import leave
from hpt.common.files import what_is_kept
from hpt.verl_ext.cpu.forkserver import ForkServer, modules, serving
from recipe.hpt.configs import FOLDER, explain_group, explain_missing, training_names

# With these, Hydra writes no file. A check then logs nothing, since its table says it all; a dry run logs to stderr.
NO_FILES = ("hydra.run.dir=.", "hydra.output_subdir=null")
# With these, the search path is the user's affair.
SEARCH_OPTIONS = ("hydra.searchpath=", "--config-path", "-cp", "--config-dir", "-cd", "--experimental-rerun")
LOGGING = ("hydra/job_logging", "hydra/hydra_logging")
ONE_RUN = "a run has a folder and a Ray of its own: launch once for each value"
WITH_VALUE = ("-c", "--cfg", "-cd", "--config-dir", "-cn", "--config-name", "-cp", "--config-path", "-p", "--package")
FOLDERS = ("trainer.default_local_dir", "trainer.resume_from_path")


@hydra.main(config_path=str(FOLDER), config_name="hpt_trainer", version_base=None)
def _train(config: DictConfig) -> None:
    try:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise ConfigError(f"got a sweep; {ONE_RUN}")
        with _one_line():
            for key in FOLDERS:  # no shell expands the ~ of an override, and verl would make a folder of that name
                if type(folder := OmegaConf.select(config, key)) in (str, int):  # the number of a job may be a name
                    OmegaConf.update(config, key, os.path.expanduser(str(folder)))
        if _asked("CHECK"):
            from hpt.preflight.command import check

            raise SystemExit(check(config))
        if _asked("DRY_RUN"):
            _dry_run(config)
        else:
            _run(config)
    except HPTError as error:
        # Hydra would print the launch's overrides before the reason.
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.status) from None


def _dry_run(config: DictConfig) -> None:
    _require(config)
    from hpt.verl_ext.names import changed_settings

    print(OmegaConf.to_yaml(changed_settings(config), resolve=True), end="")
    print("dry run: configuration, data and paths are valid; nothing was started (--cfg job shows every setting)")


def _run(config: DictConfig) -> None:
    with _fork_server(config) as server:
        _require(config)
        from hpt.preflight.run_folder import admitted

        with admitted(config) as nothing_to_do:
            if nothing_to_do is not None:
                print(nothing_to_do)
                return
            from hpt.verl_ext.runner import run

            gc.enable()
            try:
                run(config, server)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(what_is_kept(Path(config.trainer.default_local_dir))) from None


def _fork_server(config: DictConfig) -> contextlib.AbstractContextManager[ForkServer | None]:
    """The server of ``hpt.fork_workers``. It starts before all else, so that it imports while this process does."""
    on_cpu = OmegaConf.select(config, "trainer.device") == "cpu"
    if on_cpu and OmegaConf.select(config, "hpt.fork_workers") is True:
        return serving(modules.AT_ONCE, modules.IN_CLUSTER, modules.ENVIRONMENT)
    return contextlib.nullcontext()


def _require(config: DictConfig) -> None:
    from hpt.preflight.command import require

    with contextlib.redirect_stdout(sys.stderr), _one_line():  # verl reports there; a dry run prints YAML
        require(config)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """OmegaConf adds lines on its own objects to what is wrong with a setting."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise ConfigError(first_line(error)) from error


def _asked(variable: str) -> bool:
    return os.environ.get(variable) == "1"


def _refuse(error: Exception | str) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2


def _read_options() -> None:
    """Adapt the command line to Hydra.

    ``--check``, which Hydra does not know, becomes CHECK=1. Hydra writes no file where nothing is to be left. It finds
    verl's configurations without the import of verl, which takes seconds, so that the fork server starts before it.
    """
    verl = importlib.util.find_spec("verl")
    if verl and verl.origin and not any(item.startswith(SEARCH_OPTIONS) for item in sys.argv[1:]):
        folder = Path(verl.origin).with_name("trainer") / "config"
        _insert("hydra.searchpath=['file://{}']".format(str(folder).replace("'", r"\'")))
    if "--check" in sys.argv[1:]:
        os.environ["CHECK"] = "1"
        sys.argv.remove("--check")
    if _asked("CHECK") or _asked("DRY_RUN"):
        logging = "disabled" if _asked("CHECK") else "none"
        overrides = (*NO_FILES, *(f"{group}={logging}" for group in LOGGING))
        replaced = {item.partition("=")[0] for item in overrides}
        sys.argv = [item for item in sys.argv if item.lstrip("+").partition("=")[0] not in replaced]
        _insert(*overrides)


def _insert(*overrides: str) -> None:
    """Put overrides beside those that are given: Hydra takes them in one piece, between options."""
    given = (n for n, item in enumerate(sys.argv[1:], 1) if item[:1] == "~" or (item[:1] != "-" and "=" in item))
    place = next((n for n in given if sys.argv[n - 1] not in WITH_VALUE), 1)
    sys.argv[place:place] = overrides


def main() -> int:
    """Train, and return the exit status.

    It is 0 when done, 1 after a failure (with its cause or a traceback), 2 for wrong settings or data, 130 when
    interrupted.
    """
    for variable in ("CHECK", "DRY_RUN"):
        if (value := os.environ.get(variable) or "0") not in ("0", "1"):
            return _refuse(f"got {variable}={value}; expected 1 or 0")
    for item in sys.argv[1:]:
        if item == "-m" or item.startswith("--m") or item.lstrip("+").lower() == "hydra.mode=multirun":
            return _refuse(f"got {item}; {ONE_RUN}")
    _read_options()
    try:
        _train()
    except MissingConfigException as error:
        return _refuse(explain_missing(error, training_names()))
    except (HydraException, OmegaConfBaseException) as error:
        from hpt.verl_ext.names import explain

        return _refuse(explain_group(str(error)) or explain(str(error)))
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        return end.code
    except KeyboardInterrupt as stop:
        print("; ".join(["interrupted", *map(str, stop.args)]), file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    gc.disable()  # until the run: imports are most of the launch, and it would look through them again and again
    try:
        status = main()
    except Exception:
        traceback.print_exc()
        status = 1
    leave(status)
