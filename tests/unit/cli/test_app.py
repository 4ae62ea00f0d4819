# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``hpt`` as a whole: every help text, mistakes, exit statuses, start-up, and the older names."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from hpt.cli import app, main, options, prepare, recipe
from hpt.data import candidates
from hpt.verifier import pool

ROOT = Path(__file__).parents[3]
HOME = os.path.expanduser("~")
REPORTS = ("tables", "figures", "page", "all", "runs")


def tree(command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command and group of typer's, the root included."""
    yield path
    if isinstance(command, TyperGroup):
        for name in command.list_commands(None):
            below = command.get_command(None, name)
            if below and not below.hidden:
                yield from tree(below, (*path, name))


OURS = list(tree(typer.main.get_command(app.commands)))
THEIRS = [("study",), ("diagnose",), ("report",), *(("report", name) for name in REPORTS)]


def help_of(words, capsys) -> str:
    capsys.readouterr()
    assert main([*words, "--help"]) == 0
    text, err = capsys.readouterr()
    assert err == ""
    return text


def example_in(text: str) -> list[str]:
    """The words of the example that ends a help text."""
    assert text.count("Example: ") == 1, text
    return shlex.split(text.partition("Example: ")[2].replace("\\\n", " "))


def test_the_tree_has_every_command():
    leaves = {" ".join(path) for path in OURS if not any(other[:-1] == path for other in OURS)}
    assert leaves == {
        "data prepare openr1",
        "data prepare openr1-complement",
        "data prepare benchmarks",
        "data check",
        "data verify",
        "data contamination",
        "data degrade",
        "model prepare",
        "verify check",
        "verify gold",
        "verify mutate",
        "algorithms table",
        "algorithms methods",
        "algorithms check",
        "eval best",
        "eval compare",
        "eval report",
    }


@pytest.mark.parametrize("words", [*OURS, *THEIRS], ids=lambda words: " ".join(("hpt", *words)))
def test_every_help_ends_with_an_example_of_options_that_exist(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = help_of(words, capsys)
    name, *example = example_in(text)
    assert name == "hpt" and tuple(example[: len(words)]) == words
    command = max((path for path in [*OURS, *THEIRS] if tuple(example[: len(path)]) == path), key=len)
    described = help_of(command, capsys)
    for word in example:
        if word.startswith("--"):
            assert re.search(rf"^ +(-\w, )?{word}\b", described, re.MULTILINE), f"{word} is no option"
    if command in OURS:
        # It is parsed as given; nothing is run.
        group = typer.main.get_command(app.commands)
        for part in command:
            group = group.get_command(None, part)
        with group.make_context("hpt", example[len(command) :]):
            pass


@pytest.mark.parametrize("words", [("verify", "check"), ("algorithms", "table"), ("algorithms", "check")])
def test_examples_that_need_no_files_run(words, capsys):
    _, *example = example_in(help_of(words, capsys))
    small = ["--pairs", "4", "--rounds", "1", "--hostile", "0"] if "bench" in words else []
    assert main([*example, *small]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["data", "eval", "study"]),
        (["dta"], ["'dta'", "data, model, verify, algorithms, eval, report"]),
        (["data"], ["prepare", "contamination"]),
        (["data", "chek"], ["'chek'", "check", "hpt data --help"]),
        (["data", "verify", "~/no.parquet", "--write=~/out.csv"], [f"got {HOME}/out.csv to write"]),
        (["data", "check"], ["FILE", "--no-gold"]),
        (["data", "check", "x.parquet", "--no-answers"], ["--no-answers", "--no-gold", "--plugin"]),
        (["data", "check", "x.parquet", "--kind", "tests"], ["--kind", "tests", "auto", "train", "eval"]),
        (["data", "contamination", "x.parquet"], ["--against"]),
        (["model", "prepare", "m", "o", "--preset", "lama"], ["--preset", "lama", "llama-3.1, qwen2.5-math"]),
        (["verify", "mutate", "x.json", "--per-kind", "many"], ["--per-kind", "integer"]),
        (["verify", "check", "x", "y", "--kind", "poem"], ["poem", "math, choice"]),
        (["verify", "check", "x", "y", "--plugin", "no_such_module"], ["--plugin", "no_such_module"]),
        (["eval", "compare", "a"], ["B"]),
        (["eval", "report", "/nowhere"], ["/nowhere"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_message_and_status_2(arguments, parts, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("error: ") == 1
    assert "Traceback" not in err and "│" not in err
    assert all(part in err for part in parts), err


def test_hidden_commands_are_not_offered(capsys):
    assert main(["algorithms", "foo"]) == 2
    assert "Commands of hpt algorithms: table, methods, check\n" in capsys.readouterr().err


def test_a_terminal_without_unicode_shows_what_it_can():
    command = [sys.executable, "-m", "hpt.cli", "verify", "check", r"\boxed{é}", "2"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "") and r"extracted '\xe9'" in done.stdout


def test_ctrl_c_is_status_130(tmp_path, monkeypatch, capsys):
    (tmp_path / "interrupting.py").write_text("raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["verify", "check", "x", "y", "--plugin", "interrupting"]) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("interrupted")


def test_help_starts_without_the_libraries():
    script = (
        "import sys; from hpt.cli import main; status = main(['--help'])\n"
        "heavy = {'torch', 'verl', 'ray', 'transformers', 'pyarrow', 'numpy', 'pandas', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_choices_and_defaults_are_the_librarys():
    assert prepare.Think is candidates.Think and prepare.Overlong is candidates.Overlong
    assert prepare.Unverifiable is candidates.Unverifiable
    assert options.WORKERS.default == pool.DEFAULT_WORKERS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["hpt.verifier", "check", r"\boxed{2}", "2"], ["verify", "check", r"\boxed{2}", "2"]),
        (["hpt.data", "check", "nowhere.parquet"], ["data", "check", "nowhere.parquet"]),
        (["hpt.upge", "chek"], ["algorithms", "chek"]),
        (["hpt.evaluation", "report", "nowhere"], ["eval", "report", "nowhere"]),
    ],
    ids=lambda words: words[0],
)
def test_older_names_do_the_same(old, new, interpreter, capsys):
    done = subprocess.run([interpreter, "-m", *old], cwd=ROOT, capture_output=True, text=True, timeout=120)
    status = main(new)
    assert (done.returncode, done.stdout, done.stderr) == (status, *capsys.readouterr())


def test_commands_of_the_recipe(capsys, monkeypatch):
    before = list(sys.path), list(sys.argv)
    assert main(["report", "all", "nowhere.yaml", "--out", "nowhere"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err
    assert main(["algorithms", "diagnose", "--seed", "1"]) == 2
    assert capsys.readouterr().err == "error: 'diagnose' has moved: run hpt diagnose\n"
    assert main(["study", "--ful"]) == 2
    assert "--full" in capsys.readouterr().err
    assert (sys.path, sys.argv) == before
    monkeypatch.setattr(recipe, "__file__", "/usr/lib/hpt/cli/recipe.py")
    monkeypatch.chdir("/")
    assert main(["study", "--dry-run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: got no checkout")
    assert main(["--help"]) == 0
