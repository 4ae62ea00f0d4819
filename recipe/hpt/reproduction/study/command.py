# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the methods on the built-in task: same questions, same optimizer steps, tuned learning rates, several seeds.

    python -m recipe.hpt.reproduction.study [--full] [--only METHODS] [--seeds S,S] [--steps N] [--sweep-lrs LR,LR]
                                            [--samples N] [--out DIR] [overrides]
    python -m recipe.hpt.reproduction.study --map [--only METHODS] [--leaderboard] [--at-once N] [--out DIR]
    python -m recipe.hpt.reproduction.study --dry-run | --report | --copy-to DIR [--out DIR]

Interrupt it whenever you like: the same command goes on where it was. In this package, :mod:`.methods` has the methods,
:mod:`.plan` the runs, :mod:`.state` what is kept, :mod:`.outputs` and :mod:`.pages` what comes out.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hpt.common.exit import interrupted_by_term
from hpt.common.versions import commit_of, versions
from recipe.hpt.configs import compose
from recipe.hpt.launch import (
    ROOT,
    StillRunning,
    preloaded,
    run_process,
    run_training,
    steps_until_end,
    wait_for_earlier,
)
from recipe.hpt.reproduction.cells import cell_of, map_cells
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.methods import ABLATIONS, COMPARED, LEADERBOARD, MAPPED, METHODS, check_methods
from recipe.hpt.reproduction.report.files import PAGE
from recipe.hpt.reproduction.study import data, outputs, packed, pages, plan, state
from recipe.hpt.reproduction.study.runner import Evaluate, Launch, Study
from recipe.hpt.reproduction.study.settings import Budget, Settings
from recipe.hpt.reproduction.task.demonstrations import longest
from recipe.hpt.reproduction.task.questions import MAX_LEVEL

OUT, MAP_OUT = ROOT / "runs" / "study", ROOT / "runs" / "map"
MAP: dict[str, Any] = {
    "steps": 20,
    "cells": map_cells(),
    "sweep_cell": cell_of(0.1, 0.25),
    "searches": True,
    "hard_share": 0.01,
    "train_size": 1280,
    "validations": 1,
    "evaluated": (cell_of(0.0, 1.0), cell_of(0.3, 1.0), cell_of(0.0, 0.05)),
    "overrides": (
        f"data.max_response_length={longest('model', MAX_LEVEL)}",
        *(
            f"actor_rollout_ref.rollout.val_kwargs.{setting}"
            for setting in ("do_sample=true", "temperature=0.6", "top_p=0.95")
        ),
    ),
}
"""The settings of a map: each training question is used once, and 1 % of the base model's are of levels 1 to 6, so that
some of its rollouts on the higher ones are right."""


def _numbers(kind: type, what: str) -> Callable[[str], tuple]:
    def parse(text: str) -> tuple:
        try:
            return tuple(kind(item) for item in text.split(",") if item)
        except ValueError:
            raise argparse.ArgumentTypeError(f"got '{text}'; expected {what}, separated by commas") from None

    return parse


