# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from hpt.verifier.extract import extract_answer, opening_of


@pytest.fixture(scope="module")
def tokenizer():
    """One token per byte."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend)


@pytest.mark.parametrize(
    ("prompt", "response", "answer"),
    [
        ("1+1?\n<think>\n", "so \\boxed{5} and then", None),  # cut off in its reasoning
        ("1+1?\n<think>\n", "so \\boxed{5} </think> \\boxed{2}", "2"),
        ("1+1?\n", "so \\boxed{5} and then", "5"),
        ("what is <think>?\n", "\\boxed{5}", "5"),
    ],
)
def test_reasoning_that_the_prompt_opens_is_no_answer(tokenizer, prompt, response, answer):
    opening = opening_of(tokenizer(prompt)["input_ids"], tokenizer)
    assert opening == ("<think>" if prompt.endswith("<think>\n") else "")
    assert extract_answer(opening + response) == answer


@pytest.mark.timeout(20)
def test_time_is_linear_in_what_stands_between_boxes():
    assert extract_answer("\\boxed{1}" + " " * 50_000 + "z\\boxed{2}") == "2"
    assert extract_answer("\\boxed{1}" + " \\quad" * 9_000 + "and" + " " * 50_000 + "\\boxed{2}") == "1 and 2"
