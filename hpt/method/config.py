# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every setting of the section ``hpt``, typed and validated at construction. Imports no torch."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hpt.common.errors import ConfigError
from hpt.common.settings import Names, Numbers, Settings, one_of
from hpt.method import gate
from hpt.method.draws import Draws
from hpt.method.normalization import NORMALIZATIONS, Normalization, PromptNormalization, ReleasedNormalization
from hpt.method.strategies import STRATEGIES, Strategy, import_plugins, schedule_of, trains_on_demonstrations

TRAINER_MODES = ("hpt_sync", "hpt_colocate_async")
RENAMED = {"offline_algorithm": "demonstration_algorithm"}
"""Former names of settings, and today's."""


def renamed(name: str) -> str:
    """Return the message on a setting's former name, a key of ``RENAMED``."""
    return f"got hpt.{name}, which is now hpt.{RENAMED[name]}: use the new name"


TEACHER_PROMPT = (
    "{question}\n\nHere is a worked solution of this problem:\n\n{demonstration}\n\n"
    "Now solve the problem yourself, step by step."
)

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Params = dict[str, Any]


class Sampling(Settings):
    """How a sample ends; the other settings of sampling are verl's, under ``actor_rollout_ref.rollout``."""

    section: ClassVar[str] = "hpt.sampling"

    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of a response; null: data.max_response_length."""
    min_tokens: Annotated[int, Field(ge=0)] = 0
    """Fewest tokens of a response; no end is sampled before."""
    stop: Names = ()
    """Texts at which a response ends; their tokens are part of it."""
    stop_token_ids: Numbers = ()
    """Token ids at which a response ends, beside the model's own end of sequence."""


