# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of machine, model files and run folder before a training takes its machines.

:mod:`hpt.verl_ext.validation` owns what the configuration must satisfy; this package adds what depends on where the run
is started. ``python -m recipe.hpt.main_hpt --check`` (:mod:`hpt.preflight.command`) shows both as a table.
:mod:`hpt.preflight.start` is the run's own part: it refuses what would certainly fail and keeps two runs out of one
folder. No cluster is started, and vLLM is not imported.
"""
