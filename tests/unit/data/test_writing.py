# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import json

import pyarrow.parquet as pq
import pytest

from hpt.common.digests import file_sha256
from hpt.data.checks import check_file
from hpt.data.writing import (
    GROUP_ROWS,
    QuestionWriter,
    manifest_path,
    question_schema,
    read_manifest,
)

SCHEMA = question_schema(["level"], with_target=True)


def row(index: int) -> dict:
    return {
        "data_source": "sums",
        "prompt": [{"role": "user", "content": f"What is {index}+1?"}],
        "target": [{"role": "assistant", "content": f"\\boxed{{{index + 1}}}"}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": str(index + 1)},
        "extra_info": {"index": index, "split": "train", "id": str(index), "verifier_kind": "math"},
    }


def write(path, rows, **options):
    with QuestionWriter(path, SCHEMA, **options) as writer:
        for each in rows:
            writer.add(each)
        return writer.finish({"source": {"file": "x"}})


def test_file_and_manifest(tmp_path):
    path = tmp_path / "new" / "x.parquet"
    rows = [row(index) for index in range(GROUP_ROWS + 3)]
    manifest = write(path, rows)
    assert check_file(path).problems == () and pq.read_metadata(path).num_row_groups == 2
    read = pq.read_table(path).to_pylist()
    assert [each["extra_info"]["id"] for each in read] == [str(i) for i in range(GROUP_ROWS + 3)]
    assert read[0]["extra_info"]["level"] is None
    assert read_manifest(path) == manifest
    assert manifest["sha256"] == file_sha256(path) and manifest["source"] == {"file": "x"}
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "x.parquet",
        "x.parquet.manifest.json",
    ]


def test_same_rows_same_bytes(tmp_path):
    rows = [row(index) for index in range(20)]
    for name in ("a", "b"):
        write(tmp_path / name / "x.parquet", rows)
    for name in ("x.parquet", "x.parquet.manifest.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_is_overwritten_unless_asked(tmp_path):
    path = tmp_path / "x.parquet"
    write(path, [row(0)])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="exists; name another file, or write over it with --overwrite"):
        write(path, [row(1)])
    assert path.read_bytes() == before
    write(path, [row(1)], overwrite=True)
    assert path.read_bytes() != before


def test_a_file_made_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "x.parquet"
    with pytest.raises(ValueError, match="exists"), QuestionWriter(path, SCHEMA) as writer:
        writer.add(row(0))
        path.write_text("somebody else's")
        writer.finish({})
    assert [each.name for each in tmp_path.iterdir()] == ["x.parquet"]
    assert path.read_text() == "somebody else's"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_interruption_leaves_what_was_there(tmp_path, error, overwrite):
    path = tmp_path / "x.parquet"
    if overwrite:
        write(path, [row(5)])
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(error), QuestionWriter(path, SCHEMA, overwrite) as writer:
        for index in range(GROUP_ROWS + 1):
            writer.add(row(index))
        raise error
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name, part", [("x.json", "ends in .parquet"), ("d.parquet", "is a folder")])
def test_bad_names(tmp_path, name, part):
    (tmp_path / "d.parquet").mkdir()
    with pytest.raises(ValueError, match=part):
        QuestionWriter(tmp_path / name, SCHEMA, overwrite=True)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_manifest_is_named(tmp_path, text):
    path = tmp_path / "x.parquet"
    assert read_manifest(path) is None
    manifest_path(path).write_text(text)
    with pytest.raises(ValueError, match=r"x\.parquet\.manifest\.json is not"):
        read_manifest(path)


def test_the_manifest_is_plain_json(tmp_path):
    write(tmp_path / "x.parquet", [row(0)])
    assert json.loads(manifest_path(tmp_path / "x.parquet").read_text())["format_version"] == 1
