# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The Python code of the pages runs as it stands, and prints what the pages say."""

import contextlib
import io
import re

import pyarrow.parquet as pq
import pytest

from hpt.data.checks import check_files
from tests.unit.docs.pages import BLOCK, ROOT

RUN = ("docs/tutorial.md", "docs/guides/verifier.md")


@pytest.mark.parametrize("page", RUN)
def test_the_code_of_a_page_prints_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope: dict = {"__name__": "page"}
    printed, compared = "", 0
    for language, body in BLOCK.findall((ROOT / page).read_text()):
        if language == "python":
            assert not printed, f"{page} does not show what this prints: {printed}"
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(body, page, "exec"), scope)
            printed = output.getvalue()
        elif language == "text" and printed:
            assert printed == body
            printed, compared = "", compared + 1
    assert compared


def test_the_file_of_the_tutorial_passes_the_checks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "tutorial.md").read_text()
    (block,) = [body for language, body in BLOCK.findall(text) if language == "python" and "write_table" in body]
    exec(compile(block, "tutorial", "exec"), {})
    assert pq.read_table("data/sums.parquet").num_rows == 3
    assert re.search(r"data/sums\.parquet", text)
    check_files(["data/sums.parquet"])
