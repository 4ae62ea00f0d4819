# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of machine, model files and run folder before a training takes its machines.

:mod:`hpt.verl_ext.validation` owns what the configuration must satisfy; this package adds what depends on where the run
is started. :mod:`hpt.preflight.command` has the list of all checks. ``--check`` shows them as a table; a run and
``DRY_RUN=1`` end with the first that fails. :mod:`hpt.preflight.run_folder` keeps two runs out of one folder. No
cluster is started, and vLLM is not imported.
"""
