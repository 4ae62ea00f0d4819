# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The site builds with warnings as errors, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys

import pytest

from tests.unit.docs.pages import ROOT

# What a browser loads by itself. A link that a reader may click is not among them.
LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?(https?:)?//[^\"'> ]+", re.I)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; without a network, a build that asks for one would fail or hang."""
    folder = tmp_path_factory.mktemp("site")
    environment = {
        **os.environ,
        "NO_MKDOCS_2_WARNING": "1",
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-m", "mkdocs", "-q", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_in_the_site(site):
    sources = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    assert sources <= built


def test_every_picture_of_a_page_is_shown(site):
    shown = {}
    for source in (ROOT / "docs").rglob("*.md"):
        page = (site / source.relative_to(ROOT / "docs")).with_suffix(".html")
        pictures = re.findall(r'<img [^>]*src="([^"]+)"', page.read_text())
        assert all((page.parent / picture).is_file() for picture in pictures), page
        shown[page.stem] = len(pictures)
        assert len(pictures) == source.read_text().count("\n!["), page
    assert shown["map"] > 1


def test_a_figure_of_a_table_is_not_broken_before_its_error(site):
    page = (site / "results" / "map.html").read_text()
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    figures = [cell for cell in cells if re.match(r"[+-]?\d\.\d{3}\W", cell)]
    assert len(figures) > 50 and not any(" " in cell for cell in figures)


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.rglob("*.html"):
        assert not LOADED.search(page.read_text()), page
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", style.read_text()), style


def test_the_api_has_signatures_and_no_leftovers(site):
    text = (site / "reference" / "api.html").read_text()
    for name in ("hpt.method.gate.switch", "hpt.method.routing.route", "hpt.verifier.pool.VerifierPool"):
        assert f'id="{name}"' in text, name
    assert ":func:" not in text and ":class:" not in text and ":mod:" not in text
