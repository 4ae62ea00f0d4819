# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt algorithms``."""

import importlib.util
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hpt.cli import main
from hpt.method import catalogue
from hpt.method.catalogue import UNSUPPORTED
from hpt.method.proof.check import ADVANTAGES
from hpt.upge import ALGORITHMS, parts

ROOT = Path(__file__).resolve().parents[3]
SMALL = ["--rows", "15", "--tokens", "6"]


def markdown_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_is_read_off_the_entries(capsys, monkeypatch):
    wrong = replace(ALGORITHMS["sft"], advantage=parts.given_advantage("[red]another"))
    monkeypatch.setitem(ALGORITHMS, "one_more", wrong)
    assert main(["algorithms", "--markdown"]) == 0
    header, rule, *rows = markdown_rows(capsys.readouterr().out)
    assert header == ["algorithm", "pi_ref", "A", "1_stable", "likelihood", "factor", "reads", "source"]
    assert set("".join(rule)) == {"-"}
    assert [row[0] for row in rows] == list(ALGORITHMS)
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["grpo"][:4] == ["pi_old", "(R - mean) / std", "mask of clip(r)", "w"]
    assert by_name["luffy_offline"][3:5] == ["f(pi_theta)", "f'(pi_theta)"]
    assert by_name["one_more"][1] == "[red]another"
    assert {name: row[5] for name, row in by_name.items() if row[5] != "-"} == {
        "eaft": "entropy",
        "iw_sft": "initial_log_prob",
        "prefix_rft": "entropy",
        "nft": "mean_score",
        "self_distill": "teacher_log_prob",
        "rlsd": "teacher_log_prob",
    }


def test_the_page_of_methods_has_the_table(capsys):
    assert main(["algorithms", "table", "--markdown"]) == 0
    table = markdown_rows(capsys.readouterr().out)
    page = markdown_rows((ROOT / "docs" / "guides" / "methods.md").read_text())
    start = page.index(table[0])
    assert page[start + 2 : start + len(table)] == table[2:]


def test_the_page_of_the_field_has_the_methods_and_those_that_are_not_supported(capsys):
    assert main(["algorithms", "methods", "--markdown"]) == 0
    shown = markdown_rows(capsys.readouterr().out)
    page = (ROOT / "docs" / "reference" / "methods-of-the-field.md").read_text()
    before, _, after = page.partition("## The size of departures")  # a table of numbers; test_departures.py has them
    assert markdown_rows(before + after[after.index("## What is not supported") :]) == shown
    assert [row[0] for row in shown[-len(UNSUPPORTED) :]] == [each.name for each in UNSUPPORTED]


def test_costs_are_shown_where_they_were_measured(capsys, monkeypatch):
    monkeypatch.setattr(catalogue, "costs", lambda: {"chord": 1.234, "nft": 0.9})
    assert main(["algorithms", "methods", "--markdown"]) == 0
    by_settings = {row[2]: row[-1] for row in markdown_rows(capsys.readouterr().out)}
    assert by_settings["hpt.strategy=chord"] == "1.23"
    assert by_settings["hpt.strategy=rl_only hpt.rollout_algorithm=nft"] == "0.90"
    assert by_settings["hpt.strategy=mix"] == "not measured"


def test_the_terminal_table_is_aligned_and_followed_by_its_legend(capsys):
    assert main(["algorithms"]) == 0
    lines = capsys.readouterr().out.splitlines()
    column = lines[0].index("source")
    for name, line in zip(ALGORITHMS, lines[2:], strict=False):
        assert line.split()[0] == name
        assert line[column - 1] == " " and line[column:].startswith(ALGORITHMS[name].source)
    assert lines[2 + len(ALGORITHMS)].startswith("Gradient per token:")


def test_check_compares_with_verl_and_succeeds(capsys):
    assert main(["algorithms", "check", "--markdown", "--seed", "3", *SMALL]) == 0
    out, err = capsys.readouterr()
    header, _, *rows = markdown_rows(out)
    assert header[4:] == ["coefficient", "published loss", "verl"]
    assert [row[0] for row in rows] == [*ALGORITHMS, *(f"advantage of {x}" for x in ADVANTAGES)]
    verls = {row[0]: row[-1] for row in rows}
    without = set(ALGORITHMS) - {"reinforce", "ppo", "grpo", "dr_grpo", "cispo", "gspo"}
    assert {name for name, cell in verls.items() if cell == "none"} == without
    assert all(float(cell) < 1e-7 for name, cell in verls.items() if name not in without)
    assert "seed 3" in out
    assert err == ""


def test_check_says_that_verl_is_not_installed(capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "verl" else find(name, *a))
    assert main(["algorithms", "--markdown", "check", *SMALL]) == 0
    out = capsys.readouterr().out
    _, _, *rows = markdown_rows(out)
    assert {row[-1] for row in rows} == {"not installed"}
    assert "verl is not installed" in out


def test_check_fails_with_the_name_of_the_broken_entry(capsys, monkeypatch):
    broken = replace(ALGORITHMS["gspo"], reference=parts.old_policy)
    monkeypatch.setitem(ALGORITHMS, "gspo", broken)
    assert main(["algorithms", "check", *SMALL]) == 1
    assert capsys.readouterr().err == "error: above the tolerance: gspo\n"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["check", "--rows", "0"], ["'--rows'"]),
        (["check", "--tokens", "x"], ["'--tokens'"]),
        (["check", "--seed", "-1"], ["'--seed'"]),
        (["chek"], ["'chek'", "table, methods, check"]),
        (["table", "--latex"], ["--latex", "--markdown"]),
    ],
)
def test_bad_arguments_are_one_message(capsys, arguments, parts):
    assert main(["algorithms", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("error:") == 1
    assert all(part in err for part in parts)


def test_its_old_name(interpreter):
    done = subprocess.run([interpreter, "-m", "hpt.upge"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "luffy_offline" in done.stdout
    assert done.stderr == ""


def test_an_entry_of_ones_own_is_compared_with_its_coefficients(capsys, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "entries_of_ones_own.py").write_text(
        "from dataclasses import replace\n"
        "from hpt.upge import ALGORITHMS, register\n"
        "register('right', replace(ALGORITHMS['dr_grpo'], source='mine'))\n"
        "register('wrong', replace(ALGORITHMS['luffy_offline'], factor=ALGORITHMS['sft'].factor))\n"
    )
    before = set(ALGORITHMS)
    try:
        assert main(["algorithms", "check", *SMALL, "--markdown", "--plugin", "entries_of_ones_own"]) == 1
    finally:
        for name in set(ALGORITHMS) - before:
            del ALGORITHMS[name]
    printed = capsys.readouterr()
    right, wrong = (row for row in markdown_rows(printed.out) if row[0] in ("right", "wrong"))
    assert float(right[4]) < 1e-9 < float(wrong[4]) and right[5] == "none"
    assert printed.err == "error: above the tolerance: wrong\n"
    assert main(["algorithms", "check", "--plugin", "nowhere_to_be_found"]) == 2
    assert "got --plugin with 'nowhere_to_be_found', which cannot be imported" in capsys.readouterr().err
