# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The committed reference says what the configuration and the definitions say."""

import dataclasses

import pytest

from hpt.method.config import HPTConfig
from recipe.hpt import reference

COMMITTED = reference.CONFIGS.parent / "reference.md"


def test_the_committed_page_is_up_to_date():
    assert COMMITTED.read_text() == reference.page(), f"run: {reference.COMMAND}"


def test_every_setting_of_ours_is_there_with_a_meaning():
    rows = [line.split(" | ") for line in reference.our_settings().splitlines()[2:]]
    settings = {row[0].strip("| `"): row[2].strip("| ") for row in rows}
    expected = {f"hpt.{field.name}" for field in dataclasses.fields(HPTConfig)}
    assert set(settings) == expected | {f"data.{name}" for name in reference.OUR_DATA}
    assert all(settings.values())


def test_defaults_are_those_of_the_dataclass():
    config, _ = reference.read("hybrid")
    for field in dataclasses.fields(HPTConfig):
        value = config["hpt"][field.name]
        assert (tuple(value) if field.name == "plugins" else value) == field.default


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
    values = (None, True, 0.5, 1.0, ["a", None], "", {})
    assert [reference.shown(value) for value in values] == [
        "`null`", "`true`", "`0.5`", "`1.0`", "`[a, null]`", "", "`{}`"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["hybrid", "quickstart", "eval"])
def test_every_key_of_a_file_is_found(name):
    config, comments = reference.read(name)
    assert set(reference.leaves(config)) <= set(comments)


def test_the_command_writes_and_refuses(tmp_path, capsys):
    assert reference.main([str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text() == reference.page()
    assert reference.main([str(tmp_path / "no" / "page.md")]) == 2
    assert "expected a file in a folder that exists" in capsys.readouterr().err
