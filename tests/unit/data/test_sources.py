# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.common.errors import SourceError
from hpt.data.sources import open_source

ROWS = [
    {"prompt": "What is 1+1?", "answer": "2", "n": [1, 2]},
    {"prompt": "¿Qué es $x$?", "answer": "x", "n": []},
]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def write(path, rows=ROWS):
    if path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def refused(location, **options) -> str:
    with pytest.raises(SourceError) as error:
        list(open_source(str(location), **options).rows())
    return str(error.value)


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.parquet"])
def test_formats(tmp_path, name):
    source = open_source(write(tmp_path / name))
    assert (source.count, source.columns) == (2, {"prompt", "answer", "n"})
    assert list(source.rows()) == list(source.rows()) == ROWS
    assert source.description["file"] == name and len(source.description["sha256"]) == 64
    assert [row["answer"] for row in source.rows(["answer"])] == ["2", "x"]


def test_a_folder_is_read_by_datasets(tmp_path):
    folder = tmp_path / "copy"
    (folder / "data").mkdir(parents=True)
    write(folder / "data" / "test-00000-of-00002.parquet", ROWS[:1])
    write(folder / "data" / "test-00001-of-00002.parquet", ROWS[1:])
    # The hub's config name is ignored, and the only split is used.
    for options in ({"split": "test"}, {"split": "train", "config": "main"}):
        source = open_source(str(folder), **options)
        assert list(source.rows()) == ROWS and source.count == 2
        assert list(source.rows(["answer"])) == [{"answer": "2"}, {"answer": "x"}]
        assert source.description["split"] == "test" and source.description["config"] is None
    write(folder / "data" / "train-00000-of-00001.parquet", ROWS[:1])
    assert open_source(str(folder), split="train").count == 1
    assert "its splits are" in refused(folder, split="dev")


def test_a_folder_of_prepared_files_is_not_one_dataset(tmp_path):
    for name in ("math500.parquet", "aime24.parquet"):
        write(tmp_path / name)
        (tmp_path / f"{name}.manifest.json").write_text("{}")
    message = refused(tmp_path)
    assert message.startswith(f"got the folder {tmp_path}, which holds files with manifests")
    assert "(aime24.parquet, math500.parquet); expected the copy of one dataset" in message
    assert open_source(str(tmp_path / "math500.parquet")).count == 2


def test_a_folders_digest_follows_its_files(tmp_path):
    digests = []
    for name, rows in (("a", ROWS), ("b", ROWS), ("c", ROWS[:1])):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "x.jsonl", rows)
        (tmp_path / name / ".cache").write_text(name)
        digests.append(open_source(str(tmp_path / name)).description["sha256"])
    assert digests[0] == digests[1] != digests[2]


def test_an_empty_folder(tmp_path):
    assert "cannot read the dataset" in refused(tmp_path)


@pytest.mark.parametrize(
    "location",
    ["no.json", "no/such.parquet", "/nowhere", "./nowhere", "nowhere", "a/b/c", "~nobody/x"],
)
def test_what_is_not_there(tmp_path, monkeypatch, location):
    monkeypatch.chdir(tmp_path)
    assert f"{location} does not exist" in refused(location)


def test_a_hub_that_cannot_be_reached(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = refused("owner/name")
    assert message.startswith("cannot read the dataset owner/name: ")
    assert "give its local path" in message


def test_a_revision_is_for_the_hub(tmp_path):
    assert "leave it out" in refused(write(tmp_path / "rows.json"), revision="main")
    assert "leave it out" in refused(tmp_path, revision="main")


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.parquet"])
def test_empty_file(tmp_path, name):
    (tmp_path / name).write_text("")
    assert refused(tmp_path / name) == f"{tmp_path / name} is empty; expected at least one row"


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_no_rows(tmp_path, name):
    (tmp_path / name).write_text("[]" if name.endswith("json") else "\n\n")
    assert "has no rows" in refused(tmp_path / name)


def test_parquet_without_rows(tmp_path):
    pq.write_table(pa.table({"prompt": pa.array([], pa.string())}), tmp_path / "x.parquet")
    assert "has no rows" in refused(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.parquet"])
@pytest.mark.parametrize("kept", [0.31, 0.64, 0.955])
def test_truncated(tmp_path, name, kept):
    path = tmp_path / name
    whole = (write(path, ROWS * 30), path.read_bytes())[1]
    path.write_bytes(whole[: int(len(whole) * kept)])
    message = refused(path)
    assert name in message and "it may be truncated" in message
    if name == "rows.jsonl":
        assert ", line " in message


def test_damage_inside_parquet_is_found_while_reading(tmp_path):
    path = tmp_path / "rows.parquet"
    table = pa.Table.from_pylist([{"prompt": f"{i} " * 50} for i in range(2000)])
    pq.write_table(table, path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[100:1100] = bytes(1000)
    path.write_bytes(content)
    assert "it may be truncated" in refused(path)


@pytest.mark.parametrize(
    "name, content, part",
    [
        ("x.json", '{"prompt": 1}', "expected a list of objects"),
        ("x.json", '[{"a": 1}, 5]', "row 1: expected a JSON object, got int"),
        ("x.jsonl", '{"a": 1}\n[1]\n', "line 2: expected a JSON object, got list"),
        ("x.csv", "a,b\n1,2\n", "convert it"),
        ("x.json", b"\xff\xfe[", "cannot be read as JSON"),
        ("x.parquet", "not parquet", "cannot be read as parquet"),
    ],
)
def test_other_content(tmp_path, name, content, part):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert part in refused(path)


def test_required_columns(tmp_path):
    source = open_source(write(tmp_path / "rows.json"))
    source.require(["prompt"])
    with pytest.raises(SourceError, match="has no column target; its columns are answer, n, prompt"):
        source.require(["prompt", "target"])