def _methods(text: str) -> tuple[str, ...]:
    try:
        return check_methods([name.strip() for name in text.split(",")])
    except StudyError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpt study",
        allow_abbrev=False,
        description="Compare the methods on the built-in task. Further arguments override config/quickstart.yaml for "
        "all runs. A folder keeps its settings: leave options out to continue it.",
        epilog="Example: hpt study --only hpt,grpo --dry-run",
    )
    default = Settings()
    rates = ",".join(f"{rate:g}" for rate in default.sweep_lrs)
    parser.add_argument(
        "--only",
        type=_methods,
        metavar="METHODS",
        help=f"some of: {', '.join(METHODS)}; their sweeps are run, too",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"the ablations, too ({', '.join(ABLATIONS)}), samples from every final model, and the report",
    )
    parser.add_argument(
        "--map",
        action="store_true",
        help="compare the methods over wrong, scarce and unlike demonstrations; a study of its own in "
        f"{MAP_OUT.relative_to(ROOT)}",
    )
    parser.add_argument(
        "--leaderboard",
        action="store_true",
        help=f"with a map: the other strategies, too ({', '.join(LEADERBOARD)}), in the cells that are evaluated",
    )
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="trainings that run at the same time (1)")
    parser.add_argument(
        "--seeds",
        type=_numbers(int, "integers"),
        help=f"seeds of task, base model and run ({','.join(map(str, default.seeds))})",
    )
    parser.add_argument("--steps", type=int, help=f"batches per method ({default.steps})")
    parser.add_argument(
        "--sweep-lrs",
        type=_numbers(float, "numbers"),
        help=f"learning rates to choose from ({rates}); a single one is taken without a sweep",
    )
    parser.add_argument(
        "--samples",
        type=int,
        help=f"samples per test question from each final model ({default.samples})",
    )
    parser.add_argument("--out", type=Path, help=f"folder ({OUT.relative_to(ROOT)})")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--dry-run", action="store_true", help="only print the plan and its time")
    instead.add_argument(
        "--report",
        action="store_true",
        help="only write tables, curves and report of what --out has",
    )
    instead.add_argument(
        "--copy-to",
        type=Path,
        metavar="DIR",
        help="pack what these are made from into a few files there, and write them there, only",
    )
    instead.add_argument(
        "--unpack-to",
        type=Path,
        metavar="DIR",
        help="write the packed results in --out as a study's folder there, only",
    )
    return parser


