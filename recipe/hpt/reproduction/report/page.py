# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The report's page: one HTML file with everything in it, without links, dates and paths."""

import base64
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from recipe.hpt.reproduction.report.formats import MISSING, ReportTable
from recipe.hpt.reproduction.report.plots import Figure
from recipe.hpt.reproduction.report.runs import (
    RunEntry,
    label_of,
    methods_of,
    model_label,
    models_of,
    of_model,
)

GENERATOR = "hpt.report"
TITLE = "Hybrid Post-Training: report"
RUN_HEADER = ("model", "method", "seeds", "trainings of seeds", "evaluations of seeds")


def page(entries: Sequence[RunEntry], tables: Sequence[ReportTable], figures: Sequence[Figure]) -> str:
    """The page as text; the same input gives the same text."""
    environment = Environment(
        loader=PackageLoader("recipe.hpt.reproduction.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    missing = sum(bool(figure.missing) for figure in figures)
    counted = ", ".join(
        f"{number} {noun}" + ("" if number == 1 else "s")
        for noun, number in (
            ("run", len(entries)),
            ("model", len(models_of(entries))),
            ("table", len(tables)),
            ("figure", len(figures)),
        )
    )
    summary = counted + (f"; figures that lack inputs: {missing}." if missing else ".")
    return environment.get_template("page.html.j2").render(
        generator=GENERATOR,
        title=TITLE,
        summary=summary,
        missing=MISSING,
        run_header=RUN_HEADER,
        run_rows=_run_rows(entries),
        tables=tables,
        figures=[_shown(figure) for figure in figures],
    )


def _run_rows(entries: Sequence[RunEntry]) -> list[list[str]]:
    return [
        [
            model_label(model),
            label_of(method),
            *(_seeds(of_method, needed) for needed in ("seed", "training", "evaluation")),
        ]
        for model in models_of(entries)
        for method in methods_of(of_model(entries, model))
        for of_method in [[e for e in of_model(entries, model) if e.method == method]]
    ]


def _seeds(entries: Sequence[RunEntry], needed: str) -> str:
    """The seeds of the entries that have what is needed."""
    having = [e.seed for e in entries if needed == "seed" or getattr(e, needed)]
    return " ".join(map(str, sorted(having))) or MISSING


def _shown(figure: Figure) -> dict[str, Any]:
    source = base64.b64encode(figure.svg).decode() if figure.svg else ""
    return {
        "key": figure.key,
        "title": figure.title,
        "caption": figure.caption,
        "missing": figure.missing,
        "notes": figure.notes,
        "source": f"data:image/svg+xml;base64,{source}",
    }
