# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt data contamination``."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hpt.cli import main
from hpt.data.writing import read_manifest
from tests.unit.data.test_contamination import prose, write


def run(capsys, *arguments) -> tuple[int, str, str]:
    status = main(["data", "contamination", "--no-progress", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.fixture
def files(tmp_path):
    shared = [prose(i, 30) for i in range(3)]
    train = write(tmp_path, "train", [prose(9, 30), shared[0], shared[0] + " more", shared[1], "x"])
    return {
        "train": train,
        "aime": write(tmp_path, "aime", [shared[0], prose(8, 30)]),
        "amc": write(tmp_path, "amc", [shared[1]]),
    }


def test_report_and_filter(files, tmp_path, capsys):
    report, clean = tmp_path / "out" / "report.json", tmp_path / "out" / "clean.parquet"
    status, out, err = run(
        capsys,
        files["train"],
        "--against",
        files["aime"],
        files["amc"],
        "--report",
        report,
        "--write",
        clean,
    )
    assert (status, err) == (0, "")
    assert "3 of 5 training questions overlap" in out
    record = json.loads(report.read_text())
    assert record["benchmarks"] == {
        "aime": {"questions": 2, "met": 1, "by": 2},
        "amc": {"questions": 1, "met": 1, "by": 1},
    }
    assert (record["questions"], record["overlapping"]) == (5, 3)
    assert [each["row"] for each in record["overlaps"]] == [1, 2, 3]
    assert record["overlaps"][0]["question"]["id"] == "aime/0"
    before, after = pq.read_table(files["train"]), pq.read_table(clean)
    assert after.schema.equals(before.schema) and after.equals(before.take([0, 4]))
    manifest = read_manifest(clean)
    assert manifest["counts"]["dropped"] == {"overlaps with a benchmark": 3}
    assert set(manifest["settings"]["against"]) == {"aime.parquet", "amc.parquet"}
    # What is left is clean.
    status, out, _ = run(capsys, clean, "--against", files["aime"], files["amc"])
    assert status == 0 and "0 of 2 training questions overlap" in out


def test_nothing_is_overwritten(files, tmp_path, capsys):
    taken = tmp_path / "taken.parquet"
    taken.write_text("x")
    for option in ("--write", "--report"):
        status, _, err = run(capsys, files["train"], "--against", files["aime"], option, taken)
        assert status == 2 and "exists" in err and taken.read_text() == "x"
        for name in ("train", "aime"):
            before = Path(files[name]).read_bytes()
            status, _, err = run(capsys, files["train"], "--against", files["aime"], option, files[name], "--overwrite")
            assert status == 2 and f"got {option}" in err and "is an input" in err
            assert Path(files[name]).read_bytes() == before


@pytest.mark.parametrize(("report", "what"), [("clean.parquet", "which is --write, too"), (".", "which is a folder")])
def test_a_report_has_a_file_of_its_own(files, tmp_path, capsys, report, what):
    options = ("--overwrite", "--write", tmp_path / "clean.parquet", "--report", tmp_path / report)
    status, out, err = run(capsys, files["train"], "--against", files["aime"], *options)
    assert (status, out) == (2, "") and what in err and not (tmp_path / "clean.parquet").exists()


def test_nothing_left(files, tmp_path, capsys):
    clean = tmp_path / "clean.parquet"
    status, _, err = run(capsys, files["amc"], "--against", files["train"], "--write", clean)
    assert status == 2 and "every question" in err and not clean.exists()


@pytest.mark.parametrize("which", ["train", "aime"])
@pytest.mark.parametrize("content", [None, b"", b"x"])
def test_bad_files(files, tmp_path, capsys, which, content):
    bad = tmp_path / "bad.parquet"
    if content is not None:
        bad.write_bytes(content)
    files[which] = bad
    status, _, err = run(capsys, files["train"], "--against", files["aime"])
    assert status == 2 and "bad.parquet: " in err and "Traceback" not in err


def test_two_benchmarks_of_one_name(files, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    same = write(tmp_path / "other", "aime", ["x"])
    status, _, err = run(capsys, files["train"], "--against", files["aime"], same)
    assert status == 2 and "different names" in err
