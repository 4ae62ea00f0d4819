# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter

import pyarrow.parquet as pq
import pytest

from hpt.common.errors import DataError, SourceError
from hpt.data.benchmark_files import Settings, write_benchmark
from hpt.data.benchmarks import BENCHMARKS, benchmark_of
from hpt.data.checks import check_files
from hpt.data.choices import INSTRUCTION, letter_of, shuffled, with_choices
from hpt.data.sources import open_source
from hpt.data.writing import read_manifest

# Rows as the hub has them, made up but for their columns.
HUB_ROWS = {
    "aime24": {"id": 60, "problem": "One?", "solution": "s", "answer": "204", "year": "2024"},
    "aime25": {"id": "0", "problem": "Two?", "answer": "70"},
    "amc23": {"id": 0, "question": "Three?", "answer": 27.0},
    "math500": {
        "problem": "Four?",
        "solution": "s",
        "answer": r"\frac{1}{2}",
        "subject": "Algebra",
        "level": 3,
        "unique_id": "test/algebra/1.json",
    },
    "minerva": {"question": "Five?", "answer": "4.5e33"},
    "olympiadbench": {
        "id": 1606,
        "question": "Six?",
        "final_answer": ["$2$"],
        "is_multiple_answer": False,
        "unit": None,
        "answer_type": "Numerical",
        "subfield": "Algebra",
    },
    "arc_c": {
        "id": "Mercury_1",
        "question": "Seven?",
        "choices": {"text": ["p", "q", "r"], "label": ["1", "2", "3"]},
        "answerKey": "3",
    },
    "gpqa": {
        "Question": "Eight?",
        "Correct Answer": "right\n",
        "Incorrect Answer 1": "w1",
        "Incorrect Answer 2": "w2",
        "Incorrect Answer 3": "w3",
        "Record ID": "rec1",
        "Subdomain": "Optics",
    },
    "mmlu_pro": {
        "question_id": 70,
        "question": "Nine?",
        "options": [f"o{i}" for i in range(10)],
        "answer": "I",
        "answer_index": 8,
        "category": "business",
    },
}
CHOICES = {"arc_c", "gpqa", "mmlu_pro"}


def source(tmp_path, rows, name="rows.json"):
    (tmp_path / name).write_text(json.dumps(rows))
    return open_source(str(tmp_path / name))


def write(tmp_path, name, rows, **options):
    out = tmp_path / "out" / f"{name}.parquet"
    settings = Settings(**options)
    counts = write_benchmark(BENCHMARKS[name], source(tmp_path, rows), out, settings, progress=False)
    check_files(out)
    return counts, pq.read_table(out).to_pylist(), read_manifest(out)


def refused(tmp_path, name, rows, **options) -> str:
    with pytest.raises((DataError, SourceError)) as error:
        write(tmp_path, name, rows, **options)
    assert not any((tmp_path / "out").glob("*"))
    return str(error.value)


def test_the_nine_of_the_contract():
    assert list(BENCHMARKS) == list(HUB_ROWS)
    assert {name for name, each in BENCHMARKS.items() if each.kind == "choice"} == CHOICES
    with pytest.raises(ValueError, match=r"Unknown benchmark 'aime26'\. Available: aime24, aime25"):
        benchmark_of("aime26")


@pytest.mark.parametrize("name", HUB_ROWS)
def test_hub_layout(tmp_path, name):
    _, (row,), manifest = write(tmp_path, name, [HUB_ROWS[name]])
    assert row["data_source"] == name and "target" not in row
    assert row["reward_model"]["style"] == "rule"
    info = row["extra_info"]
    assert info["verifier_kind"] == ("choice" if name in CHOICES else "math")
    assert info["index"] == 0 and info["split"] == "test" and info["id"]
    assert manifest["benchmark"] == name and manifest["counts"]["kept"] == 1


@pytest.mark.parametrize(
    "name, question, answer, name_of_question",
    [
        ("aime24", "One?", "204", "60"),
        ("aime25", "Two?", "70", "0"),
        ("amc23", "Three?", "27", "0"),
        ("math500", "Four?", r"\frac{1}{2}", "test/algebra/1.json"),
        ("olympiadbench", "Six?", "$2$", "1606"),
        ("arc_c", f"Seven?\n\nA. p\nB. q\nC. r\n\n{INSTRUCTION}", "C", "Mercury_1"),
    ],
)
def test_question_answer_and_id(tmp_path, name, question, answer, name_of_question):
    _, (row,), _ = write(tmp_path, name, [HUB_ROWS[name]])
    assert row["prompt"] == [{"role": "user", "content": question}]
    assert row["reward_model"]["ground_truth"] == answer
    assert row["extra_info"]["id"] == name_of_question


