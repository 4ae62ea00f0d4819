# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import random
import string

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.data.contamination import (
    WHOLE,
    BenchmarkIndex,
    Question,
    Settings,
    find_overlaps,
    load_questions,
)
from hpt.data.questions import words

PHRASE = (
    "The answer can be written as $\\frac{m}{n}$, where $m$ and $n$ are relatively prime positive integers. Find $m+n$."
)


def prose(seed: int, count: int) -> str:
    """Make ``count`` words that occur nowhere else."""
    rng = random.Random(seed)
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=9)) for _ in range(count))


def write(tmp_path, name, questions, **info) -> str:
    rows = [
        {
            "prompt": [
                {"role": "system", "content": PHRASE},
                {"role": "user", "content": question},
            ],
            "data_source": "x",
            "extra_info": {"id": f"{name}/{i}", "level": "1"},
        }
        for i, question in enumerate(questions)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    return str(tmp_path / f"{name}.parquet")


def overlaps(tmp_path, train, benchmark, **settings):
    index = BenchmarkIndex(load_questions(write(tmp_path, "bench", benchmark), "bench"), Settings(**settings))
    path = write(tmp_path, "train", train)
    return find_overlaps(path, index, len(train), progress=False)


def pairs(found) -> list[tuple[int, int]]:
    return [(overlap.row, overlap.question.row) for overlap in found]


def test_planted_overlaps_are_found_and_nothing_else(tmp_path):
    benchmark = [prose(i, 30) for i in range(20)]
    train = [prose(1000 + i, 40) for i in range(50)]
    train[7] = f"{prose(1, 5)} {benchmark[3]} {prose(2, 5)}"
    train[30] = benchmark[11].upper()
    found = overlaps(tmp_path, train, benchmark)
    assert pairs(found) == [(7, 3), (30, 11)]
    assert [overlap.id for overlap in found] == ["train/7", "train/30"]
    assert found[0].share == 1.0 and found[0].run == " ".join(benchmark[3].split()[:13])
    assert found[1].run == WHOLE and found[1].question.id == "bench/11"


@pytest.mark.parametrize("shared, found", [(12, False), (13, True)])
def test_a_run_of_n_words_is_needed(tmp_path, shared, found):
    question = prose(0, 30)
    part = " ".join(question.split()[5 : 5 + shared])
    train = [f"{prose(1, 10)} {part} {prose(2, 10)}"]
    assert bool(overlaps(tmp_path, train, [question])) == found


def test_case_punctuation_and_latex_spacing_do_not_hide_an_overlap(tmp_path):
    benchmark = [
        r"Let $f(x)=\frac{x^2+1}{2}$ be defined for all $x \geq 0$. Compute the sum of $f(n)$ "
        r"over all positive integers"
        r" $n$ up to $20$."
    ]
    train = [
        r"LET \(f\left(x\right) = \dfrac{x^{2} + 1}{2}\) be defined for all \(x\,\geq\,0\); compute the sum of \(f(n)\)"
        "\nover all   positive integers \\(n\\) up to \\(20\\)"
    ]
    (found,) = overlaps(tmp_path, train, benchmark)
    assert found.share == 1.0


def test_common_phrases_alone_do_not_trigger(tmp_path):
    assert len(words(PHRASE)) > 13
    benchmark = [f"{prose(i, 12)} {PHRASE}" for i in range(3)]
    train = [f"{prose(100 + i, 12)} {PHRASE}" for i in range(4)]
    assert overlaps(tmp_path, train, benchmark, min_share=0.0) == []
    # They overlap without the rule.
    assert len(overlaps(tmp_path, train, benchmark[:2], min_share=0.0)) == 8
    assert len(overlaps(tmp_path, train, benchmark, min_share=0.0, common_benchmark=4)) == 12


def test_a_phrase_of_the_training_set_does_not_trigger(tmp_path):
    benchmark = [f"{prose(0, 12)} {PHRASE}"]
    train = [f"{prose(100 + i, 12)} {PHRASE}" for i in range(11)]
    assert overlaps(tmp_path, train, benchmark) == []
    assert len(overlaps(tmp_path, train[:10], benchmark)) == 10
    # A question that is repeated makes no phrase.
    assert len(overlaps(tmp_path, train[:1] * 11, benchmark)) == 11


def test_a_phrase_in_a_long_question_does_not_trigger(tmp_path):
    benchmark = [f"{prose(0, 60)} {PHRASE}"]
    train = [f"{prose(1, 60)} {PHRASE}"]
    assert overlaps(tmp_path, train, benchmark) == []
    (found,) = overlaps(tmp_path, train, benchmark, min_share=0.0)
    total = len(words(benchmark[0]))
    assert found.share == pytest.approx(len(words(PHRASE)) / total, abs=1e-4)


def test_the_phrase_rule_does_not_hide_a_question_of_two_benchmarks(tmp_path):
    question = prose(0, 30)
    files = [write(tmp_path, name, [question]) for name in ("a", "b", "c", "d")]
    questions = [each for file, name in zip(files, "abcd", strict=True) for each in load_questions(file, name)]
    index = BenchmarkIndex(questions, Settings())
    train = write(tmp_path, "train", [f"{question} {prose(1, 3)}"])
    found = find_overlaps(train, index, 1, progress=False)
    assert [overlap.question.benchmark for overlap in found] == ["a", "b", "c", "d"]


def test_short_questions_are_compared_as_a_whole(tmp_path):
    benchmark = [r"Compute $\sin 60^\circ$.", "What is $1+2$?"]
    train = [
        r"compute \(\sin 60^\circ\).",
        r"In a triangle, compute $\sin 60^\circ$. Then find the area of the square with this side.",
        "What is $1-2$?",
    ]
    found = overlaps(tmp_path, train, benchmark)
    assert pairs(found) == [(0, 0)] and found[0].run == WHOLE


def test_an_instruction_of_a_benchmark_is_left_out(tmp_path):
    ending = "\n\nPlease reason step by step, and put the final answer of your work within a box at the very end."
    benchmark = [f"Question {prose(i, 4)}{ending}" for i in range(2)]
    train = [f"Question {prose(1, 4)}", f"Something else.{ending}"]
    found = overlaps(tmp_path, train, benchmark)
    assert pairs(found) == [(0, 1)] and found[0].run == WHOLE


@pytest.mark.parametrize("seed", range(5))
def test_against_a_plain_search(tmp_path, seed):
    """Find all pairs that share a run of n words; every run is compared with every other."""
    rng = random.Random(seed)
    n = 4

    def text():
        return " ".join(rng.choices(["a", "b", "c", "d", "e"], k=rng.randrange(0, 14)))

    benchmark, train = [text() for _ in range(12)], [text() for _ in range(30)]

    def runs(question):
        tokens = question.split()
        return {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}

    expected = {
        (i, j)
        for i, one in enumerate(train)
        for j, other in enumerate(benchmark)
        if runs(one) & runs(other) or one == other
    }
    found = overlaps(tmp_path, train, benchmark, n=n, min_share=0.0, common_benchmark=1000, common_train=1000)
    assert set(pairs(found)) == expected and expected


@pytest.mark.parametrize("options", [{"n": 0}, {"min_share": 1.5}, {"common_benchmark": 1}, {"common_train": 0}])
def test_bad_settings(options):
    with pytest.raises(ValueError, match="expected"):
        Settings(**options)


def test_an_index_needs_no_question_of_n_words():
    index = BenchmarkIndex([Question("b", 0, "0", "short")], Settings())
    assert index.runs_of(["short"] * 20) == []
