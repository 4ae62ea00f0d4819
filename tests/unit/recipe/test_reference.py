# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The committed pages of settings and metrics agree with the configuration and the definitions."""

import pytest
import yaml

from hpt.method.config import HPTConfig, Sampling
from hpt.method.strategies import STRATEGIES
from recipe.hpt import reference

FOLDER = reference.CONFIGS.parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_committed_page_is_up_to_date(name):
    assert (FOLDER / name).read_text() == reference.PAGES[name](), f"run: {reference.COMMAND}"


def test_every_setting_of_ours_is_there_with_a_meaning():
    rows = [line.split(" | ") for line in reference.our_settings().splitlines()[2:]]
    settings = {row[0].strip("| `"): row[2].strip("| ") for row in rows}
    expected = {f"hpt.{name}" for name in HPTConfig.model_fields if name != "sampling"}
    expected |= {f"hpt.sampling.{name}" for name in Sampling.model_fields}
    assert set(settings) == expected | {f"data.{name}" for name in reference.OUR_DATA}
    assert all(settings.values())


def test_every_parameter_of_a_strategy_is_there_with_a_meaning():
    rows = [[cell.strip("| `") for cell in line.split(" | ")] for line in reference.strategy_parameters().splitlines()]
    for strategy, setting, default, meaning in rows[2:]:
        name = setting.removeprefix("hpt.params.")
        given = HPTConfig.from_mapping({"strategy": strategy, "params": {name: yaml.safe_load(default)}})
        assert given.chosen == HPTConfig(strategy=strategy).chosen and meaning
    with_some = [key for key, strategy in STRATEGIES.items() if strategy.params is not None]
    assert list(dict.fromkeys(row[0] for row in rows[2:])) == with_some


def test_defaults_are_those_of_the_class():
    config, _ = reference.read("hybrid")
    assert set(config["hpt"]) == set(HPTConfig.model_fields)
    assert set(config["hpt"]["sampling"]) == set(Sampling.model_fields)
    assert HPTConfig.from_mapping(config["hpt"]) == HPTConfig()


def test_a_comment_belongs_to_the_key_below_it_or_in_its_line():
    text = """# of the file

a:  # of a
  # of b,
  # in two lines
  b: 1  # not this one
  c: x

  d: [1, 2]
# of e
e: {f: 1}
"""
    assert dict(reference.commented_keys(text)) == {
        "a": "of a",
        "a.b": "of b, in two lines",
        "a.c": "",
        "a.d": "",
        "e": "of e",
    }


def test_cells_do_not_break_the_table(tmp_path):
    assert reference.table(("a",), [("x | y",)]).splitlines()[-1] == "| x \\| y |"
    values = (None, True, 0.5, 1.0, ["a", None], (1, "b\nc"), "", {})
    assert [reference.shown(value) for value in values] == [
        "`null`", "`true`", "`0.5`", "`1.0`", "`[a, null]`", "`[1, b\\nc]`", "", "`{}`"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["hybrid", "quickstart", "eval"])
def test_every_key_of_a_file_is_found(name):
    config, comments = reference.read(name)
    assert set(reference.leaves(config)) <= set(comments)


def test_the_command_writes_and_refuses(tmp_path, capsys):
    assert reference.main([str(tmp_path)]) == 0
    assert {file.name for file in tmp_path.iterdir()} == set(reference.PAGES)
    assert reference.main([str(tmp_path / "no")]) == 2
    assert "expected a folder that exists" in capsys.readouterr().err
