# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What ends a response, as the tokenizer, the configurations and the chat template of a checkpoint say.

Demonstrations end in the tokenizer's EOS. vLLM stops at it, and at the tokens that generation_config.json names, or
config.json where there is no such file. The model itself ends with what it was trained on, which may be neither: a
demonstration would then teach it a token that it has never used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import jinja2

from hpt.common.files import read_json_object
from hpt.models.checkpoints import CONFIG

GENERATION, TOKENIZER = "generation_config.json", "tokenizer_config.json"
TRUNCATED = "it may be truncated: copy or download it again"
_ANSWER = "The answer is 2."
_TURNS = [{"role": "user", "content": "What is 1+1?"}, {"role": "assistant", "content": _ANSWER}]


@dataclass(frozen=True)
class Endings:
    """Token ids that end a response.

    Attributes:
        tokenizer: the run's; its EOS ends every demonstration.
        stated: per configuration file, the ids in its ``eos_token_id``; a file that does not say is not in it.
        turn: the special token after an assistant's answer in the chat template; None: there is none.
    """

    tokenizer: Any
    stated: dict[str, list[int]]
    turn: int | None

    @property
    def disagreement(self) -> str | None:
        """Which part says what, where one says something else than the tokenizer; None: all agree."""
        eos = self.tokenizer.eos_token_id
        others = [f"{file} says {self._names(ids)}" for file, ids in self.stated.items() if eos not in ids]
        if self.turn not in (None, eos):
            others.append(f"the chat template ends an answer with {self._names([self.turn])}")
        return f"its EOS is {self._names([eos])}, but {' and '.join(others)}" if others else None

    @property
    def refuted(self) -> bool:
        """Whether no configuration file names the tokenizer's EOS; where there is none, the template decides.

        A base model keeps its own EOS, whatever the template of its instruct model ends an answer with.
        """
        eos = self.tokenizer.eos_token_id
        return all(eos not in ids for ids in self.stated.values()) if self.stated else self.turn not in (None, eos)

    @property
    def remedy(self) -> str:
        """The token that, as EOS, makes the parts agree, as far as they tell."""
        eos, named = self.tokenizer.eos_token_id, list(chain.from_iterable(self.stated.values()))
        if self.turn is not None and (self.turn in (eos, *named) or not (self.refuted and named)):
            return self._token(self.turn)
        return self._token(self.stated.get(GENERATION, named)[0] if self.refuted else eos)

    @property
    def advice(self) -> str:
        """When to follow the remedy, where training with the disagreement is possible."""
        if self.turn in (None, self.tokenizer.eos_token_id):
            return "to make all files say the same"
        return "right for a base model, while for an instruct model"

    def _names(self, ids: Sequence[int | None]) -> str:
        return " or ".join(f"{self._token(number)} ({number})" for number in ids)

    def _token(self, number: int | None) -> str:
        return str(self.tokenizer.convert_ids_to_tokens(number) or "an unknown token")


def read_endings(folder: Path, tokenizer: Any, template: str | None = None) -> Endings:
    """Read what ends a response.

    Args:
        folder: the checkpoint's.
        tokenizer: with an EOS token.
        template: chat template that takes the place of the tokenizer's.

    Raises:
        ValueError: a configuration file is no JSON object.
    """
    stated = {}
    for file in (CONFIG, GENERATION):
        ids = (read_json_object(folder / file, TRUNCATED) or {}).get("eos_token_id")
        if ids not in (None, []):
            stated[file] = [ids] if isinstance(ids, int) else list(ids)
    return Endings(tokenizer, stated, _end_of_turn(tokenizer, template))


def _end_of_turn(tokenizer: Any, template: str | None) -> int | None:
    if not (template or tokenizer.chat_template):
        return None
    try:
        text = tokenizer.apply_chat_template(_TURNS, chat_template=template, tokenize=False)
    except (jinja2.TemplateError, TypeError, ValueError):  # it renders questions only
        return None
    _, found, rest = text.rpartition(_ANSWER)
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    ids = tokenizer(rest, add_special_tokens=False)["input_ids"] if found else []
    return next((number for number in ids if number in special), None)
