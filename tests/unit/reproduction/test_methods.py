# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The methods of a study."""

import pytest

from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.methods import METHODS, STAGES, check_methods, swept_as


def test_an_unknown_method_lists_the_options():
    with pytest.raises(StudyError, match=r"Unknown method 'gpro'\. Available: base, sft, grpo, "):
        check_methods(["hpt", "gpro"])
    assert check_methods(["hpt", "base"]) == ("base", "hpt")


def test_every_stage_of_a_method_is_one_and_ablations_are_swept_as_hpt():
    assert {stage for method in METHODS.values() for stage in method.stages} == set(STAGES)
    assert {swept_as(stage) for method in METHODS.values() if method.is_ablation for stage in method.stages} == {"hpt"}
