# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""verl's dataset, with the demonstration of each question beside it.

verl sends a row of the dataset to the agent loop n times, and each copy comes back with a rollout.
A demonstration in that row would travel and be stored n times, for a gate that mostly does not use it.
So a row carries only `demonstration_id`, and the trainer asks the dataset, which lives in its
own process, for the tokens of those questions that get a demonstration.
"""

import hashlib
import logging
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from omegaconf import DictConfig
from transformers import PreTrainedTokenizer, ProcessorMixin
from verl.utils.dataset.rl_dataset import RLHFDataset

from hpt.common import tokenizers
from hpt.common.errors import DataError, Problem
from hpt.data import checks
from hpt.data.checks import format_problem, iter_rows, solution_text
from hpt.data.gold_answers import gold_answer_of
from hpt.data.ids import question_id
from hpt.verifier.gold import kind_of_gold
from hpt.verl_ext.data_settings import check_choice_of_rows, demonstration_settings
from hpt.verl_ext.question_files import as_list

logger = logging.getLogger(__name__)

# Targets that are tokenised at a time. A fast tokenizer needs some 120 bytes per token while it works
# (measured): 64 targets of 8192 tokens take 60 MB.
TOKENIZE_BATCH = 64

# Below this, tokenising takes a second or so and a progress bar is noise in the log.
PROGRESS_BAR_ROWS = 2000

# Stands in the place of a token count for a target of which no solution can be made.
_MALFORMED = -1

# datasets names its cache after the function it maps, but looks no further than the name of an
# imported one: without this, tokens that an older version made would be taken for ours.
_SOURCES = (__file__, checks.__file__, tokenizers.__file__)
_CODE_VERSION = hashlib.sha256(b"".join(Path(source).read_bytes() for source in _SOURCES)).hexdigest()

_FEATURES = datasets.Features({"ids": datasets.List(datasets.Value("int32")), "num_tokens": datasets.Value("int32")})

_TARGET_ADVICE = (
    "A target is text or a list of messages with exactly one from the assistant; null means none. "
    "For longer solutions raise data.max_target_length, or set data.target_overlong=drop to do "
    "without them."
)


class HybridDataset(RLHFDataset):
    """Questions for rollouts, and on request the tokens of their demonstrations.

    A row is verl's, less the target column, plus `demonstration_id`: its position after verl's
    choice of `max_samples` rows and its filter of overlong prompts. Targets of rows that these leave out are
    not tokenised. Questions of `data.val_files` never have a demonstration,
    whether or not there are targets in the file.

    Settings, from verl's `data` section:
        target_key: column with the demonstration, text or chat messages; default "target". The
            column may be absent.
        max_target_length: longest demonstration in tokens, EOS included; null (default) stands for
            `max_response_length`.
        target_overlong: what becomes of a longer one. "drop" (default): the question has no
            demonstration; "error": DataError. It is never truncated: a demonstration without its
            end teaches the model not to stop.

    Args:
        data_files: path(s) of parquet file(s).
        tokenizer: the policy's tokenizer.
        config: verl's `data` section.
        processor: verl's multimodal processor.
        max_samples: number of rows to choose, -1 for all.

    Raises:
        DataError: for a file that is not parquet, a target of which no solution can be made (see
            `solution_text`), and overlong ones under "error"; names files and rows.
        ConfigError: for settings that do not make sense, each with what to set instead.
        ValueError: for a tokenizer without EOS.
    """

    dataframe: datasets.Dataset  # the parent's table

    def __init__(
        self,
        data_files: str | list[str],
        tokenizer: PreTrainedTokenizer,
        config: DictConfig,
        processor: ProcessorMixin | None = None,
        max_samples: int = -1,
    ):
        self.target_key, self.max_target_length, self.target_overlong = demonstration_settings(config)
        if tokenizer.eos_token_id is None:
            raise ValueError("The tokenizer has no EOS token, in which a demonstration must end: set eos_token.")
        files = as_list(data_files)
        # All that verl tells a validation dataset are its files.
        is_training = files == as_list(config.get("train_files"))
        self._is_validation = not is_training and files == as_list(config.get("val_files"))
        if not self._is_validation:
            check_choice_of_rows(config, max_samples)
        problems = [Problem(file, None, why) for file in files if (why := format_problem(file))]
        if problems:
            raise DataError(problems, "Set data.train_files and data.val_files to parquet files.")
        super().__init__(data_files, tokenizer, config, processor, max_samples)

    @property
    def num_without_target(self) -> int:
        """Number of questions without a target; those with an overlong one are not among them."""
        return self._num_without_target

    @property
    def num_overlong_targets(self) -> int:
        """Number of questions whose target was dropped because it is longer than `max_target_length`."""
        return self._num_overlong_targets

    def demonstration(self, demonstration_id: int) -> list[int] | None:
        """Return the tokens of a question's demonstration.

        Args:
            demonstration_id: what the question's row has under this name, in [0, len(self)).

        Returns:
            At most `max_target_length` token ids that end in exactly one EOS; None if the question
            has no demonstration.

        Raises:
            IndexError: for an id that no row of this dataset has.
        """
        position = operator.index(demonstration_id)
        if not 0 <= position < len(self):
            raise IndexError(f"demonstration_id {position} is out of range: there are {len(self)} questions.")
        return None if self._demonstrations is None else self._demonstrations[position]["ids"]

    def gold_answers(self, demonstration_ids: Sequence[int]) -> list[tuple[Any, dict | None]]:
        """Each question's gold answer and `extra_info`, which the verifier scores responses by."""
        columns = [name for name in ("reward_model", "extra_info") if name in self.dataframe.features]
        values = self.dataframe.select_columns(columns)[list(demonstration_ids)]
        extras = values.get("extra_info") or [None] * len(demonstration_ids)
        return [(gold["ground_truth"], extra) for gold, extra in zip(values["reward_model"], extras, strict=True)]

    def question_ids(self, demonstration_ids: Sequence[int]) -> list[str]:
        """Each question's `extra_info.id`; "data_source/demonstration_id" where the file has none."""
        columns = [name for name in ("extra_info", "data_source") if name in self.dataframe.features]
        values = self.dataframe.select_columns(columns)[list(demonstration_ids)]  # one look at the table for all
        return [
            question_id({name: values[name][place] for name in columns}, number)
            for place, number in enumerate(demonstration_ids)
        ]

    def __getitem__(self, item: int) -> dict:
        row = super().__getitem__(item)
        row["demonstration_id"] = range(len(self))[item]  # a plain int, whatever kind item is
        return row

    def __getstate__(self) -> dict:
        # As the parent does with its table, which resume_dataset_state reads again. The parent's
        # filter pickles self, too, to name its cache: nothing derived must be part of that.
        state = super().__getstate__()
        if "dataframe" not in state:
            state.pop("_demonstrations", None)
        return state

    def _read_files_and_tokenize(self) -> None:
        # The parent's last step of construction, and of resume_dataset_state.
        super()._read_files_and_tokenize()
        if self.config.get("unverifiable") == "drop":
            self._drop_unverifiable()
        self._demonstrations = None
        self._num_without_target, self._num_overlong_targets = len(self), 0
        if self.target_key in self.dataframe.column_names:
            if not self._is_validation and len(self) > 0:
                self._tokenize_targets()
            self.dataframe = self.dataframe.remove_columns(self.target_key)

    def _drop_unverifiable(self) -> None:
        """Leave out questions whose gold answer the verifier does not understand."""
        columns = [name for name in ("reward_model", "extra_info") if name in self.dataframe.column_names]
        answers = self.dataframe.select_columns(columns)
        kept = [
            position for position, row in enumerate(answers) if kind_of_gold(*gold_answer_of(row)) != "unverifiable"
        ]
        if len(kept) < len(answers):
            logger.warning(
                "%d of %d questions have an unverifiable gold answer and are dropped.",
                len(answers) - len(kept),
                len(answers),
            )
            self.dataframe = self.dataframe.select(kept)

    def _tokenize_targets(self) -> None:
        targets = self.dataframe.select_columns(self.target_key)
        with _progress_bars(len(targets) >= PROGRESS_BAR_ROWS):
            table = targets.map(
                _tokenize,
                batched=True,
                batch_size=TOKENIZE_BATCH,
                remove_columns=self.target_key,
                features=_FEATURES,
                fn_kwargs={
                    "target_key": self.target_key,
                    "tokenizer": self.tokenizer,
                    "max_target_length": self.max_target_length,
                    "code_version": _CODE_VERSION,
                },
                desc="Tokenizing demonstrations",
            )
        # Counted from the result: datasets may have found it in its cache and tokenised nothing.
        num_tokens = table.select_columns("num_tokens").with_format("numpy")[:]["num_tokens"]
        overlong = num_tokens > self.max_target_length
        if (num_tokens == _MALFORMED).any() or (overlong.any() and self.target_overlong == "error"):
            lengths = {
                solution_text(targets[position][self.target_key]): int(num_tokens[position])
                for position in np.flatnonzero(overlong).tolist()
            }
            raise DataError(list(self._target_problems(lengths)), _TARGET_ADVICE)
        self._demonstrations = table
        self._num_without_target = int((num_tokens == 0).sum())
        self._num_overlong_targets = int(overlong.sum())
        if self._num_overlong_targets:
            logger.warning(
                "%d of %d demonstrations are longer than data.max_target_length=%d tokens; "
                "these questions go without one.",
                self._num_overlong_targets,
                len(self) - self._num_without_target,
                self.max_target_length,
            )

    def _target_problems(self, overlong: dict[str | None, int]) -> Iterator[Problem]:
        """Find the bad targets in the files; verl's choice of rows does not keep track of them.

        Args:
            overlong: text of an overlong solution -> its number of tokens (None is never a key).
        """
        for name, path in zip(self.original_data_files, self.data_files, strict=True):
            for row, values in iter_rows(path, [self.target_key]):
                try:
                    text = solution_text(values.get(self.target_key))
                except ValueError as error:
                    yield Problem(name, row, str(error))
                    continue
                if self.target_overlong == "error" and text in overlong:
                    reason = f"the demonstration has {overlong[text]} tokens with EOS"
                    limit = f"data.max_target_length={self.max_target_length}"
                    yield Problem(name, row, f"{reason}, more than {limit}")


