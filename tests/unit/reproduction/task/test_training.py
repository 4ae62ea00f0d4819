# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of the base model, and its greedy answers."""

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from recipe.hpt.reproduction.task.model import EOS, BaseModelSettings, build_model
from recipe.hpt.reproduction.task.questions import Problem, question_text, solution_text
from recipe.hpt.reproduction.task.training import fit, greedy_texts, supervised_batch
from tests.unit.reproduction.task.tiny import encode


def test_supervised_batch_scores_solution_and_end_only(tokenizer):
    questions = [Problem(37, 5, 1), Problem(7, 5, 3)]
    ids, labels = supervised_batch(questions, tokenizer)
    for row_ids, row_labels, problem in zip(ids, labels, questions, strict=True):
        scored = row_labels != -100
        assert torch.equal(row_ids[scored], row_labels[scored])
        assert tokenizer.decode(row_labels[scored]) == solution_text(problem) + EOS
        start = int(scored.int().argmax())
        assert tokenizer.decode(row_ids[:start]) == question_text(problem)
        assert (row_ids[start + int(scored.sum()) :] == tokenizer.pad_token_id).all()
    assert ids.shape[1] == len(encode(tokenizer, "07+5x3=" + solution_text(Problem(7, 5, 3)))) + 1


def test_left_padding_does_not_change_a_greedy_answer(saved):
    model_dir, _ = saved
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    together = greedy_texts(model, tokenizer, ["01+1x1=", "37+5x3="], max_new_tokens=8)
    assert together[0] == greedy_texts(model, tokenizer, ["01+1x1="], max_new_tokens=8)[0]


def test_training_learns_and_is_reproducible(tokenizer):
    settings = BaseModelSettings(steps=60, batch_size=16, levels=(1,), hidden_size=32, num_layers=1, num_heads=1)
    losses, weights = [], []
    for _ in range(2):
        model = build_model(settings, tokenizer)
        losses.append(fit(model, tokenizer, settings, progress=False))
        weights.append(torch.cat([parameter.flatten() for parameter in model.parameters()]))
    assert losses[0] == losses[1] and torch.equal(*weights)
    assert losses[0] < 2.0  # nats; a uniform guess costs log 27 = 3.3
