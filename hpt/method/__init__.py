# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""HPT itself: the gate, the strategies, the routing and the estimator. Pure Python and torch, no verl."""
