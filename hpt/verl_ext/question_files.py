# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The files of training and validation questions: which ones they are, and whether a training can use them."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from hpt.common.errors import ConfigError, DataError
from hpt.common.settings import one_of
from hpt.data import gold_answers
from hpt.data.checks import check_files, iter_rows
from hpt.method.config import HPTConfig
from hpt.method.estimator.composite import reads_teacher
from hpt.verl_ext.sampling import OUR_REWARD

_FILE_URL = "file://"
_MEDIA = ("image_key", "video_key", "audio_key")


def as_list(value: Any) -> list[Any]:
    """What a setting names, be it one thing, several or (null) none."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | ListConfig) else [value]


def local_files(value: Any) -> list[str]:
    """The files that a setting names: one or several files, folders, patterns such as ``data/*.parquet``.

    A folder stands for the parquet files directly in it. A name that nothing is found for stays as it is.
    """
    files: list[str] = []
    for item in as_list(value):
        path = os.path.expanduser(str(item).removeprefix(_FILE_URL))
        if os.path.isdir(path):
            files += sorted(map(str, Path(path).glob("*.parquet"))) or [path]
        elif os.path.exists(path):
            files.append(path)
        else:
            files += sorted(glob.glob(path)) or [path]
    return files


def check_data(config: DictConfig) -> None:
    """Open every training and validation file, look at every row, and ask the verifier about every gold answer.

    Completes the settings in place: afterwards they name files only. Gold answers are checked only if the reward
    function is the verifier's; another one has its own kind of them.

    Raises:
        ConfigError: files that are not there, or that do not fit to each other or to the strategy.
        DataError: rows that cannot be used.
    """
    columns = {"prompt_key": config.data.prompt_key, "target_key": config.data.target_key}
    files = {key: local_files(config.data[key]) for key in ("train_files", "val_files")}
    for key, paths in files.items():
        _check_paths(key, paths)
    reports = check_files(files["train_files"], **columns)
    _check_demonstrations(config, sum(report.rows for report in reports), sum(each.with_target for each in reports))
    _check_hints(config, files["train_files"])
    check_files(files["val_files"], **columns)
    for key, paths in files.items():
        _check_columns(config, key, paths)
        if paths != as_list(config.data[key]):
            config.data[key] = paths
    policy = unverifiable_policy(config)
    if not _is_our_reward(config):
        return
    paths = list(dict.fromkeys([*files["train_files"], *files["val_files"]]))
    if problems := gold_answers.gold_answer_problems(paths, gold=policy == "fail"):
        raise DataError(problems, gold_answers.ADVICE)


def _check_paths(key: str, paths: Sequence[str]) -> None:
    if not paths:
        raise ConfigError(f"got data.{key}=[]; expected at least one parquet file")
    for path in paths:
        if os.path.isdir(path):
            raise ConfigError(f"got data.{key}={path}, a folder without a .parquet file; expected some in it")
        if not os.path.exists(path):
            raise ConfigError(
                f"got data.{key}={path}, which does not exist; expected a parquet file, a folder of them, or a "
                "pattern (for the built-in task: make quickstart, or python -m "
                "recipe.hpt.reproduction.task.base_model --out DIR)"
            )


def _check_demonstrations(config: DictConfig, rows: int, with_target: int) -> None:
    settings, column = HPTConfig.from_mapping(config.hpt), config.data.target_key
    lacking = rows - with_target
    if (settings.method.needs_demonstrations or reads_teacher(settings)) and lacking:
        raise ConfigError(
            f"got {lacking} of {rows} questions without a demonstration (column '{column}') in data.train_files; "
            f"hpt.strategy={settings.strategy} needs one for every question: leave these questions out"
        )
    rollouts = config.actor_rollout_ref.rollout.n
    if not with_target and settings.uses_demonstrations(rollouts):
        raise ConfigError(
            f"got {rows} questions in data.train_files, none with a demonstration (column '{column}'); "
            f"hpt.strategy={settings.strategy} trains on demonstrations: name their column with data.target_key, or "
            "set hpt.strategy=rl_only"
        )


def _check_hints(config: DictConfig, paths: Sequence[str]) -> None:
    draws = HPTConfig.from_mapping(config.hpt).draws
    if draws is None or not draws.hints:
        return
    rows = (row for path in paths for _, row in iter_rows(path, ["extra_info"]))
    if any((row.get("extra_info") or {}).get("hints") for row in rows):
        return
    raise ConfigError(
        f"got data.train_files without a hint; hpt.strategy={config.hpt.strategy} reads extra_info.hints, a list of "
        "texts from the least to the most that they give away: add it to the questions that have hints"
    )


def _check_columns(config: DictConfig, key: str, paths: Sequence[str]) -> None:
    """Files are read as one table: a column has one type in all of them. Text is all that is trained on."""
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas = {path: pq.read_schema(path) for path in paths}
    for path, schema in schemas.items():
        for setting in _MEDIA:
            if (column := config.data.get(setting)) in schema.names:
                raise ConfigError(
                    f"got data.{key}={path} with the column '{column}' (data.{setting}); the update reads text only: "
                    "leave the column out, or give it another name"
                )
    first, *others = paths
    for path in others:
        for column in schemas[first].names:
            if column not in schemas[path].names:
                continue
            types = [schemas[each].field(column).type for each in (first, path)]
            try:  # a row each, because tables without rows are not compared
                datasets.concatenate_datasets([datasets.Dataset(pa.table({column: pa.nulls(1, t)})) for t in types])
            except ValueError:
                raise ConfigError(
                    f"got data.{key} with the column '{column}' as {types[0]} in {first} and as {types[1]} in {path}; "
                    "expected one type: write the files alike, or leave the column out of one"
                ) from None


def _is_our_reward(config: DictConfig) -> bool:
    return OmegaConf.select(config, "reward.custom_reward_function.path") == OUR_REWARD


def unverifiable_policy(config: DictConfig) -> str:
    """What happens to questions whose gold answer is not understood: fail, keep or drop."""
    policy = config.data.get("unverifiable") or "fail"
    one_of("data.unverifiable", policy, gold_answers.POLICIES)
    return policy


def describe_gold_answers(config: DictConfig) -> str:
    """How the gold answers of training and validation are compared, with their counts, for the start of a run."""
    if not _is_our_reward(config):
        return "gold answers: for the reward function alone"
    lines = []
    for name, key in (("training", "train_files"), ("validation", "val_files")):
        found = gold_answers.by_comparison(
            each
            for path in dict.fromkeys(local_files(config.data[key]))
            for each in gold_answers.iter_gold_answers(path)
        )
        lines.append(f"{name} {gold_answers.described(found)}")
    policy = {"drop": ", unverifiable ones dropped", "keep": ", unverifiable ones compared as they are written"}
    return f"gold answers: {'; '.join(lines)}{policy.get(unverifiable_policy(config), '')}"
