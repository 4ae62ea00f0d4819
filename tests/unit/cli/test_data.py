# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.cli import main
from hpt.common.digests import file_sha256
from hpt.data.inspection import inspect_file
from recipe.hpt.reproduction.task.questions import write_task

ROOT = Path(__file__).parents[3]


def row(index=0, answer="2", **changes) -> dict:
    good = {
        "prompt": [{"role": "user", "content": f"What is {index}?"}],
        "data_source": "math500",
        "reward_model": {"style": "rule", "ground_truth": answer},
        "extra_info": {"index": index, "id": f"q{index}", "verifier_kind": "math"},
        "target": "It is.",
    }
    return {key: value for key, value in (good | changes).items() if value != "absent"}


def write(tmp_path, rows, name="x.parquet", **options) -> str:
    pq.write_table(pa.Table.from_pylist(rows, **options), tmp_path / name)
    return str(tmp_path / name)


def check(capsys, *arguments) -> tuple[int, str, str]:
    status = main(["data", "check", "--no-progress", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_good_files_and_their_summary(tmp_path, capsys):
    train = write(tmp_path, [row(0), row(1, target=None)])
    evaluation = write(tmp_path, [row(i, "1234", target="absent") for i in range(3)], "y.parquet")
    status, out, err = check(capsys, train, evaluation)
    assert (status, err) == (0, "")
    (of_train,) = [line.split() for line in out.splitlines() if train in line]
    (of_evaluation,) = [line.split() for line in out.splitlines() if evaluation in line]
    assert of_train[:6] == [train, "train", "math500", "2", "math", "2"]
    assert of_train[-3:] == ["2", "1", "0"]
    assert of_evaluation[1] == "eval" and of_evaluation[-3:] == ["3", "0", "0"]
    assert of_evaluation[11:16] == ["4", "/", "4", "/", "4"]


def test_the_built_in_task_is_good(tmp_path, capsys):
    status, _, err = check(capsys, *write_task(tmp_path, train_size=20, val_per_level=2))
    assert (status, err) == (0, "")


def test_lengths_are_smallest_median_largest(tmp_path):
    rows = [row(i, answer=answer) for i, answer in enumerate(["1", "123", "12345"])]
    assert str(inspect_file(write(tmp_path, rows), progress=False).answers) == "1 / 3 / 5"


@pytest.mark.parametrize(
    "rows, options, part",
    [
        ([row(0), row(1, "{")], (), "row 1: the gold answer '{' cannot be verified"),
        ([row(0), row(0)], (), "row 1: id 'q0' is that of row 0, too"),
        ([row(0, extra_info={"verifier_kind": "code"})], (), "row 0: unknown verifier_kind 'code'"),
        ([row(0), row(1, " ")], (), "row 1: ground_truth is empty"),
        ([row(0), row(1, None)], (), "row 1: ground_truth is null"),
        ([row(0, reward_model="absent")], (), "has no column 'reward_model'"),
        (
            [row(0, reward_model={"style": "rule"})],
            (),
            "expected a struct with a field 'ground_truth'",
        ),
        ([row(0, target="absent")], ("--kind", "train"), "has no column 'target'"),
        ([row(0, target=None)], (), "no row has a demonstration"),
        ([row(0, prompt="What?")], (), "row 0: prompt is plain text"),
        ([row(0, data_source=None)], (), "row 0: data_source is null"),
    ],
)
def test_bad_rows(tmp_path, capsys, rows, options, part):
    schema = None
    if rows[0].get("target", "") is None:
        schema = pa.Table.from_pylist([row(0)]).schema
    path = write(tmp_path, rows, schema=schema)
    before = file_sha256(Path(path))
    status, out, err = check(capsys, path, *options)
    assert status == 2 and path in out
    assert err.startswith("error: ") and part in err and "Traceback" not in err
    assert file_sha256(Path(path)) == before and len(list(tmp_path.iterdir())) == 1


def test_eval_takes_no_notice_of_solutions(tmp_path, capsys):
    path = write(tmp_path, [row(0, target=" ")])
    assert check(capsys, path)[0] == 2
    assert check(capsys, path, "--kind", "eval")[0] == 0


def test_no_gold_asks_no_verifier(tmp_path, capsys):
    path = write(tmp_path, [row(0, "{")])
    assert check(capsys, path)[0] == 2
    assert check(capsys, path, "--no-gold")[0] == 0


@pytest.mark.parametrize(
    "name, content, part",
    [
        ("empty.parquet", b"", "cannot be read as parquet"),
        ("text.parquet", b"no parquet", "cannot be read as parquet"),
        ("rows.jsonl", b"{}\n", "only parquet is supported"),
        ("missing.parquet", None, "does not exist"),
    ],
)
def test_bad_files_beside_a_good_one(tmp_path, capsys, name, content, part):
    good = write(tmp_path, [row(0)], "good.parquet")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    status, out, err = check(capsys, tmp_path / name, good)
    assert status == 2 and good in out
    assert err.count("error: ") == 1 and part in err and name in err
    assert "rows are counted" not in err
    # A file without rows gets no advice on rows.
    assert ("Each row needs" in err) == (part == "cannot be read as parquet")
    assert ("correct the paths" in err) == (part != "cannot be read as parquet")


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated(tmp_path, capsys, kept):
    path = Path(write(tmp_path, [row(i) for i in range(50)]))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    status, _, err = check(capsys, path)
    assert status == 2 and "it may be truncated" in err


def test_no_rows(tmp_path, capsys):
    path = write(tmp_path, [], schema=pa.Table.from_pylist([row(0)]).schema)
    status, _, err = check(capsys, path)
    assert status == 2 and "has 0 rows" in err


def test_a_file_that_is_not_its_manifests(tmp_path, capsys):
    path = Path(write(tmp_path, [row(0)]))
    manifest = tmp_path / "x.parquet.manifest.json"
    manifest.write_text(json.dumps({"sha256": file_sha256(path)}))
    assert check(capsys, path)[0] == 0
    manifest.write_text(json.dumps({"sha256": "0"}))
    status, _, err = check(capsys, path)
    assert status == 2 and "its sha256 differs" in err
    manifest.write_text("{")
    assert "is not JSON" in check(capsys, path)[2]


def test_as_a_command_without_torch(tmp_path):
    """A data check starts fast: nothing of the training stack is imported."""
    path = write(tmp_path, [row(0)])
    script = (
        "import sys; from hpt.cli import main\n"
        f"status = main(['data', 'check', {path!r}])\n"
        "heavy = {'torch', 'verl', 'ray', 'transformers', 'datasets', 'sympy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    wrong = subprocess.run(
        [sys.executable, "-m", "hpt.data", "check", "nowhere.parquet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert wrong.returncode == 2 and "nowhere.parquet: does not exist" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_demonstrations_that_end_wrong_are_shown_and_left_out(tmp_path, capsys):
    path = write(tmp_path, [row(0, target=r"\boxed{2}"), row(1, target=r"\boxed{3}"), row(2), row(3, target=None)])
    out = tmp_path / "right.parquet"
    assert main(["data", "verify", path, "--write", str(out), "--no-progress"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["accepted", "1"] in lines and ["wrong", "1"] in lines and ["no_answer", "1"] in lines
    assert ["none", "1"] in lines
    assert ["1", "q1", "2", "3", "wrong"] in lines and ["2", "q2", "2", "-", "no_answer"] in lines
    assert ["wrote", str(out)] in lines
    assert [each["target"] is None for each in pq.read_table(out).to_pylist()] == [False, True, True, True]
    assert main(["data", "verify", path, "--write", str(out), "--no-progress"]) == 2
    assert "right.parquet exists; name another file" in capsys.readouterr().err
