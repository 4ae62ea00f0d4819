# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The report's page: one HTML file that holds everything. It has no links, dates or paths."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

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

GENERATOR = "hpt.report"  # the former name; with a new one, older pages would not be recognised
TITLE = "Hybrid Post-Training: report"
PICTURE = "data:image/svg+xml;charset=utf-8,"
_AS_IT_IS = " <>=/:;,.()-'!?@[]"
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
    summary = counted + (f". Figures that lack inputs: {missing}." if missing else ".")
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
    """The seeds of the entries that have what ``needed`` names."""
    having = [e.seed for e in entries if needed == "seed" or getattr(e, needed)]
    return " ".join(map(str, sorted(having))) or MISSING


def _shown(figure: Figure) -> dict[str, Any]:
    # A browser drops line ends in an address. Base64 would be a third longer than text.
    picture = figure.svg.decode().replace("\n", " ").replace('"', "'") if figure.svg else ""
    return {
        "key": figure.key,
        "title": figure.title,
        "caption": figure.caption,
        "missing": figure.missing,
        "notes": figure.notes,
        "source": Markup(PICTURE + quote(picture, safe=_AS_IT_IS)),  # quote leaves no " and no &
    }