def _tokenize(
    batch: dict[str, list],
    target_key: str,
    tokenizer: PreTrainedTokenizer,
    max_target_length: int,
    code_version: str,
) -> dict[str, list]:
    """Tokenize a batch of targets.

    Args:
        batch: {target_key: one target per row}.
        target_key, max_target_length: as in the settings.
        tokenizer: the policy's.
        code_version: part of the name of the result in the cache of datasets, and nothing else.

    Returns:
        ids: per row an int32 array that ends in one EOS; None where there is no demonstration, for
            whatever reason.
        num_tokens: per row the length of the solution with EOS, kept or not; 0 where there is none,
            _MALFORMED where no telling.
    """
    num_tokens, texts = [0] * len(batch[target_key]), {}
    for row, target in enumerate(batch[target_key]):
        try:
            text = solution_text(target)
        except ValueError:
            num_tokens[row] = _MALFORMED
            continue
        if text is not None:
            texts[row] = text
    all_ids: list[np.ndarray | None] = [None] * len(num_tokens)
    if texts:
        for row, ids in zip(texts, tokenizers.with_eos(list(texts.values()), tokenizer), strict=True):
            num_tokens[row] = len(ids)
            if len(ids) <= max_target_length:
                all_ids[row] = np.array(ids, dtype=np.int32)
    return {"ids": all_ids, "num_tokens": num_tokens}


@contextmanager
def _progress_bars(wanted: bool) -> Iterator[None]:
    """Show the progress bars of datasets inside the block only if `wanted`."""
    # A user's HF_DATASETS_DISABLE_PROGRESS_BARS has priority, and datasets warns on contradiction.
    ours = datasets.config.HF_DATASETS_DISABLE_PROGRESS_BARS is None
    if wanted or not ours or datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()
