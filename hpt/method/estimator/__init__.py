# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The unified policy gradient estimator (arXiv 2509.04419, Section 3): pure functions on tensors.

Outside code imports its public names from :mod:`hpt.upge`.
"""
