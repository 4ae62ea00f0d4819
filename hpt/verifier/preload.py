"""Imported by the workers' fork server: each worker, and each that replaces a killed one, starts warm.

math-verify builds its grammars at the first comparison, which takes longer than hundreds of later ones.
"""

import logging

from hpt.verifier.judge import judge

# It warns once per process that its time limits are off; the pool has its own.
logging.getLogger("math_verify").setLevel(logging.ERROR)
assert judge("1/2", r"\frac{1}{2}").score == 1.0
