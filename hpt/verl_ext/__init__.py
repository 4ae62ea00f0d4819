# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that touches verl, Ray, vLLM and TransferQueue; the rest of `hpt` knows none of them."""

# First, so that verl loads our plug-in (which imports from this package) and not the other way round:
# a plug-in that meets half an import fails, and verl keeps quiet about it.
import verl  # noqa: F401
