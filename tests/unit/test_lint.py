# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The checks of tests/lint.py find what is planted, and import-linter finds an import against the layers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import lint

ROOT = Path(__file__).parents[2]
HEADER = "# Copyright 2026 The HPT authors\n# SPDX-License-Identifier: Apache-2.0\n"


def found(root: Path, path: str, text: str) -> list[str]:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return list(lint.findings(root, [path]))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", f'{HEADER}"""The loss, of a row."""\n'),
        ("run.sh", f"#!/usr/bin/env bash\n{HEADER}set -e\n"),
        ("page.j2", "{# Copyright 2026 The HPT authors\n   SPDX-License-Identifier: Apache-2.0 #}\n"),
        ("README.md", "The address of a gold answer; tolds and marigolds.\n"),
        ("recipe/hpt/results/x.yaml", "note: golds\n"),
        ("hpt/a.py", HEADER + "x = 1\n" * 348),
        ("tests/a.py", HEADER + "x = 1\n" * 400),
    ],
)
def test_good_files(tmp_path, path, text):
    assert found(tmp_path, path, text) == []


@pytest.mark.parametrize(
    ("path", "text", "line", "part"),
    [
        ("a.py", '"""No header."""\n', 1, "licence header"),
        ("a.yaml", f"a: 1\n{HEADER}", 1, "licence header"),
        ("Makefile", "all:\n", 1, "licence header"),
        (".ci/run", "#!/bin/sh\nset -e\n", 2, "licence header"),
        ("a.py", f'{HEADER}def f():\n    """Of the loss."""\n', 4, "'Of'"),
        ("a.py", f'{HEADER}N = 1\n"""Of rows."""\n', 4, "'Of'"),
        ("a.py", f"{HEADER}golds = 1\n", 3, "'golds'"),
        ("a.py", f"{HEADER}MAX_GOLDS = 1\n", 3, "'GOLDS'"),
        ("a.md", "One\n\nThe node is told its rank.\n", 3, "'told'"),
        ("a.yaml", f"{HEADER}a: 1  # has a say\n", 3, "'has a say'"),
        ("hpt/a.py", HEADER + "x = 1\n" * 349, 351, "351 lines"),
        ("big.bin", "x" * 1_000_001, 1, "1,000,001 bytes"),
    ],
)
def test_a_planted_violation_is_found(tmp_path, path, text, line, part):
    (finding,) = found(tmp_path, path, text)
    assert finding.startswith(f"{path}:{line}: ") and part in finding


def test_the_whole_check_of_a_repository(tmp_path, capsys):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    (tmp_path / "ignored.py").write_text("")
    script = tmp_path / "run.sh"
    script.write_text(f"#!/usr/bin/env bash\n{HEADER}set -e\n")
    assert lint.main(root=tmp_path) == 0 and capsys.readouterr().out == ""
    script.write_text(f"#!/usr/bin/env bash\n{HEADER}rm $1\n")
    assert lint.main(root=tmp_path) == 1
    assert "run.sh:4:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "line", "contract"),
    [
        ("hpt/method/gate.py", "import verl", "the method imports no verl, Ray or vLLM"),
        ("hpt/common/files.py", "import hpt.data.ids", "imports point down"),
        ("hpt/data/ids.py", "import recipe.hpt.main_hpt", "nothing in hpt imports recipe"),
        ("hpt/verifier/extract.py", "import hpt.verifier.pool", "no circles"),
        ("hpt/newcomer/__init__.py", "", "imports point down"),
    ],
)
def test_an_import_against_the_layers_fails(tmp_path, path, line, contract):
    for name in ("hpt", "recipe"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    target = tmp_path / path
    target.parent.mkdir(exist_ok=True)
    with open(target, "a") as file:
        file.write(f"\n{line}\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(contract in text and "BROKEN" in text for text in done.stdout.splitlines()), done.stdout
