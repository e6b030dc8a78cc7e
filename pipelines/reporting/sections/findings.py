"""What is worth a look, by kind: each with the records that it is about, which lead back here."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.judging.findings import KINDS
from pipelines.reporting import choice
from pipelines.reporting.finished import Finding, Finished
from pipelines.reporting.listing import Listing
from schemas import pages
from schemas.pages import Note, Section

SHOWN = 12  # findings of a kind
SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Group:
    """Findings of a kind: the first of them; `way` leaves those records out."""

    kind: str
    anchor: str
    severity: str
    number: int
    shown: Sequence[Finding]
    way: str


def kinds(listing: Listing) -> list[str]:
    """Kinds that there are, the gravest first, then the most frequent; the page names them by their place here."""
    counts: dict[str, list[str]] = {}
    for finding in listing.findings:
        counts.setdefault(finding.kind, []).append(finding.severity)
    return sorted(counts, key=lambda kind: (_rank(min(counts[kind], key=_rank)), -len(counts[kind]), kind))


def severities(listing: Listing) -> dict[str, str]:
    """Kind → its gravest severity."""
    gravest: dict[str, str] = {}
    for finding in listing.findings:
        gravest[finding.kind] = min(gravest.get(finding.kind, finding.severity), finding.severity, key=_rank)
    return gravest


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def section(finished: Finished, listing: Listing, location: str, pictured: Sequence[int]) -> Section:
    if not listing.findings:
        return Section("Findings", [Note("Nothing was found.")], id="findings", count=0)
    shown = {listing.ids[index] for index in pictured}
    gravest = severities(listing)
    groups = []
    for number, kind in enumerate(kinds(listing)):
        members = [finding for finding in listing.findings if finding.kind == kind]
        first = sorted(members, key=lambda one: (_rank(one.severity), one.record_id not in shown))[:SHOWN]
        way = _way(kind, location) if gravest[kind] != "info" else ""
        groups.append(Group(kind, f"finding-{number}", gravest[kind], len(members), first, way))
    parts = [pages.fragment("pipelines", "findings.html.j2", groups=groups)]
    intro = "A picture leads to its record, a record back to its findings. What is only “info” is nothing to mend."
    return Section("Findings", parts, intro, "findings", len(listing.findings))


def _way(kind: str, location: str) -> str:
    """The command that leaves such records out; none for a kind that this version doesn't know."""
    if kind not in KINDS:
        return ""
    output = shlex.quote(f"{location.rstrip('/')}-selected")
    return f"python -m pipelines.select {shlex.quote(location)} --drop-findings {kind} --output {output}"


def duplicates(listing: Listing) -> Section | None:
    """Groups of images that are nearly equal, or stand in two splits, side by side; None where there are none."""
    groups = choice.groups(listing)
    if not groups:
        return None
    members = [[listing.findings[number] for number in group] for group in groups]
    total = len({one.group for one in listing.findings if one.kind in choice.GROUPED and one.group})
    parts = [pages.fragment("pipelines", "duplicates.html.j2", groups=members, total=total)]
    intro = "The first of a group stands for the others, which --drop-findings near_duplicate leaves out."
    return Section("Near-duplicates", parts, intro, "duplicates", total)
