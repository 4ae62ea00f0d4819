# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.common.errors import DataError, Problem
from hpt.data.checks import BATCH_ROWS, check_file, check_files, solution_text

PROMPT = [{"role": "user", "content": "What is 1+1?"}]


def good_row(**changes) -> dict:
    row = {
        "prompt": PROMPT,
        "data_source": "sums",
        "reward_model": {"ground_truth": "2", "style": "rule"},
        "target": "It is 2.",
    }
    return row | changes


def write(tmp_path, rows, name="questions.parquet", schema=None, **options) -> str:
    path = str(tmp_path / name)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, **options)
    return path


def reasons(report) -> list[str]:
    return [str(problem) for problem in report.problems]


def without(*columns) -> dict:
    return {key: value for key, value in good_row().items() if key not in columns}


# Good files


def test_good_file(tmp_path):
    path = write(tmp_path, [good_row(), good_row(extra_info={"index": 1})])
    report = check_file(path)
    assert (report.path, report.rows, report.with_target) == (path, 2, 2)
    assert report.problems == ()


def test_targets_null_empty_or_white_space_are_questions_without_demonstration(tmp_path):
    path = write(tmp_path, [good_row(target=t) for t in ("yes", None, "", " \n", "too")])
    report = check_file(path, require_target=True)
    assert (report.rows, report.with_target, report.problems) == (5, 2, ())


def test_target_as_messages(tmp_path):
    def message(text, role="assistant"):
        return {"role": role, "content": text}

    targets = [[message("a")], [], None, [message("")], [message("q", "user"), message("b")]]
    report = check_file(write(tmp_path, [good_row(target=t) for t in targets]))
    assert (report.rows, report.with_target, report.problems) == (5, 2, ())


def test_absent_target_column_is_fine_unless_required(tmp_path):
    path = write(tmp_path, [without("target")] * 3)
    report = check_file(path)
    assert (report.rows, report.with_target, report.problems) == (3, 0, ())
    (reason,) = reasons(check_file(path, require_target=True))
    assert reason.startswith(f"{path}: has no column 'target'; its columns are prompt, data_source")


def test_required_target_wants_at_least_one(tmp_path):
    path = write(tmp_path, [good_row(target="")] * 2)
    assert check_file(path).problems == ()
    assert reasons(check_file(path, require_target=True)) == [f"{path}: no row has a demonstration in column 'target'"]


def test_other_column_names(tmp_path):
    row = without("prompt", "target") | {"question": PROMPT, "solution": "2"}
    report = check_file(write(tmp_path, [row]), prompt_key="question", target_key="solution")
    assert (report.with_target, report.problems) == (1, ())


def test_answers_may_be_absent_on_request(tmp_path):
    path = write(tmp_path, [without("reward_model")])
    assert check_file(path, require_answer=False).problems == ()
    assert "has no column 'reward_model'" in reasons(check_file(path))[0]


# Bad files


def test_missing_file(tmp_path):
    path = str(tmp_path / "nowhere.parquet")
    report = check_file(path)
    assert reasons(report) == [f"{path}: does not exist"]
    assert (report.rows, report.with_target) == (0, 0)


def test_directory(tmp_path):
    (tmp_path / "folder.parquet").mkdir()
    assert reasons(check_file(tmp_path / "folder.parquet"))[0].endswith("is not a file")


@pytest.mark.parametrize("name", ["questions.json", "questions.jsonl", "questions.csv"])
def test_other_formats_are_refused(tmp_path, name):
    (tmp_path / name).write_text(json.dumps(good_row()))
    (reason,) = reasons(check_file(tmp_path / name))
    assert name in reason and "only parquet is supported" in reason


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_truncated_file(tmp_path, kept):
    whole = Path(write(tmp_path, [good_row()] * 50)).read_bytes()
    path = tmp_path / "half.parquet"
    path.write_bytes(whole[: int(len(whole) * kept)])
    (reason,) = reasons(check_file(path))
    assert reason.startswith(f"{path}: cannot be read as parquet, it may be truncated")
    assert "\n" not in reason


def test_damage_in_the_middle(tmp_path):
    path = Path(write(tmp_path, [good_row(target=f"{i}" * 50) for i in range(500)]))
    damaged = bytearray(path.read_bytes())
    damaged[4:2000] = b"\xff" * 1996
    path.write_bytes(damaged)
    assert "cannot be read as parquet" in reasons(check_file(path))[-1]