def test_levels_and_subjects(tmp_path):
    info = {
        name: write(tmp_path / name, name, [HUB_ROWS[name]])[1][0]["extra_info"]
        for name in ("math500", "gpqa", "mmlu_pro", "aime24")
        if (tmp_path / name).mkdir() is None
    }
    assert (info["math500"]["level"], info["math500"]["subject"]) == ("3", "Algebra")
    assert info["gpqa"]["subject"] == "Optics" and info["mmlu_pro"]["subject"] == "business"
    assert info["aime24"]["level"] is None


def test_an_id_is_made_where_there_is_none(tmp_path):
    _, rows, _ = write(tmp_path, "minerva", [HUB_ROWS["minerva"], HUB_ROWS["minerva"] | {"question": "X?"}])
    ids = [row["extra_info"]["id"] for row in rows]
    assert len(set(ids)) == 2 and all(len(each) == 16 for each in ids)


def test_several_final_answers_become_a_list(tmp_path):
    row = HUB_ROWS["olympiadbench"] | {"final_answer": ["$-1$", r"$\frac{1}{2}$"]}
    _, (written,), _ = write(tmp_path, "olympiadbench", [row])
    assert written["reward_model"]["ground_truth"] == r"-1, \frac{1}{2}"


def test_arc_labels_may_be_letters_or_digits(tmp_path):
    letters = HUB_ROWS["arc_c"] | {
        "choices": {"text": ["p", "q", "r", "s"], "label": ["A", "B", "C", "D"]},
        "answerKey": "B",
    }
    _, rows, _ = write(tmp_path, "arc_c", [letters, HUB_ROWS["arc_c"] | {"id": "other"}])
    assert [row["reward_model"]["ground_truth"] for row in rows] == ["B", "C"]


def test_gpqa_choices_are_shuffled_by_the_records_id(tmp_path):
    records = [HUB_ROWS["gpqa"] | {"Record ID": f"rec{i}"} for i in range(200)]
    _, rows, _ = write(tmp_path, "gpqa", records)
    letters = [row["reward_model"]["ground_truth"] for row in rows]
    for row, letter in zip(rows, letters, strict=True):
        lines = row["prompt"][0]["content"].split("\n")
        assert f"{letter}. right" in lines
        assert sorted(line[3:] for line in lines if line[1:3] == ". ") == [
            "right",
            "w1",
            "w2",
            "w3",
        ]
    # Each letter is expected 50 times of 200; 25 is four standard deviations away.
    assert set(Counter(letters)) == set("ABCD") and min(Counter(letters).values()) > 25
    # The order depends on the id only, not on the order of the source.
    (tmp_path / "again").mkdir()
    _, again, _ = write(tmp_path / "again", "gpqa", records[::-1])
    assert [row["prompt"] for row in again[::-1]] == [row["prompt"] for row in rows]


def test_mmlu_pro_has_up_to_ten_options(tmp_path):
    _, (row,), _ = write(tmp_path, "mmlu_pro", [HUB_ROWS["mmlu_pro"]])
    assert "\nJ. o9\n" in row["prompt"][0]["content"]
    assert row["reward_model"]["ground_truth"] == "I"


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_simple_layout(tmp_path, name):
    rows = [
        {"prompt": "What is 1+1?", "answer": r"\boxed{2}", "source": "s", "id": "a", "level": 1},
        {"prompt": "What is 2+2?", "answer": 4},
    ]
    text = json.dumps(rows) if name.endswith("json") else "\n".join(map(json.dumps, rows))
    (tmp_path / name).write_text(text)
    out = tmp_path / "x.parquet"
    write_benchmark(BENCHMARKS["math500"], open_source(str(tmp_path / name)), out, Settings(), progress=False)
    first, second = pq.read_table(out).to_pylist()
    assert first["prompt"][0]["content"] == "What is 1+1?"
    assert first["extra_info"] | {"index": 0} == {
        "index": 0,
        "split": "test",
        "id": "a",
        "verifier_kind": "math",
        "level": "1",
        "subject": None,
        "source": "s",
    }
    assert second["reward_model"]["ground_truth"] == "4" and second["extra_info"]["id"]


def test_a_size_that_differs_from_the_published_set_is_reported(tmp_path):
    counts, _, _ = write(tmp_path, "aime25", [HUB_ROWS["aime25"]])
    assert counts.remarks == ["The published set has 30 questions, this file 1."]


def test_instruction(tmp_path):
    def text(name, **options):
        (tmp_path / name).mkdir(exist_ok=True)
        out = tmp_path / name / "out"
        for file in out.glob("*"):
            file.unlink()
        return write(tmp_path / name, name, [HUB_ROWS[name]], **options)[1][0]["prompt"][0]["content"]

    assert text("aime25", instruction="Think. ") == "Two?\n\nThink."
    assert text("aime25") == "Two?"
    assert text("arc_c", instruction="") == "Seven?\n\nA. p\nB. q\nC. r"
    assert text("arc_c", instruction="Pick.").endswith("C. r\n\nPick.")


# ---- bad input ----