class HPTConfig(Settings):
    """The section ``hpt`` of a run's configuration."""

    section: ClassVar[str] = "hpt"

    strategy: Any = "switch"
    """How a question's score becomes loss coefficients; a name in ``hpt.method.strategies.STRATEGIES``."""
    gamma: Share = 0.0
    """Mean rollout accuracy in [0, 1] at or below which a question is gated."""
    gamma_off: Share | None = None
    """Upper end of the middle band gamma < P <= gamma_off, where off-policy RL on the demonstration takes the place of
    the rollouts; null: no band."""
    sft_coef: NotNegative = 1.0
    """Lambda, the weight of the SFT term."""
    off_coef: NotNegative = 1.0
    """Weight of the off-policy RL term."""
    schedule: Any = "type_0"
    """Coefficients by P, for strategy=soft; see :func:`hpt.method.strategies.schedule_of`."""
    rollout_algorithm: str | None = None
    """Entry of ``hpt.upge.ALGORITHMS`` that reinforces rollouts; null: the strategy's."""
    demonstration_algorithm: str | None = None
    """Entry of ``hpt.upge.ALGORITHMS`` that reinforces demonstrations; null: the strategy's."""
    sft_algorithm: str | None = None
    """Entry of ``hpt.upge.ALGORITHMS`` for the SFT term, whose advantage is its own; null: the strategy's."""
    rollout_params: Params = Field(default_factory=dict)
    """Parameters of the entry that reinforces rollouts; ``hpt algorithms`` lists an entry's."""
    demonstration_params: Params = Field(default_factory=dict)
    """Parameters of the entry that reinforces demonstrations."""
    sft_params: Params = Field(default_factory=dict)
    """Parameters of the SFT term's entry, e.g. {alpha: 0.1} of trsft."""
    params: Params = Field(default_factory=dict)
    """Parameters of the strategy, under their papers' names, e.g. {mu_peak: 0.9} of chord."""
    teacher_prompt: str = TEACHER_PROMPT
    """What a teacher reads in place of the question; it holds {question} and {demonstration}."""
    clip_ratio: NotNegative | tuple[NotNegative, NotNegative] | None = None
    """PPO's clip of the ratio on rollouts: a number, [low, high], or null for none (the paper)."""
    shaping: Positive = 0.1
    """LUFFY's constant: f(p) = p / (p + shaping)."""
    plugins: Names = ()
    """Modules to import in every process. They may register strategies, algorithms and kinds of answers."""
    length: Literal["constant", "row", "group", "step"] | None = None
    """What the RL terms' sums over tokens are divided by; null: as the strategy or the entry says. See
    :class:`hpt.method.estimator.credit.Length`."""
    demonstration_score: Literal["one", "verified"] = "one"
    """Score of a demonstration in a group. one: 1. verified: the verifier's, as of any response."""
    normalization: Literal["prompt", "released"] = "prompt"
    """prompt: means over the questions of an optimizer step, whatever the packing. released: the arithmetic of the
    released code, which depends on the packing and cuts optimizer steps by rows."""
    skip_grad_norm: Positive | None = None
    """Gradient norm above which an optimizer step is skipped; null: never."""
    old_log_probs: Literal["always", "when_off_policy"] = "when_off_policy"
    """always: a pass of its own computes log pi_old of all rollouts. when_off_policy: of those alone where it is not
    log pi_theta itself, as it is in a batch's first optimizer step if rows are trained on once; where
    actor_rollout_ref.rollout.calculate_log_probs compares the two engines, of all."""
    sampling: Sampling = Sampling()
    """How a sample ends."""
    stall_timeout: Positive = 1800.0
    """Seconds without a finished sample, for a batch's scores, or for weights on their way to vLLM, after which a run
    ends with an error."""
    poll_interval: Positive = 0.1
    """Seconds between two looks for finished rollouts, where verl's own manager makes them."""
    fork_workers: bool = False
    """Whether worker processes are forked from one that has everything imported; on the CPU platform only."""

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Build from a plain mapping or a composed configuration's section; imports the plugins first.

        Raises:
            ConfigError: unknown keys (with the nearest known one), former names, plugins that cannot be imported, or
                bad values.
        """
        for name in RENAMED.keys() & mapping.keys():
            raise ConfigError(renamed(name))
        plugins = mapping.get("plugins") or []
        try:
            import_plugins([plugins] if isinstance(plugins, str) else plugins)  # they may register the strategy
        except ValueError as error:
            raise ConfigError(str(error)) from error
        return super().from_mapping(mapping)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        one_of("hpt.strategy", self.strategy, STRATEGIES)
        if self.gamma_off is not None and self.gamma_off < self.gamma:
            raise ConfigError(
                f"got hpt.gamma_off={self.gamma_off!r}; expected null or a mean rollout accuracy in [hpt.gamma, 1] = "
                f"[{self.gamma}, 1]"
            )
        if self.length is not None and self.normalization == "released":
            raise ConfigError(
                f"got hpt.length={self.length} and hpt.normalization=released; the released code divides by L_max and "
                "nothing else: leave hpt.length null, or set hpt.normalization=prompt"
            )
        if lacking := [name for name in ("{question}", "{demonstration}") if name not in self.teacher_prompt]:
            raise ConfigError(f"got hpt.teacher_prompt without {lacking[0]}; expected it to hold the text {lacking[0]}")
        if self.method.params is not None:
            self.chosen  # noqa: B018  (raises on bad parameters)
        elif self.params and self.strategy != "soft":
            raise ConfigError(
                f"got hpt.params with {', '.join(self.params)}; hpt.strategy={self.strategy} has no parameters"
            )
        if self.strategy == "soft":
            try:
                schedule_of(self.schedule, self.params)
            except ValueError as error:
                raise ConfigError(f"hpt.schedule: {error}") from error
        return self

    @property
    def method(self) -> Strategy:
        """The entry that ``strategy`` names."""
        return STRATEGIES[self.strategy]

    @property
    def chosen(self) -> Any:
        """The strategy's parameters."""
        assert self.method.params is not None
        return self.method.params.from_mapping(self.params)

    @property
    def feedback(self) -> gate.Feedback | gate.Gate:
        """The strategy's map from P to coefficients, or a new gate of it."""
        return self.method.feedback(self)

    @property
    def sft_batch(self) -> int | None:
        """Demonstrations that wait for an SFT step of their own; None: none waits."""
        return None if self.method.sft_batch is None else getattr(self.chosen, self.method.sft_batch)

    @property
    def remembers(self) -> bool:
        """Whether the strategy keeps a state, which goes with checkpoints."""
        return self.sft_batch is not None or bool(gate.gate_of(self.feedback).state_dict())

    def uses_demonstrations(self, rollouts: int) -> bool:
        """Whether a question with n rollouts may need its demonstration: to train on, or to draw behind.

        Args:
            rollouts: n.
        """
        return self.draws is not None or trains_on_demonstrations(self.feedback, rollouts)

    @property
    def draws(self) -> Draws | None:
        """How the strategy draws a question's rollouts; None: plainly."""
        return None if self.method.draws is None else self.method.draws(self)

    @property
    def rollout_entry(self) -> str:
        """Name of the algorithm that reinforces rollouts."""
        return self.rollout_algorithm or self.method.rollouts

    @property
    def demonstration_entry(self) -> str:
        """Name of the algorithm that reinforces demonstrations."""
        default = self.normalization_class.demonstration_entry or self.method.demonstrations
        return self.demonstration_algorithm or default

    @property
    def sft_entry(self) -> str:
        """Name of the algorithm of the SFT term."""
        return self.sft_algorithm or self.method.sft

    @property
    def chosen_clip_ratio(self) -> Any:
        """The clip on rollouts: the user's, else the strategy's, else none."""
        return self.method.clip_ratio if self.clip_ratio is None else self.clip_ratio

    @property
    def normalization_class(self) -> type[Normalization]:
        """What the terms of the loss are means over."""
        return NORMALIZATIONS[self.normalization]

    def normalization_with(self, questions_per_step: int, max_response_length: int, ranks: int) -> Normalization:
        """The normalization for a training of these sizes; see :mod:`hpt.method.normalization`."""
        if self.normalization == "released":
            return ReleasedNormalization(questions_per_step, max_response_length, ranks)
        return PromptNormalization(questions_per_step, max_response_length, self.method.pooled_sft)
