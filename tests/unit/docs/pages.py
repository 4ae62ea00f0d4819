# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The pages that users read, and what is in them: links, code blocks, paths and commands."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "recipe/hpt/*.md", "recipe/hpt/results/*.md", "examples/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # it speaks of earlier versions, too
)
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)


def name(page: Path) -> str:
    """A page's path from the root, for test ids."""
    return page.relative_to(ROOT).as_posix()


def blocks(text: str, *languages: str) -> list[str]:
    """Code blocks in these languages, in order."""
    return [body for language, body in BLOCK.findall(text) if language in languages]


def prose(text: str) -> str:
    """The text without its code blocks."""
    return BLOCK.sub("", text)


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as the forge and the site make them."""
    heads = re.findall(r"^#+ +(.*)$", prose(text), re.M)
    plain = (re.sub(r"[^\w\- ]", "", re.sub(r"`|\[([^\]]*)\]\([^)]*\)", r"\1", head)).strip() for head in heads)
    return {re.sub(r" +", "-", head.lower()) for head in plain}


def links(text: str) -> list[str]:
    """Targets of the links and pictures of a page."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(text)))


def commands(text: str) -> list[list[str]]:
    """Command lines of the bash blocks and of the inline code of a page, as words without comments."""
    lines = [line for block in blocks(text, "bash") for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`([^`\n]+)`", prose(text))
    lines += [code for code in inline if re.match(r"(python -m|hpt|make|[A-Z_]+=\S+ (python|examples))\b", code)]
    found = []
    for line in lines:
        words = shlex.split(re.sub(r"\s#.*$", "", line.strip()), comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0], re.S):
            words = words[1:]
        if words:
            found.append(words)
    return found
