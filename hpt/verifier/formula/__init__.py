# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Read answers as formulas, and compare what they say.

    notation      one notation in place of many, as text
    tokens        cut the text
    atoms, expressions, grammar, units    read all tokens as a tree
    compare, regions, parts               compare two trees by their structure
    equality, numeric, functions          compare two values at several points

No part of an answer is dropped: the grammar uses every token, or it does not read the answer.
"""
