# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A copy of a checkpoint with other positions, chat template or padding token.

    python examples/prepare_model.py Qwen/Qwen2.5-Math-1.5B models/Qwen2.5-Math-1.5B-16k --preset qwen2.5-math
    python examples/prepare_model.py meta-llama/Llama-3.1-8B models/Llama-3.1-8B --preset llama-3.1

The source is not written to, an existing folder is not touched, and weights are copied byte for byte (--link: hard
links). Without --pad-token a tokenizer that has no padding token gets a known one of its vocabulary, never EOS.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from hpt.data.command import OK, at_least, guarded
from hpt.models.edits import Settings
from hpt.models.prepare import PRESETS, fetch, prepare
from hpt.models.templates import TEMPLATES


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="checkpoint's folder or hub id")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--revision", help="of the hub's checkpoint (its newest commit)")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="settings of a model; options change them")
    parser.add_argument("--rope-theta", type=float, help="base of the rotary embeddings")
    parser.add_argument("--max-position-embeddings", type=at_least(1), help="longest sequence in tokens")
    parser.add_argument("--chat-template", help=f"a file, or one of {', '.join(TEMPLATES)}")
    parser.add_argument("--pad-token", help="a token of the vocabulary")
    parser.add_argument("--link", action="store_true", help="hard links to the weights instead of copies")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    return parser.parse_args()


def run(options: argparse.Namespace) -> int:
    settings = PRESETS.get(options.preset, Settings())
    names = ("rope_theta", "max_position_embeddings", "chat_template", "pad_token")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    settings = dataclasses.replace(settings, **given)
    source = fetch(options.source, options.revision)
    done = prepare(source, options.out, settings, link=options.link, progress=not options.no_progress)
    for change in done.changes or ["nothing: it was as asked for"]:
        print(f"changed {change}")
    for note in done.notes:
        print(f"note: {note}")
    for number, example in enumerate(done.examples, start=1):
        print(f"chat template, example {number}: {example!r}")
    weights = "hard links to" if options.link else "copies of"
    print(f"wrote {options.out}; files that did not change are {weights} those of {source}")
    return OK


if __name__ == "__main__":
    sys.exit(guarded(run, parse_arguments()))
