# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What can be known about a training before it takes its machines, and what keeps two runs out of one folder.

``python -m recipe.hpt.main_hpt --check`` prints it all as a table; what would certainly fail is refused by the run
itself, too. No cluster is started, and vLLM is not imported.
"""
