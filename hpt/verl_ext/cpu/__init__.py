# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that only a run on a CPU needs: verl's platform, vLLM's worker, the worker library, the fork server."""
