# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the commands that write the task, and the files they leave."""

import pyarrow.parquet as pq
import pytest

from hpt.common.errors import ConfigError
from recipe.hpt.reproduction.task import base_model
from recipe.hpt.reproduction.task.demonstrations import Demonstrations
from recipe.hpt.reproduction.task.options import check_length, write_files

SMALL = ("--train-size", "240", "--val-per-level", "2", "--data-only")


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_defaults_leave_the_two_files_alone(tmp_path, capsys):
    assert base_model.main(["--out", str(tmp_path), *SMALL]) == 0
    assert files(tmp_path) == ["train.parquet", "val.parquet"]
    assert capsys.readouterr().out.startswith("wrote ")


def test_options_reach_the_files_and_the_summary(tmp_path, capsys):
    arguments = ["--wrong-step", "0.3", "--coverage", "0.25", "--style", "notation", "--extra-sets"]
    assert base_model.main(["--out", str(tmp_path), *SMALL, *arguments]) == 0
    assert files(tmp_path) == [
        "demonstrations.json", "forgetting.parquet", "ood_level.parquet", "ood_notation.parquet", "train.parquet",
        "train_covered.parquet", "val.parquet",
    ]  # fmt: skip
    assert "wrong_step" in capsys.readouterr().out
    train, covered = (pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in ("train", "train_covered"))
    assert covered == [row for row in train if row["target"] is not None]
    assert len(covered) == 60
    assert sum(row["extra_info"]["demonstration"] == "wrong_step" for row in covered) == 18


def test_the_defaults_remove_what_said_otherwise(tmp_path):
    write_files(tmp_path, 0, Demonstrations(coverage=0.5), train_size=24, val_per_level=1)
    write_files(tmp_path, 0, Demonstrations(), train_size=24, val_per_level=1)
    assert files(tmp_path) == ["train.parquet", "val.parquet"]


@pytest.mark.parametrize("coverage", [0, 1])
def test_all_or_no_demonstrations_need_no_second_file(tmp_path, coverage):
    write_files(tmp_path, 0, Demonstrations(coverage=coverage, wrong_step=0.5), train_size=24, val_per_level=1)
    assert files(tmp_path) == ["demonstrations.json", "train.parquet", "val.parquet"]


@pytest.mark.parametrize("arguments", [("--wrong-step", "2"), ("--style", "loud"), ("--coverage", "nan")])
def test_bad_options_end_with_status_2_and_write_nothing(tmp_path, capsys, arguments):
    assert base_model.main(["--out", str(tmp_path / "task"), *SMALL, *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and arguments[1] in line
    assert not (tmp_path / "task").exists()


def test_limits_that_a_style_does_not_fit_are_refused():
    for style in ("model", "reversed", "notation"):
        check_length(style, 64, None)
    check_length("verbose", 100, 89)
    with pytest.raises(ConfigError, match=r"data\.max_response_length=64.* set data\.max_response_length=100 or more"):
        check_length("verbose", 64, None)
    with pytest.raises(ConfigError, match=r"data\.max_target_length=88.* set data\.max_target_length=89 or more"):
        check_length("verbose", 128, 88)
