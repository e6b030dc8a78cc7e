"""What was rejected, by stage and reason; with the photo, where it is still what the build read."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.reporting.finished import Finished, Reject
from schemas import codecs, pages
from schemas.cli.flags import UsageError
from schemas.folders import InputFolder, open_input
from schemas.pages import Figure, Note, Section

SHOWN = 40  # rejects of one reason
PHOTOS = 40  # on the page
MOST_BYTES = 64 << 20  # of a file that is read for its picture
SIZE = (150, 200)


@dataclass(frozen=True)
class Group:
    """The rejects of one stage and error: the first of them, with their photos where these could be read."""

    stage: str
    error: str
    number: int
    shown: Sequence[tuple[Reject, Figure | None]]


def section(finished: Finished) -> Section:
    rejects = finished.rejects
    if not rejects:
        return Section("Rejects", [Note("Nothing was rejected.")], id="rejects", count=0)
    counted = Counter((reject.stage, reject.error) for reject in rejects)
    photos = _Photos(finished)
    groups = []
    for (stage, error), number in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        members = [reject for reject in rejects if (reject.stage, reject.error) == (stage, error)][:SHOWN]
        groups.append(Group(stage, error, number, [(reject, photos.of(reject)) for reject in members]))
    parts = [pages.fragment("pipelines", "rejects.html.j2", groups=groups)]
    return Section("Rejects", parts, _intro(finished, photos), "rejects", len(rejects))


def _intro(finished: Finished, photos: "_Photos") -> str:
    told = "Entries that became no record, and why. Those of a unit are tried again by --retry-rejects."
    if photos.shown:
        return f"{told} Photos are shown where they are still what the build read."
    return told


class _Photos:
    """Photos of rejects. A file is shown only if its bytes are those whose digest a unit noted: a folder of shards that
    somebody else made can't bring other files of this machine onto the page.
    """

    def __init__(self, finished: Finished) -> None:
        self.digests, self.shown = finished.digests, 0
        self.root = _root(finished)

    def of(self, reject: Reject) -> Figure | None:
        """None where there is no photo, it isn't the one that was read, or it is no picture."""
        digest = self.digests.get(reject.source)
        if self.root is None or digest is None or self.shown >= PHOTOS:
            return None
        try:
            if self.root.entry(reject.source).size > MOST_BYTES:
                return None
            data = self.root.read(reject.source)
            if hashlib.sha256(data).hexdigest() != digest:
                return None
            figure = pages.figure(reject.record_id, codecs.decode_image(data), SIZE, 76)
        except Exception:  # whatever a store or a library says of a file that was rejected
            return None
        self.shown += 1
        return figure


def _root(finished: Finished) -> InputFolder | None:
    location = finished.run.get("input")
    try:
        return open_input(location) if location and finished.digests else None
    except (UsageError, ValueError, OSError):
        return None
