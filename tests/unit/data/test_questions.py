# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from hpt.data.ids import UniqueIds
from hpt.data.questions import last_user_message, question_key, words


@pytest.mark.parametrize(
    "one, other",
    [
        ("What is 1+1?", "what  is\n1 + 1 ?"),
        (r"Find $x\,+\,1$.", r"Find \(x + 1\)."),
        (r"$\left(\dfrac{1}{2}\right)$", r"$(\frac{1}{2})$"),
        (r"a\quad b~c", "a b c"),
        ("\ufb01nd \uff12\uff21", "find 2A"),  # a ligature and full-width characters
    ],
)
def test_spelling_makes_no_other_question(one, other):
    assert question_key(one) == question_key(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("What is x+1?", "What is x-1?"),
        ("What is 12?", "What is 13?"),
        (r"\frac{1}{23}", r"\frac{12}{3}"),
        ("x < 1", "x > 1"),
        (r"a \leq b", r"a \neq b"),
        (r"\leftarrow 1", r"arrow 1"),
    ],
)
def test_other_mathematics_is_another_question(one, other):
    assert question_key(one) != question_key(other)


def test_words_are_letters_and_digits():
    assert words(r"If $f(x)=\dfrac{x^2}{10}$, find $f(3)$.") == (
        ["if", "f", "x", "frac", "x", "2", "10", "find", "f", "3"]
    )
    assert words(r"$5\,\text{cm}$") == ["5", "cm"]
    assert words(r"\textbf{(A)}$\ 12$") == ["a", "12"]
    assert words("") == []


def test_last_user_message():
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "second"},
    ]
    assert last_user_message(messages) == "second"
    assert last_user_message(messages[:1]) == ""


def test_ids_are_the_sources_own_else_a_hash_of_the_question():
    ids = UniqueIds()
    assert ids.of("aime/1", "q") == "aime/1"
    assert ids.of(60, "q") == "60"
    hashed = ids.of(None, "What is 1+1?")
    assert hashed == UniqueIds().of("  ", "what is 1 + 1?") and len(hashed) == 16


def test_ids_never_repeat_and_do_not_depend_on_what_follows():
    def given(rows):
        ids = UniqueIds()
        return [ids.of(*row) for row in rows]

    rows = [("a", "one"), ("a", "two"), ("a", "two"), (None, "one"), (None, "one"), ("a", "one")]
    names = given(rows)
    assert len(set(names)) == len(rows)
    assert names[0] == "a" and names[1].startswith("a-")
    assert given(rows[:3]) == names[:3]
