# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tokenizer and architecture of the base model."""

import pytest
import torch

from hpt.common.errors import ConfigError
from recipe.hpt.reproduction.task.model import EOS, PAD, BaseModelSettings, build_model
from recipe.hpt.reproduction.task.questions import MAX_SOLUTION_TOKENS, VAL_LEVELS, all_problems, solution_text
from tests.unit.reproduction.task.tiny import FULL_TEXT, TINY, encode


def test_text_survives_the_tokenizer(tokenizer):
    for text in (FULL_TEXT, "7=", r"\boxed{7}", " \n,", r"\boxed{1}\boxed{2}"):
        ids = encode(tokenizer, text)
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert len(encode(tokenizer, FULL_TEXT)) == len(FULL_TEXT) - len("boxed") + 1


def test_what_verl_asks_of_a_qwen_tokenizer(tokenizer):
    from verl.utils.tokenizer.continuous_token import QwenContinuousTokenBuilder

    assert len(encode(tokenizer, "\n")) == 1
    assert encode(tokenizer, EOS) == [tokenizer.eos_token_id]
    assert encode(tokenizer, PAD) == [tokenizer.pad_token_id]
    builder = QwenContinuousTokenBuilder(tokenizer)
    message = [{"role": "user", "content": "37+5x1="}]
    assert builder.build_initial_tokens(message) == encode(tokenizer, "37+5x1=")


@pytest.mark.parametrize("generation_prompt", [False, True])
def test_the_chat_template_renders_the_content_only(tokenizer, generation_prompt):
    message = [{"role": "user", "content": "37+5x1="}]
    rendered = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=generation_prompt)
    assert rendered == "37+5x1="


def test_demonstrations_fit_the_documented_bound(tokenizer):
    longest = max(
        len(encode(tokenizer, solution_text(problem))) + 1 for problem in all_problems(max(VAL_LEVELS), held_out=True)
    )
    assert longest <= MAX_SOLUTION_TOKENS


def test_vocabulary_of_the_model_is_that_of_the_tokenizer(tokenizer):
    model = build_model(TINY, tokenizer)
    assert model.config.vocab_size == len(tokenizer) == 36
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)


def test_default_model_has_the_documented_size(tokenizer):
    assert 0.6e6 < build_model(BaseModelSettings(), tokenizer).num_parameters() < 0.7e6


def test_building_leaves_the_global_random_state_alone(tokenizer):
    before = torch.get_rng_state()
    build_model(TINY, tokenizer)
    assert torch.equal(before, torch.get_rng_state())


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="must be positive"):
        BaseModelSettings(steps=0)
    with pytest.raises(ConfigError, match="at least one level"):
        BaseModelSettings(levels=())