def test_not_parquet_at_all(tmp_path):
    path = tmp_path / "text.parquet"
    path.write_text("prompt,target\n" * 10)
    assert "cannot be read as parquet" in reasons(check_file(path))[0]


def test_no_rows(tmp_path):
    schema = pa.Table.from_pylist([good_row()]).schema
    path = write(tmp_path, [], schema=schema)
    assert reasons(check_file(path)) == [f"{path}: has 0 rows, expected at least one question"]


@pytest.mark.parametrize("column", ["prompt", "data_source", "reward_model"])
def test_missing_column(tmp_path, column):
    path = write(tmp_path, [without(column)] * 2)
    (reason,) = reasons(check_file(path))  # the file once, not each of its rows
    assert reason.startswith(f"{path}: has no column {column!r}; its columns are ")


def test_no_column_of_ours(tmp_path):
    report = check_file(write(tmp_path, [{"question": "1+1", "answer": "2"}] * 2))
    assert report.rows == 2
    assert len(report.problems) == 3
    assert "its columns are question, answer" in reasons(report)[0]


@pytest.mark.parametrize("value", ["2", {"style": "rule"}])
def test_reward_model_without_ground_truth(tmp_path, value):
    (reason,) = reasons(check_file(write(tmp_path, [good_row(reward_model=value)] * 2)))
    assert "column 'reward_model' is " in reason
    assert "expected a struct with a field 'ground_truth'" in reason


def test_columns_of_one_name_and_extra_info_that_is_text(tmp_path):
    table = pa.Table.from_pylist([good_row()])
    for column in ("target", "other", "other", "data_source"):
        table = table.append_column(column, [["x"]])
    table = table.append_column("extra_info", [["{}"]])
    pq.write_table(table, tmp_path / "twice.parquet")
    found = reasons(check_file(tmp_path / "twice.parquet", require_target=True))
    assert [reason.rpartition("parquet: ")[2] for reason in found] == [
        "has more than one column 'data_source'",
        "has more than one column 'other'",
        "has more than one column 'target'",
        "column 'extra_info' is string, expected a struct",
    ]


# Bad rows


def bad_row(tmp_path, **changes) -> str:
    """The problem of a file in which all rows are like this, without file and row."""
    path = write(tmp_path, [good_row(**changes)])
    (reason,) = reasons(check_file(path))
    prefix = f"{path}, row 0: "
    assert reason.startswith(prefix)
    return reason.removeprefix(prefix)


def test_plain_text_prompt(tmp_path):
    reason = bad_row(tmp_path, prompt="What is 1+1?")
    assert reason.startswith("prompt is plain text, expected a list of messages")


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ([], "prompt is empty, expected at least one message"),
        (None, "prompt is null, expected a list of messages"),
        (7, "prompt is of type int, expected a list of messages"),
        (["What is 1+1?"], "prompt: expected messages with role and content, got plain text"),
        ([{"role": "user"}], "prompt: expected messages with role and content, got one with role"),
        ([{"role": "user", "content": " "}], "prompt: content of the 'user' message is empty"),
        ([{"role": "user", "content": None}], "prompt: content of the 'user' message is null"),
        ([{"role": "", "content": "What?"}], "prompt: role of a message is empty"),
        ([*PROMPT, {"role": "user", "content": ""}], "prompt: content of the 'user' message is"),
        ([{"role": "human", "content": "What?"}], "prompt has no message of the role 'user', only 'human'"),
    ],
)
def test_bad_prompt(tmp_path, prompt, reason):
    assert bad_row(tmp_path, prompt=prompt).startswith(reason)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"ground_truth": ""}, "ground_truth is empty"),
        ({"ground_truth": 42}, "ground_truth is of type int, expected text"),
        ({"ground_truth": ["42"]}, "ground_truth is of type list, expected text"),
        ({"ground_truth": None}, "ground_truth is null, expected text"),
    ],
)
def test_bad_ground_truth(tmp_path, answer, reason):
    assert bad_row(tmp_path, reward_model=answer) == reason


def test_null_reward_model_in_one_row(tmp_path):
    path = write(tmp_path, [good_row(), good_row(reward_model=None)])
    assert reasons(check_file(path)) == [f"{path}, row 1: ground_truth is null, expected text"]