@pytest.mark.parametrize(
    "name, change, part",
    [
        ("aime24", {"answer": ""}, "row 0: answer is empty"),
        ("aime24", {"answer": None}, "row 0: answer is null"),
        ("aime24", {"answer": float("nan")}, "row 0: answer is nan"),
        ("aime24", {"problem": "  "}, "row 0: problem is"),
        ("olympiadbench", {"final_answer": []}, "row 0: final_answer is"),
        ("olympiadbench", {"final_answer": None}, "row 0: final_answer is"),
        ("arc_c", {"answerKey": "E"}, "the answer 'E' is not one of the labels 1, 2, 3"),
        ("arc_c", {"answerKey": ""}, "the answer '' is not one of the labels"),
        ("arc_c", {"choices": {"text": ["p"], "label": ["1"]}, "answerKey": "1"}, "got 1 choices"),
        ("arc_c", {"choices": None}, "row 0: "),
        ("gpqa", {"Correct Answer": None}, "row 0: Correct Answer is null"),
        ("mmlu_pro", {"answer": "A"}, "row 0: answer 'A' is not option 8 of 10"),
        ("mmlu_pro", {"options": ["only"], "answer": "A", "answer_index": 0}, "got 1 choices"),
        ("aime24", {"problem": "\ud800?"}, "row 0: text that is no Unicode"),
    ],
)
def test_bad_rows_are_named_and_nothing_is_written(tmp_path, name, change, part):
    good = HUB_ROWS[name]
    message = refused(tmp_path, name, [good | change, good])
    assert part in message and "Nothing was written" in message
    assert "row 1" not in message


def test_a_benchmark_without_answers(tmp_path):
    rows = [{"prompt": f"Question {i}?", "source": "x"} for i in range(3)]
    message = refused(tmp_path, "math500", rows)
    assert "is no source of math500: its columns are prompt, source; expected problem, answer" in message


def test_gold_answers_that_cannot_be_verified(tmp_path):
    rows = [{"prompt": f"Question {i}?", "answer": answer} for i, answer in enumerate(["1", "{", "3"])]
    message = refused(tmp_path, "amc23", rows)
    assert "row 1: gold answer cannot be verified: '{'" in message and "--unverifiable" in message
    counts, written, manifest = write(tmp_path, "amc23", rows, unverifiable="drop")
    assert [row["reward_model"]["ground_truth"] for row in written] == ["1", "3"]
    assert counts.dropped == manifest["counts"]["dropped"] == {"gold answer cannot be verified": 1}
    assert counts.examples[0].startswith("row 1: ")
    (tmp_path / "out" / "amc23.parquet").unlink()
    counts, written, _ = write(tmp_path, "amc23", rows, unverifiable="keep")
    assert len(written) == 3 and sum(counts.notes.values()) == 1


@pytest.mark.parametrize("policy", ["drop", "keep"])
def test_a_benchmark_of_which_nothing_can_be_verified(tmp_path, policy):
    rows = [{"prompt": f"Question {i}?", "answer": "{"} for i in range(3)]
    assert "3 problems" in refused(tmp_path, "amc23", rows, unverifiable=policy)


def test_a_choice_that_is_no_letter_cannot_be_verified(tmp_path):
    rows = [{"prompt": "Which?\nA. p\nB. q", "answer": answer} for answer in ("B", "neither")]
    assert "row 1: gold answer cannot be verified" in refused(tmp_path, "arc_c", rows)


def test_unknown_policy():
    with pytest.raises(ValueError, match="Available: drop, error, keep"):
        Settings(unverifiable="ignore")


def test_existing_output_stays(tmp_path):
    write(tmp_path, "aime25", [HUB_ROWS["aime25"]])
    with pytest.raises(ValueError, match="exists"):
        write(tmp_path, "aime25", [HUB_ROWS["aime25"] | {"answer": "5"}])
    (row,) = pq.read_table(tmp_path / "out" / "aime25.parquet").to_pylist()
    assert row["reward_model"]["ground_truth"] == "70"


# ---- choices ----


def test_choices_as_lines():
    assert with_choices(" Q? ", ["x", " y "]) == "Q?\n\nA. x\nB. y"
    for bad in (["x"], ["x"] * 11, ["x", " "], ["x", None]):
        with pytest.raises(ValueError, match="choice"):
            with_choices("Q?", bad)


def test_letters():
    assert letter_of("B", ["A", "B"]) == "B" and letter_of(2, ["1", "2"]) == "B"
    for labels in (["A", "C"], ["B", "B"]):
        with pytest.raises(ValueError, match="is not one of the labels"):
            letter_of("B", labels)


def test_the_shuffle_is_pinned():
    # Published scores depend on it, and files made earlier must stay comparable.
    assert shuffled("abcd", "rec1") == [2, 3, 1, 0]
    assert shuffled("abcd", "rec2") == [1, 0, 2, 3]