def _arguments(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The options, and the settings that were named."""
    parser = _parser()
    options, overrides = parser.parse_known_args(arguments)
    known = [name for action in parser._actions for name in action.option_strings]
    for item in overrides:
        if item.startswith("-"):
            parser.error(f"Unknown option '{item}'. Available: {', '.join(known)}")
        if "=" not in item:
            parser.error(f"got '{item}'; expected key=value, an override of config/quickstart.yaml")
    if options.only and options.leaderboard:
        parser.error("got --only and --leaderboard; expected one of them: --only names its methods")
    if options.at_once < 1:
        parser.error(f"got --at-once {options.at_once}; expected a whole number >= 1")
    options.out = (options.out or (MAP_OUT if options.map else OUT)).expanduser().resolve()
    for name, folder in (
        ("--out", options.out), ("--copy-to", options.copy_to), ("--unpack-to", options.unpack_to)
    ):  # fmt: skip
        if folder and folder.is_file():
            parser.error(f"got {name} {folder}, a file; expected a folder")
    given = {name: getattr(options, name) for name in ("steps", "seeds", "sweep_lrs", "samples")}
    named = {name: value for name, value in given.items() if value is not None}
    if options.map:
        named = MAP | named
    if overrides:
        named["overrides"] = (*named.get("overrides", ()), *overrides)
    return options, named


def _methods_of(settings: Settings, options: argparse.Namespace) -> tuple[str, ...]:
    """The methods of a launch that names none.

    Raises:
        StudyError: --leaderboard for a study of one cell.
    """
    if options.leaderboard and not settings.is_map:
        raise StudyError("got --leaderboard without a map; expected --map, or --out with the folder of one")
    first = MAPPED if settings.is_map else COMPARED
    return check_methods((*first, *ABLATIONS * options.full, *LEADERBOARD * options.leaderboard))


def budget_of(settings: Settings) -> Budget:
    """The size of a batch, with the overrides for all runs."""
    config = compose(settings.overrides)
    actor = config.actor_rollout_ref.actor
    return Budget(
        questions=config.data.train_batch_size,
        mini_batch=actor.ppo_mini_batch_size,
        epochs=actor.ppo_epochs,
        rollouts=config.actor_rollout_ref.rollout.n,
    )


def launch_training(folder: Path, overrides: Sequence[str], show: Callable[[int], None]) -> int:
    """Launch a training, as the quickstart does."""

    def watch(process: subprocess.Popen) -> None:
        for done in steps_until_end(process, folder):
            show(done)

    interpreter = sys.executable if "hpt.fork_workers=false" in overrides else preloaded()
    return run_training(folder, overrides, watch, interpreter)


def _wait(process: subprocess.Popen) -> None:
    process.wait()


def launch_evaluation(folder: Path, overrides: Sequence[str]) -> int:
    """Launch an evaluation with vLLM."""
    command = [preloaded(), "-m", "recipe.hpt.main_eval", "--config-name", "eval_cpu"]
    return run_process([*command, *overrides], folder, _wait)


def _outcome(study: Study) -> int:
    """Print what is missing and where everything is; return the exit status."""
    for title, runs in (("failed", study.failed), ("waiting", study.waiting)):
        for name, reason in runs.items():
            print(f"{title}: {name}: {reason}", file=sys.stderr)
    if study.failed or study.waiting:
        print(
            "Launch the same command again to retry; a run whose checkpoint is damaged starts over once its folder "
            f"under {study.out / state.RUNS} is removed.",
            file=sys.stderr,
        )
    for what, name in (
        ("results", state.RESULTS), ("tables", outputs.TABLES), ("curves", outputs.FIGURE),
        ("their data", outputs.CURVES),
        ("report", PAGE), ("runs, logs", state.RUNS),
    ):  # fmt: skip
        if (study.out / name).exists():
            print(f"{what:<12}{study.out / name}")
    return 1 if study.failed or study.waiting else 0


def main(
    arguments: Sequence[str] | None = None,
    launch: Launch = launch_training,
    make_task: Callable[[Path, int, Settings], None] = data.make_task,
    evaluate: Evaluate = launch_evaluation,
) -> int:
    """Run the study, and return the exit status.

    It is 0 when done, 1 if runs failed or wait, 2 for wrong settings, 130 when interrupted.
    """
    options, named = _arguments(arguments)
    from hydra.errors import HydraException

    try:
        settings = state.settings_for(options.out, named)
        methods = options.only or _methods_of(settings, options)
        plan.check_overrides(settings, methods)
        study = Study(
            out=options.out,
            settings=settings,
            budget=budget_of(settings),
            methods=methods,
            launch=launch,
            evaluate=evaluate if options.full or settings.is_map else None,
            make_task=make_task,
            at_once=options.at_once,
            wait_for_earlier=wait_for_earlier,
        )
        if options.unpack_to:
            packed.unpack(options.out, options.unpack_to.expanduser().resolve())
            return 0
        if options.report or options.copy_to:
            return _report(study, options.copy_to)
        if packed.is_packed(options.out):
            raise StudyError(
                f"got --out {options.out}, which holds packed results; expected a study's folder: name another one, or "
                "unpack them first (--unpack-to DIR)"
            )
        if options.dry_run:
            print(outputs.described(study))
            return 0
        return _run(study)
    except HydraException as error:
        from hpt.verl_ext.names import explain

        print(f"error: {explain(str(error))}", file=sys.stderr)
        return 2
    except (ValueError, StillRunning) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it was", file=sys.stderr)
        return 130


def _run(study: Study) -> int:
    with interrupted_by_term(), state.locked(study.out):
        state.record_settings(study.out, study.settings)
        study.made_with = {**versions("verl", "vllm", "torch"), "commit": commit_of(ROOT)}
        study.run()
        print(outputs.report(study))
        if study.evaluate and not study.settings.is_map and pages.entries(study.out, study.settings):
            pages.write_pages(study.out, study.settings)
        return _outcome(study)


def _report(study: Study, copy_to: Path | None) -> int:
    """Write the report of what the folder has, or of a copy of it; run nothing."""
    if not (study.out / state.SETTINGS).is_file():
        raise StudyError(f"got --out {study.out} without {state.SETTINGS}; expected a study's folder")
    to = study.out
    if copy_to:
        to = copy_to.expanduser().resolve()
        packed.check_target(study.out, to)
    settings = study.settings
    if copy_to:  # The report is that of the copy: a run may end in between.
        with packed.readable(study.out) as source:
            packed.pack(source, to, settings)
    with packed.readable(to) as source:
        study.out = source
        found = {job.method for job in study.every_job if state.result_of(source, job)}
        study.methods = check_methods(tuple(found.union(MAPPED if settings.is_map else COMPARED)))
        print(outputs.report(study, to))
        if not settings.is_map:
            print(*pages.write_pages(source, settings, to), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
