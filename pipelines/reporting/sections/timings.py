"""What the workers spent their time on."""

from pipelines.reporting.finished import Finished
from schemas.pages import Bar, Charts, Histogram, Note, Section, Table


def section(finished: Finished) -> Section:
    if not finished.seconds:
        return Section("Timings", [Note("The shards came without receipts, which hold the timings.")], id="timings")
    records = finished.manifest["counts"]["records"]
    spent = sorted(finished.seconds.items(), key=lambda item: (-item[1], item[0]))
    bars = [Bar(name, seconds, f"{name}: {seconds:,.1f} s") for name, seconds in spent]
    rows = [(name, round(s, 2), round(1000 * s / records, 1) if records else None) for name, s in spent]
    table = Table("Seconds of all workers together", ("annotator", "seconds", "ms per record"), rows)
    return Section("Timings", [Charts([Histogram("seconds", bars, across=True)]), table], id="timings")
