# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""All that exists for the CPU's sake: verl's platform, vLLM's rollout worker, the worker library."""
