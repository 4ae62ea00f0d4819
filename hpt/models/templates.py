# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Chat templates by name, for base models that have none."""

from pathlib import Path

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
