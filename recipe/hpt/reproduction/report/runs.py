# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The YAML file that names the runs of a report.

    runs:
      - model: qwen2.5_math_7b      # or any other text
        method: hpt
        seed: 0                     # optional; the default is 0
        training: runs/hpt          # optional: one folder, or the folders of the stages in order
        evaluation: runs/eval/hpt   # optional: one folder, or several

Relative paths are relative to the file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hpt.common.errors import HPTError
from hpt.common.training_log import METRICS_FILE
from hpt.evaluation.outputs import RESULTS
from recipe.hpt.reproduction.methods import ABLATIONS, METHODS
from recipe.hpt.reproduction.paper.results import LABELS, MODELS

KEYS = ("model", "method", "seed", "training", "evaluation")
GATE_PREFIX = "hpt_gamma_"
_PUBLISHED_ONLY = {
    "hpt_gamma_1_8": "HPT, gamma 1/8",
    "hpt_gamma_2_8": "HPT, gamma 2/8",
    "sft_rl": "SFT -> RL",
    "sft_rl_50": "SFT -> RL, 50 steps",
}
_ORDER = (*METHODS, *_PUBLISHED_ONLY)


class RunsError(HPTError):
    """A file of runs, or a folder that it names, cannot be reported. The message says what to do."""


@dataclass(frozen=True)
class RunEntry:
    """One method on one model with one seed.

    Attributes:
        model: key of ``recipe.hpt.reproduction.paper.results.MODELS``, or any other text.
        method: key of ``recipe.hpt.reproduction.methods.METHODS``, an ablation, or any other text.
        training: folders of the stages, in order.
        evaluation: folders that ``recipe.hpt.main_eval`` wrote; if several have a benchmark, the first counts.
    """

    model: str
    method: str
    seed: int = 0
    training: tuple[Path, ...] = ()
    evaluation: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.model}, {self.method}, seed {self.seed}"


def read_runs(file: Path) -> list[RunEntry]:
    """Read the runs that a file names.

    Raises:
        RunsError: the file cannot be read or has another form; a key is unknown; a value has the wrong type; a run is
            listed twice; a folder is missing or has no metrics or results. One message has all problems.
    """
    listed = _listed(file)
    problems: list[str] = []
    entries = [_entry(file, number, each, problems) for number, each in enumerate(listed, start=1)]
    found = [entry for entry in entries if entry is not None]
    problems += _duplicates(found)
    if problems:
        raise RunsError(f"got {file} with problems:\n  " + "\n  ".join(problems))
    return found


def _listed(file: Path) -> list[Any]:
    expected = "expected a YAML file with a list `runs`, each with model and method"
    try:
        content = yaml.safe_load(file.read_text())
    except OSError as error:
        raise RunsError(f"got {file}, which cannot be read ({error.strerror}); {expected}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise RunsError(f"got {file}, which is not YAML ({reason}); {expected}") from None
    if not isinstance(content, dict) or set(content) != {"runs"}:
        raise RunsError(f"got {file}, whose top level is not just a list `runs`; {expected}")
    if not isinstance(content["runs"], list) or not content["runs"]:
        raise RunsError(f"got {file}, whose `runs` is empty or not a list; {expected}")
    return content["runs"]


def _entry(file: Path, number: int, given: Any, problems: list[str]) -> RunEntry | None:
    """The entry, or None, with problems added, if it is not a valid one."""
    before = len(problems)
    at = f"run {number}"
    if not isinstance(given, dict):
        problems.append(f"{at}: got {given!r}; expected {', '.join(KEYS)}")
        return None
    unknown = [str(key) for key in given if key not in KEYS]
    if unknown:
        problems.append(f"{at}: unknown key {', '.join(unknown)}; the keys are {', '.join(KEYS)}")
    for key in ("model", "method"):
        if not isinstance(given.get(key), str) or not given[key].strip():
            problems.append(f"{at}: got {key}={given.get(key)!r}; expected a name")
    seed = given.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        problems.append(f"{at}: got seed={seed!r}; expected a whole number >= 0")
    training = _folders(file, at, given, "training", problems)
    evaluation = _folders(file, at, given, "evaluation", problems)
    if len(problems) > before:
        return None
    return RunEntry(given["model"], given["method"], seed, training, evaluation)


def _folders(file: Path, at: str, given: dict[str, Any], key: str, problems: list[str]) -> tuple[Path, ...]:
    value = given.get(key)
    names = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name for name in names):
        problems.append(f"{at}: got {key}={value!r}; expected a folder or a list of folders")
        return ()
    folders = tuple(file.parent / Path(name).expanduser() for name in names)
    if len(set(folders)) < len(folders):
        problems.append(f"{at}: got the same folder twice in {key}; remove one")
    for name, folder in zip(names, folders, strict=True):
        if not folder.is_dir():
            problems.append(f"{at}: {key} {name} is not a folder")
        elif key == "evaluation" and not (folder / RESULTS).is_file():
            problems.append(
                f"{at}: evaluation {name} has no {RESULTS}; make it with recipe.hpt.main_eval, or, from its samples, "
                "with `hpt eval report`"
            )
        elif key == "training" and not any(folder.glob("metrics*.jsonl")):
            problems.append(
                f"{at}: training {name} has no {METRICS_FILE}; expected a training's trainer.default_local_dir"
            )
    return folders


