# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the site does to the plain Markdown pages: it brings in pages from outside `docs` and mends links to files.

On the forge every relative link works, also one to a source file. The site has no source files, so there such a link
becomes the plain name of the file. Files named in `OUTSIDE` are part of the site under a name of their own.
"""

import os
import re
from pathlib import Path
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# A page outside `docs`, by its path from the root -> its path in the site.
OUTSIDE = {
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "recipe/hpt/results/README.md": "results/small-scale.md",
}
# Folders whose pictures these pages show.
PICTURES = {f"recipe/hpt/results/{study}": f"results/{study}" for study in ("study", "map")}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
WITH_ERROR = re.compile(r"(?<=>)[+-]?[\d.]+ (?:± [\d.]+|\[[^\]<]+\])(?=</td>)")
ROLE = re.compile(r":(?:func|class|mod|meth|attr|data):(<code>)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that live outside `docs`."""
    for source, target in {**OUTSIDE, **_pictures()}.items():
        if (ROOT / source).is_file():
            files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point relative links at the site's own pages, and turn links to other files into the files' names."""
    site = {path: place for place, path in _places(files).items()}
    here = _places(files)[page.file.src_uri]

    def mended(match: re.Match) -> str:
        mark, text, target, anchor = match.groups()
        if re.match(r"[a-z]+:", target):
            return match[0]
        path = normpath(os.path.join(os.path.dirname(here), target))
        if path in site:
            return f"{mark}[{text}]({relpath(site[path], os.path.dirname(page.file.src_uri) or '.')}{anchor or ''})"
        if (ROOT / path).exists() and not path.startswith("docs/") and not mark:  # a picture must be in the site
            return text
        return match[0]

    return LINK.sub(mended, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show functions in docstrings by their name alone, and keep a figure of a table in one line with its error."""
    return WITH_ERROR.sub(lambda figure: figure[0].replace(" ", "&nbsp;"), ROLE.sub(r"\1", html))


def _pictures() -> dict[str, str]:
    """Pictures beside the outside pages, by their path from the root -> their path in the site."""
    found = {}
    for source, target in PICTURES.items():
        for file in sorted((ROOT / source).rglob("*")):
            if file.suffix in (".svg", ".png"):
                found[file.relative_to(ROOT).as_posix()] = f"{target}/{file.relative_to(ROOT / source).as_posix()}"
    return found


def _places(files: Files) -> dict[str, str]:
    """Path in the site -> path from the repository's root, of every file of the site."""
    outside = {target: source for source, target in {**OUTSIDE, **_pictures()}.items()}
    return {file.src_uri: outside.get(file.src_uri, f"docs/{file.src_uri}") for file in files}
