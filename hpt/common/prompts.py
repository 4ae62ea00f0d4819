# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The prompt template: a text with ``{prompt}`` in place of the question, used instead of a chat template."""

PLACEHOLDER = "{prompt}"


def as_chat_template(prompt_template: str) -> str:
    """The Jinja chat template that renders the last message in place of ``{prompt}``.

    Training and evaluation both use it, so that a model sees the same prompt in both.
    """
    before, after = prompt_template.split(PLACEHOLDER)
    return "{{ " + repr(before) + " }}{{ messages[-1]['content'] }}{{ " + repr(after) + " }}"
