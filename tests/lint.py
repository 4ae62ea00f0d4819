# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the sources that no linter has. ``python tests/lint.py [FILE...]`` prints ``FILE:LINE: what``.

It looks for missing licence headers, docstrings that begin with "Of", private words, long modules and large files, and
runs shellcheck. The exit status is 1 if there is a finding. CONTRIBUTING.md gives the reasons.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = ("Copyright 2026 The HPT authors", "SPDX-License-Identifier: Apache-2.0")
SOURCES = {".py", ".sh", ".sbatch", ".yaml", ".yml", ".toml", ".j2", ".cff"}
SHELL = {".sh", ".sbatch"}
TEXTS = {*SOURCES, ".md", ".txt"}
PACKAGES = ("hpt/", "recipe/")
MAX_MODULE_LINES = 350
MAX_BYTES = 1_000_000
RESULTS = "recipe/hpt/results/"
"""Outputs of runs: neither written nor read as sources."""
PRIVATE = {
    "golds": "gold answers, or demonstrations",
    "undress(es|ed)?": "strip",
    "dress(es|ed)?": "spell, format",
    "told": "a plain verb: given, informed, distinguished",
    "(had|has|have) (no|a) say": "counts, decides",
    "homeless": "without a place",
    "house words?": "private words",
}
"""Private word -> what the field says."""
_PRIVATE = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(PRIVATE)})(?![A-Za-z])", re.IGNORECASE)
OWN = ("tests/lint.py", "tests/unit/test_lint.py")
"""The files that have to spell the private words."""

Finding = tuple[int, str]
"""Line, counted from 1, and what is wrong there."""


def headers(path: str, text: str) -> Iterator[Finding]:
    """The two lines of the licence, as a comment; first, or after the line for the interpreter or Hydra's package."""
    if Path(path).suffix in SOURCES or Path(path).name == "Makefile" or text.startswith("#!"):
        lines = text.splitlines()[:4]
        start = int(bool(lines) and lines[0].startswith(("#!", "{#-", "# @package")) and HEADER[0] not in lines[0])
        if not all(part in line for part, line in zip(HEADER, [*lines[start:], "", ""], strict=False)):
            yield 1 + start, f"expected the licence header: {' / '.join(HEADER)}"


def docstrings(path: str, text: str) -> Iterator[Finding]:
    """No docstring, of attributes and constants neither, begins with "Of"."""
    if not path.endswith(".py"):
        return
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(words))) if re.match(r"\s*Of\b", words):
                yield node.lineno, "a docstring begins with 'Of'; say what it is"


def private_words(path: str, text: str) -> Iterator[Finding]:
    """Words that only this project would understand; what the field says instead."""
    if (Path(path).suffix in TEXTS or Path(path).name == "Makefile") and path not in OWN:
        for number, line in enumerate(text.splitlines(), start=1):
            for found in _PRIVATE.finditer(line):
                instead = next(to for word, to in PRIVATE.items() if re.fullmatch(word, found[0], re.IGNORECASE))
                yield number, f"private word '{found[0]}'; write: {instead}"


def long_modules(path: str, text: str) -> Iterator[Finding]:
    """A module that is longer has two subjects."""
    lines = len(text.splitlines())
    if path.startswith(PACKAGES) and path.endswith(".py") and lines > MAX_MODULE_LINES:
        yield lines, f"{lines} lines; expected at most {MAX_MODULE_LINES}, split the module by subject"


RULES: tuple[Callable[[str, str], Iterator[Finding]], ...] = (headers, docstrings, private_words, long_modules)


def files(root: Path) -> list[str]:
    """Paths of all files that are, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted({path for path in listed.split("\0") if path and (root / path).is_file()})


def findings(root: Path, paths: Sequence[str]) -> Iterator[str]:
    """Everything wrong with these files, a line each."""
    for path in paths:
        data = (root / path).read_bytes()
        if len(data) > MAX_BYTES:
            yield f"{path}:1: {len(data):,} bytes; expected at most {MAX_BYTES:,}, pack the file or leave it out"
        if path.startswith(RESULTS) or b"\0" in data:
            continue
        for rule in RULES:
            for line, what in rule(path, data.decode()):
                yield f"{path}:{line}: {what}"


def shellcheck(root: Path, paths: Sequence[str]) -> str:
    """What shellcheck says about the shell scripts; empty if nothing."""
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    assert program is not None, "shellcheck is missing; `make install` installs it"
    scripts = [path for path in paths if Path(path).suffix in SHELL or is_shell(root / path)]
    command = [program, "--external-sources", "--source-path=SCRIPTDIR", "--format=gcc", *scripts]
    return subprocess.run(command, cwd=root, capture_output=True, text=True).stdout if scripts else ""


def is_shell(path: Path) -> bool:
    """Whether the file's first line names a shell."""
    with open(path, "rb") as file:
        return re.match(rb"#!.*\b(ba)?sh\b", file.readline()) is not None


def main(paths: Sequence[str] = (), root: Path = ROOT) -> int:
    """Print all findings in these files, or in all; exit status 1 if there is one."""
    paths = paths or files(root)
    found = [*findings(root, paths), *shellcheck(root, paths).splitlines()]
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