def test_data_source_without_text(tmp_path):
    assert bad_row(tmp_path, data_source=None) == "data_source is null, expected text"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (42, "target is of type int, expected text or a list of {role, content} messages"),
        ({"role": "assistant", "content": "2"}, "target is of type dict, expected text or a list"),
        (["2"], "target: expected messages with role and content, got plain text"),
        ([{"role": "user", "content": "2"}], "target has 0 assistant messages, expected exactly"),
        ([{"role": "assistant", "content": "2"}] * 2, "target has 2 assistant messages, expected"),
        ([{"role": "assistant", "content": 2}], "target is of type int, expected text"),
    ],
)
def test_bad_target(tmp_path, target, reason):
    assert bad_row(tmp_path, target=target).startswith(reason)
    with pytest.raises(ValueError) as error:
        solution_text(target)
    assert str(error.value).startswith(reason)


def test_rows_are_numbered_through_row_groups_and_batches(tmp_path):
    rows = [good_row() for _ in range(2 * BATCH_ROWS + 10)]
    bad = [3, BATCH_ROWS - 1, BATCH_ROWS, 2 * BATCH_ROWS + 9]
    for row in bad:
        rows[row]["prompt"] = []
    report = check_file(write(tmp_path, rows, row_group_size=100))
    assert [problem.row for problem in report.problems] == bad
    assert report.rows == len(rows)
    assert report.with_target == len(rows)


def test_one_row_may_have_several_problems(tmp_path):
    path = write(tmp_path, [good_row(prompt=[], reward_model={"ground_truth": ""}, target=1)])
    assert [problem.row for problem in check_file(path).problems] == [0, 0, 0]


# Several files, and the error


def test_check_files_returns_reports(tmp_path):
    first = write(tmp_path, [good_row()], "a.parquet")
    second = write(tmp_path, [good_row(), good_row(target=None)], "b.parquet")
    reports = check_files([first, Path(second)])
    assert [(report.rows, report.with_target) for report in reports] == [(1, 1), (2, 1)]
    assert check_files(first) == reports[:1]


def test_check_files_raises_for_all_files_at_once(tmp_path):
    good = write(tmp_path, [good_row()], "good.parquet")
    bad = write(tmp_path, [good_row(), good_row(prompt=[])], "bad.parquet")
    missing = str(tmp_path / "missing.parquet")
    with pytest.raises(DataError) as error:
        check_files([good, bad, missing])
    message = str(error.value)
    assert message.startswith("2 problems in the data")
    assert f"{bad}, row 1: prompt is empty" in message
    assert f"{missing}: does not exist" in message
    assert good not in message
    assert "Correct or remove them and write the files again." in message
    assert isinstance(error.value, ValueError)


def test_check_files_passes_its_options_on(tmp_path):
    path = write(tmp_path, [without("reward_model", "target") | {"gold": "2"}])
    with pytest.raises(DataError, match="no column 'reward_model'"):
        check_files(path)
    with pytest.raises(DataError, match="no column 'target'"):
        check_files(path, require_target=True, require_answer=False)
    (report,) = check_files(path, target_key="gold", require_target=True, require_answer=False)
    assert report.with_target == 1
    with pytest.raises(DataError, match="no column 'question'"):
        check_files(path, prompt_key="question", require_answer=False)


def test_check_files_wants_files():
    with pytest.raises(ValueError, match="expected at least one parquet file"):
        check_files([])


def test_error_shows_ten_problems_and_counts_the_rest(tmp_path):
    path = write(tmp_path, [good_row(prompt="plain")] * 13)
    with pytest.raises(DataError) as error:
        check_files(path)
    lines = str(error.value).splitlines()
    assert lines[0].startswith("13 problems")
    assert lines[10].startswith(f"  {path}, row 9: ")
    assert lines[11] == "  ... and 3 more"
    assert len(lines) == 13
    assert len(error.value.problems) == 13


def test_error_survives_pickling():
    # Ray sends a worker's exception to the driver this way.
    error = DataError([Problem("a.parquet", 3, "is bad")], "Correct it.")
    copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == str(error)
    assert "1 problem in the data" in str(error)
    assert copied.problems == error.problems


def test_home_directory(tmp_path, monkeypatch):
    write(tmp_path, [good_row()])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_file("~/questions.parquet").rows == 1


def test_needs_neither_torch_nor_ray_nor_verl():
    code = (
        "import sys, hpt.data.checks; "
        "print({'torch', 'ray', 'verl', 'pandas', 'datasets', 'transformers'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
