# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of responses and gold answers with their verdicts, and verifiers to compare on them."""
