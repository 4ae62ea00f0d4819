# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation: sampled answers to benchmark questions, kept on disk as they come, and what they say.

``metrics`` and ``voting`` are pure and import neither torch, Ray nor vLLM; nor does importing this package.
"""
