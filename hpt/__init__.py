# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Hybrid Post-Training (arXiv 2509.04419): one loss over demonstrations and rollouts, as an extension of verl."""

__version__ = "0.1.0"
