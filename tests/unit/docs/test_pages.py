# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the pages name exists: links, files, modules, commands, options, targets of make, settings and metrics."""

import importlib.util
import re
import subprocess
import sys
from glob import glob

import pytest
import typer
from typer.core import TyperGroup

from hpt.method.metrics import DEFINITIONS
from recipe.hpt.configs import compose
from tests.unit.docs.pages import PAGES, ROOT, anchors, blocks, commands, links, name, prose
from tests.unit.verl_ext.test_seams import PACKAGE, imports

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
ids = {"ids": [name(page) for page in PAGES]}
FOLDERS = r"(?:hpt|recipe|examples|docs|tests|benchmarks|requirements)/"
PATH = re.compile(rf"(?<![\w./$-]){FOLDERS}[\w./*{{}},+-]*[\w*}}/]")
# Names that stand for a user's own.
PLACEHOLDERS = re.compile(r"MODEL|METHOD|NAME|FOLDER")
FORMER = ("hpt/offline_ratio", "hpt/sft_share_tokens", "hpt/loss_offline", "offline_algorithm")


@pytest.mark.parametrize("page", PAGES, **ids)
def test_links_lead_somewhere(page):
    for target in links(page.read_text()):
        if re.match(r"https?:|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text()), target


@pytest.mark.parametrize("page", PAGES, **ids)
def test_paths_exist(page):
    text = page.read_text()
    code = re.findall(r"`([^`\n]+)`", prose(text)) + blocks(text, "bash", "text", "")
    for place in {match for part in code for match in PATH.findall(part)}:
        if PLACEHOLDERS.search(place) or place in DEFINITIONS or place.startswith(("hpt/p_hist", "hpt/...")):
            continue
        for each in braces(place):
            assert glob(str(ROOT / each)), f"{name(page)} names {each}"


def braces(pattern: str) -> list[str]:
    """The patterns that bash would make of one with {a,b}."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if not match:
        return [pattern]
    parts = (pattern[: match.start()] + part + pattern[match.end() :] for part in match[1].split(","))
    return [each for part in parts for each in braces(part)]


@pytest.mark.parametrize("page", PAGES, **ids)
def test_commands_exist(page):
    for words in commands(page.read_text()):
        check_command(words)


def check_command(words: list[str]) -> None:
    """Assert that a command line would start."""
    if words[0] == "make":
        targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.M)
        assert all(word in targets for word in words[1:] if re.fullmatch(r"[a-z-]+", word)), words
    elif words[0] == "hpt":
        check_hpt(words[1:])
    elif words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]) or words[2] in ("pip", "pytest"), words
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file(), words


def check_hpt(words: list[str]) -> None:
    """Assert that ``hpt WORDS`` names a command, and options that it has."""
    from hpt.cli import recipe
    from hpt.cli.app import commands as application

    if words and words[0] in recipe.COMMANDS:
        return check_module(recipe.COMMANDS[words[0]][0], words[1:])
    command = typer.main.get_command(application)
    path = []
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        path.append(words[0].rstrip(","))
        found = command.get_command(None, path[-1])
        assert found is not None, f"hpt {' '.join(path)}"
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert option in known | {"--help"}, f"hpt {' '.join(path)} {option}"
    return None


HELP: dict[str, str] = {}


def check_module(module: str, words: list[str]) -> None:
    """Assert that ``python -m MODULE`` knows the options among these words; its help is asked for once."""
    if not any(word.startswith("--") for word in words):
        return
    if module not in HELP:
        arguments = [sys.executable, "-m", module]
        shown = [*arguments, "--help"]
        HELP[module] = subprocess.run(shown, capture_output=True, text=True, cwd=ROOT, check=True).stdout
        for sub in re.findall(r"\{([\w,]+)\}", HELP[module])[:1]:
            for each in sub.split(","):
                done = subprocess.run(
                    [*arguments, each, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
                )
                HELP[module] += done.stdout
    for option in (word for word in words if word.startswith("--")):
        assert option in HELP[module], f"{module} {option}"


TRAININGS = sorted(
    {
        tuple(word for word in words[3:] if not word.startswith("--check"))
        for page in PAGES
        for words in commands(page.read_text())
        if words[:3] == ["python", "-m", "recipe.hpt.main_hpt"]
        and not any("[" in word and "]" in word and "=" not in word for word in words)
    }
)  # fmt: skip


@pytest.mark.parametrize("arguments", [each for each in TRAININGS if "MODEL/METHOD" not in " ".join(each)], ids=str)
def test_trainings_compose(arguments):
    words = list(arguments)
    configuration = "hpt_trainer"
    if "--config-name" in words:
        at = words.index("--config-name")
        configuration = words[at + 1]
        del words[at : at + 2]
    compose(words, configuration)


@pytest.mark.parametrize("page", PAGES, **ids)
def test_settings_and_metrics_have_todays_names(page):
    text = page.read_text()
    for former in FORMER:
        assert former not in text
    for metric in re.findall(r"`(hpt/[a-z_]+(?:/\S+)?)`", text):
        known = metric in DEFINITIONS or any(each.startswith(metric.rstrip("*")) for each in DEFINITIONS)
        assert known or (ROOT / metric).exists() or glob(str(ROOT / metric)), metric


def test_every_seam_has_a_row_and_every_row_a_test():
    page = (ROOT / "docs" / "reference" / "verl-seams.md").read_text()
    tests = (ROOT / "tests" / "unit" / "verl_ext" / "test_seams.py").read_text()
    assert set(re.findall(r"^def (test_\w+)", tests, re.M)) - {"test_import"} == set(re.findall(r"`(test_\w+)`", page))


def test_the_page_of_seams_names_every_import_and_our_modules():
    page = (ROOT / "docs" / "reference" / "verl-seams.md").read_text()
    assert [name for _, name in imports() if not re.search(rf"\b{name}\b", page)] == []
    seams, _, settings = page.partition("## What a training may switch on")
    rows = [
        line.split(" | ") for line in seams.splitlines() if line.startswith("| ") and not line.startswith("| seam |")
    ]
    assert settings.count("\n| ") > 20
    modules = {module for row in rows for module in re.findall(r"`([\w/]+\.py)`", row[1])}
    assert all(re.search(r"`[\w/]+\.py`", row[1]) for row in rows) and len(rows) > 40
    assert [module for module in modules if not (PACKAGE / module).is_file()] == []


def test_the_glossary_is_in_order():
    words = re.findall(r"^\*\*(.+?)\*\*", (ROOT / "docs" / "glossary.md").read_text(), re.M)
    plain = [re.sub(r"\W", "", word.split(",")[0].split(" (")[0]).lower() for word in words]
    assert plain == sorted(plain) and len(words) > 25


def test_both_pages_of_results_quote_the_same_table():
    quoted = []
    for page in ("docs/results/index.md", "recipe/hpt/README.md"):
        lines = (ROOT / page).read_text().splitlines()
        start = lines.index("| | levels 1 to 6 | level 7 (not in training) |")
        quoted.append(lines[start : start + 13])
    assert quoted[0] == quoted[1]
