# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``python -m recipe.hpt.reproduction.diagnose``: policies, rollouts, diagnosis, report."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hpt.common.errors import ConfigError
from recipe.hpt.reproduction.diagnose.pools import DEFAULT_WARMUP, TRAIN_FILE, progress, sample_pools

OUT = Path("runs/diagnose")


def at_least(smallest: int) -> Callable[[str], int]:
    """A parser of integers >= ``smallest``."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < smallest:
            raise argparse.ArgumentTypeError(f"got {text!r}; expected an integer >= {smallest}")
        return int(text)

    return parse


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="hpt diagnose",
        description="Measure norm, variance, bias and effective sample size of every entry on a model.",
        epilog="Example: hpt diagnose --questions 8 --rollouts 16 --reference-rollouts 32",
    )

    def number(name: str, smallest: int, default: int, text: str) -> None:
        parser.add_argument(name, type=at_least(smallest), default=default, help=f"{text} ({default})")

    parser.add_argument(
        "--task",
        type=Path,
        help="folder with train.parquet (default: the built-in task, made on first use)",
    )
    parser.add_argument("--model", type=Path, help="Hugging Face checkpoint (default: the task's base_model)")
    number("--seed", 0, 0, "seed of the task, the base model and the sampling")
    number("--questions", 2, 24, "number of questions, Q")
    number("--rollouts", 4, 64, "rollouts per question and pool, M")
    number("--group", 2, 8, "rollouts in a group, n")
    number("--reference-rollouts", 4, 128, "rollouts per question for the reference gradient")
    number("--max-response-length", 1, 64, "longest response in tokens, L_max")
    parser.add_argument(
        "--warmup-steps",
        type=at_least(0),
        help=f"steps of SFT before anything is sampled ({DEFAULT_WARMUP}; 0 with --model)",
    )
    number("--drift-steps", 0, 2, "steps of SFT from the older policy to the model")
    parser.add_argument("--learning-rate", type=float, default=6e-4, help="learning rate of the SFT (6e-4)")
    parser.add_argument("--algorithms", help="comma-separated entries (default: all that apply)")
    parser.add_argument("--out", type=Path, help=f"folder to write into (default: {OUT}/seed<seed>)")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the options and run; see :func:`run`."""
    return run(parse_arguments(arguments))


def run(options: argparse.Namespace) -> int:
    """Diagnose and report; the exit status is 0 when done, 2 for wrong settings or files, 130 when interrupted."""
    try:
        check(options)
        _diagnose_and_report(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def check(options: argparse.Namespace) -> None:
    """Refuse what is known to fail, before minutes are spent.

    Raises:
        ConfigError: what was wrong, and what was expected.
    """
    from recipe.hpt.reproduction.diagnose.variants import applicable

    for name in ("rollouts", "reference_rollouts"):
        got, least = getattr(options, name), 2 * options.group
        if got < least:
            raise ConfigError(
                f"got --{name.replace('_', '-')} {got} with --group {options.group}; a variance needs "
                f"two groups: expected at least {least}"
            )
    if not 0 < options.learning_rate < 1:
        raise ConfigError(f"got --learning-rate {options.learning_rate}; expected a number between 0 and 1")
    if options.task is not None and not options.task.is_dir():
        raise ConfigError(
            f"got --task {options.task}, which is no folder; expected one with {TRAIN_FILE}, as "
            "python -m recipe.hpt.reproduction.task.base_model --out writes it"
        )
    if options.model is not None and not (options.model / "config.json").is_file():
        raise ConfigError(
            f"got --model {options.model}, which has no config.json; expected a folder with a Hugging Face checkpoint"
        )
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        raise ConfigError(f"got --out {options.out}, a file; expected a folder")
    # No critic's values are computed here.
    _, reasons = applicable(_chosen(options) or [], has_demonstrations=True, has_values=False)
    for name, reason in reasons.items():
        raise ConfigError(f"cannot diagnose '{name}': {reason}")


def _chosen(options: argparse.Namespace) -> list | None:
    """The entries that were asked for, or None for all."""
    from recipe.hpt.reproduction.diagnose.variants import choose

    if options.algorithms is None:
        return None
    return choose([name.strip() for name in options.algorithms.split(",") if name.strip()])


def _diagnose_and_report(options: argparse.Namespace) -> None:
    from recipe.hpt.reproduction.diagnose.claims import claims
    from recipe.hpt.reproduction.diagnose.estimate import diagnose, reference_gradient
    from recipe.hpt.reproduction.diagnose.report import Report, write
    from recipe.hpt.reproduction.diagnose.tables import show
    from recipe.hpt.reproduction.diagnose.variants import CONTRASTS

    begun = time.monotonic()
    pools = sample_pools(options)
    sampled = time.monotonic()
    reference = reference_gradient(pools.model, pools.reference, options.group, progress=progress)

    def diagnosed(questions: list, label: str):
        return diagnose(
            pools.model,
            questions,
            group_size=options.group,
            max_response_length=options.max_response_length,
            algorithms=_chosen(options),
            contrasts=CONTRASTS,
            reference=reference,
            progress=progress,
            label=label,
        )

    own, older = diagnosed(pools.own, "on-policy"), diagnosed(pools.older, "off-policy")
    found = Report(
        settings={name: str(value) for name, value in vars(options).items()},
        seconds={"policies and rollouts": sampled - begun, "diagnosis": time.monotonic() - sampled},
        on_policy=own,
        off_policy=older,
        claims=claims(own, older),
    )
    show(found, options.markdown)
    out = options.out or OUT / f"seed{options.seed}"
    for path in write(found, out):
        print(path)
