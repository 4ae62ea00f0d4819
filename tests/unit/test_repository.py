# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What stands around the code: hosted CI, pre-commit, citation, changelog and the Makefile name what exists."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from recipe.hpt.reproduction import task

ROOT = Path(task.__file__).parents[4]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def loaded(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text())


def test_every_target_is_phony_and_in_the_help():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"^make ([a-z-]+)", done.stdout, re.MULTILINE)) == TARGETS - {"help"}


def test_hosted_ci_uses_make_targets_only():
    workflow = loaded(".github/workflows/ci.yml")
    assert set(workflow[True]) >= {"push", "pull_request", "schedule"}  # YAML reads the key `on` as true
    runs = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in workflow["jobs"].items()}
    assert runs == {"fast": ["make lint", "make test-fast"], "all": ["make lint", "make test"]}
    assert {"lint", "test-fast", "test"} <= TARGETS


def test_pre_commit_runs_what_lint_runs():
    (repository,) = loaded(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    entries = [hook["entry"] for hook in repository["hooks"]]
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    lint = MAKEFILE[MAKEFILE.index("\nlint:") :].partition("\n\n")[0]
    for entry in entries:
        program = entry.removeprefix(".venv/bin/").removesuffix(" --fix").removeprefix("python ")
        assert program in lint, entry


@pytest.mark.parametrize("name", ["cff-version", "message", "title", "authors"])
def test_citation_has_what_cff_requires(name):
    assert loaded("CITATION.cff")[name]


def test_citation_is_of_this_version():
    citation = loaded("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert f'VERSION = "{citation["version"]}"' in (ROOT / "setup.py").read_text()
    assert citation["references"][0]["identifiers"][0]["value"] == "arXiv:2509.04419"


def test_contributing_names_what_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = re.findall(r"`((?:hpt|recipe|tests)/[\w./]+)`", text)
    assert paths and all((ROOT / path).exists() for path in paths)
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= TARGETS
