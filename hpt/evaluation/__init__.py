# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation: sample answers to benchmark questions, keep them on disk, and compute metrics from them.

Importing this package, ``metrics`` or ``voting`` imports neither torch, Ray nor vLLM.
"""
