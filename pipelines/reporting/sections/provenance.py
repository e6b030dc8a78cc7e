"""Where values come from and what was done to them: a photo that was cut out or written again says so here."""

from collections.abc import Mapping
from typing import Any

from pipelines.reporting.finished import Finished
from pipelines.reporting.listing import Listing
from schemas.pages import Note, Section, Table
from schemas.pages.parts import Part

SHOWN = 80


def section(finished: Finished, listing: Listing) -> Section:
    rows = listing.provenance.to_pylist()
    noted = sorted(rows, key=lambda row: (row["column"] or "", -row["count_all"], row["note"] or ""))
    table = Table(
        "What the records say of their columns",
        ("column", "origin", "annotator", "what was done", "records"),
        [
            (
                r["column"],
                r["origin"],
                r["annotator"],
                r["note"] or ("as it was" if r["origin"] == "dataset" else ""),
                r["count_all"],
            )
            for r in noted[:SHOWN]
        ],
        total=len(noted),
    )
    parts: list[Part] = [table] if noted else [Note("No record says where its columns come from.")]
    annotators = finished.manifest.get("annotators") or {}
    models = [_model(name, told) for name, told in annotators.items() if isinstance(told, Mapping)]
    if models:
        parts.append(Table("Annotators", ("annotator", "settings", "weights", "licences", "sha256"), models))
    return Section("Provenance", parts, id="provenance")


def _model(name: str, told: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    settings = told.get("settings")
    words = "; ".join(f"{key}={value}" for key, value in settings.items()) if isinstance(settings, Mapping) else ""
    return name, words, _listed(told.get("weights")), _listed(told.get("licences")), str(told.get("weights_sha256", ""))


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else ""
