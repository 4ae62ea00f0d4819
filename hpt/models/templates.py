# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Chat templates by name, for base models that have none, and what a template adds to a question."""

import re
from collections.abc import Callable
from pathlib import Path

import jinja2

from hpt.data.thinking import CLOSE, OPEN

_QUESTION_ANSWER = (
    "{%- for message in messages if message['role'] == 'user' -%}"
    "{{ 'Question:\\n' + message['content'] + '\\nPlease reason step by step, and put your final answer within "
    "\\\\boxed{}.\\nAnswer:\\n' }}"
    "{%- endfor -%}"
    '{%- if add_generation_prompt -%}{{ "Let\'s think step by step." }}{%- endif -%}'
)
_CHATML = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
TEMPLATES = {
    # The paper uses this one for LLaMA-3.1-8B.
    "question-answer": _QUESTION_ANSWER,
    # Qwen's turns without its default system message.
    "chatml": _CHATML,
    # Only the messages' contents.
    "plain": "{%- for message in messages -%}{{ message['content'] }}{%- endfor -%}",
}
EXAMPLES = (
    [{"role": "user", "content": "What is 1+1?"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2+2?"}],
)
"""Conversations on which a template is tried."""


def template_of(name: str) -> str:
    """The template of this name, or the text of a file.

    Raises:
        ValueError: it is neither a known name nor a file, or the file is empty.
    """
    if name in TEMPLATES:
        return TEMPLATES[name]
    path = Path(name).expanduser()
    if not path.is_file():
        raise ValueError(
            f"got chat template {name!r}, which is no file; expected one, or a name: {', '.join(TEMPLATES)}"
        )
    text = path.read_text(encoding="utf-8")
    if not text.strip():
        raise ValueError(f"the chat template {name} is empty; expected a Jinja template")
    return text


def system_prompt(render: Callable[[list[dict[str, str]]], str]) -> str:
    """The system message that a template adds to a question without one; empty: none.

    Args:
        render: the prompt of messages. It may fail for a system message, which some templates refuse.
    """
    mark, question = "@system@", EXAMPLES[0]
    try:
        marked = render([{"role": "system", "content": mark}, *question])
    except (jinja2.TemplateError, TypeError, ValueError):
        return ""
    before, found, after = marked.partition(mark)
    alone = render(question)
    if not found or len(alone) < len(before) + len(after) or not (alone.startswith(before) and alone.endswith(after)):
        return ""
    added = alone[len(before) : len(alone) - len(after)].strip()
    # LLaMA-3.1 puts a date before every system message, and writes one without content where there is none.
    fixed = re.split(r"<[^<>]*>", before)[-1].strip()
    return added or ("" if fixed == "system" else fixed)


def opened_thinking(prompt: str) -> str | None:
    """The last of the tags ``<think>`` and ``</think>``, if a prompt ends in it: the template has written it."""
    return next((tag for tag in (OPEN, CLOSE) if prompt.rstrip().endswith(tag)), None)