def _duplicates(entries: Sequence[RunEntry]) -> list[str]:
    problems, seen = [], set()
    names: dict[str, str] = {}
    owner: dict[Path, RunEntry] = {}
    for entry in entries:
        key = (entry.model, entry.method, entry.seed)
        if key in seen:
            problems.append(f"{entry.name} is listed twice; give each run a seed of its own, or remove one")
        seen.add(key)
        if names.setdefault(slug(entry.model), entry.model) != entry.model:
            problems.append(
                f"models {names[slug(entry.model)]!r} and {entry.model!r} would share files; rename one of them"
            )
        for folder in (path.resolve() for path in (*entry.training, *entry.evaluation)):
            # The SFT stage of SFT -> GRPO may be the SFT run itself, but an evaluation belongs to one model.
            other = owner.setdefault(folder, entry)
            if other is not entry and folder in {path.resolve() for path in entry.evaluation}:
                problems.append(
                    f"evaluation {folder.name} belongs to {other.name} and to {entry.name}; each needs its own"
                )
    return problems


def label_of(method: str) -> str:
    """The name of a method in tables and figures; an unknown method is called by its key."""
    if method in METHODS:
        return METHODS[method].label
    return {**_PUBLISHED_ONLY, **LABELS}.get(method, method)


def model_label(model: str) -> str:
    """The name of a model in tables; an unknown model is called by its text."""
    return MODELS.get(model, model)


def methods_of(entries: Iterable[RunEntry]) -> list[str]:
    """Methods in the order of the tables: the study's, its ablations, the paper's, then others by name."""
    methods = {entry.method for entry in entries}
    return sorted(methods, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


def without_ablations(methods: Iterable[str]) -> list[str]:
    """The methods that figures compare; ablations have tables and Figure 8 of their own."""
    return [m for m in methods if m not in ABLATIONS and not m.startswith(GATE_PREFIX)]


def unknown_note(methods: Iterable[str]) -> list[str]:
    """A note on methods that neither the study nor the paper has; empty where there are none.

    Such a method gets rows and lines of its own. It may be the reader's, or a typing error.
    """
    unknown = [method for method in dict.fromkeys(methods) if method not in _ORDER and method not in LABELS]
    return [f"Not a method of the study or of the paper: {', '.join(unknown)}."] if unknown else []


def seeds_note(seeds: Mapping[str, Sequence[int]]) -> str:
    """Describe label -> seeds in one sentence, which is short if all have the same seeds."""
    texts = {label: ", ".join(map(str, each)) for label, each in seeds.items()}
    if len(set(texts.values())) == 1:
        return f"Seeds: {next(iter(texts.values()))}."
    return f"Seeds differ: {'; '.join(f'{label} ({text})' for label, text in texts.items())}."


def of_model(entries: Iterable[RunEntry], model: str) -> list[RunEntry]:
    return [entry for entry in entries if entry.model == model]


def slug(model: str) -> str:
    """The model's name in file names."""
    return "".join(each if each.isascii() and each.isalnum() else "_" for each in model)


def models_of(entries: Iterable[RunEntry]) -> list[str]:
    """The paper's models in its order, then others by name."""
    models = {entry.model for entry in entries}
    known = [model for model in MODELS if model in models]
    return [*known, *sorted(models - set(known))]
