"""Pictures at full size in a folder beside the page: the bytes that the shards hold, under names of our own."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.reporting import reading
from pipelines.reporting.listing import Listing
from schemas import codecs, fields
from schemas.cli.flags import UsageError
from schemas.folders import Folder

MARK = "_report.json"  # says that the folder is a report's, so that a later one may replace what is in it
_OURS = re.compile(r"\d{6,}-[a-z0-9_]+\.(jpg|png|webp)")
_ENDINGS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp"}


@dataclass(frozen=True)
class Beside:
    """`PAGE_pictures` beside `PAGE.html`."""

    place: Folder
    page: str

    @property
    def name(self) -> str:
        return f"{self.page.removesuffix('.html')}_pictures"

    def write(self, folder: Folder, listing: Listing, indices: Sequence[int]) -> dict[int, dict[str, str]]:
        """Index of a record → title of a main picture → its address. Pictures of an earlier report go.

        Raises UsageError, with nothing written, where the folder is there and somebody else's.
        """
        self._begin()
        photos = listing.kind.photos

        def written(index: int, row: reading.Row, schema: pa.Schema) -> dict[str, str]:
            present = [name for name in photos if row.get(name) and fields.is_picture(schema.field(name))]
            named = {name: self._written(f"{index:06d}-{name}", row[name]["bytes"]) for name in present}
            return {name: address for name, address in named.items() if address}

        done = reading.each(folder, listing, indices, written, photos)
        return {index: titles for index, titles in done.items() if titles}

    def _written(self, stem: str, data: bytes) -> str:
        """The address; "" for bytes that are no picture which browsers show."""
        try:
            picture = codecs.open_picture(data)
        except codecs.CodecError:
            return ""
        ending = _ENDINGS.get(picture.format or "")
        if ending is None:
            return ""
        self.place.write(f"{self.name}/{stem}.{ending}", data)
        return f"{self.name}/{stem}.{ending}"

    def _begin(self) -> None:
        files = self.place.files(self.name)
        if files and MARK not in files:
            raise UsageError(f"{self.name} is there already and no report's; allowed is another --output")
        for name in files:
            if _OURS.fullmatch(name):
                self.place.remove(f"{self.name}/{name}")
        self.place.make(self.name)
        self.place.write(f"{self.name}/{MARK}", json.dumps({"page": self.page}).encode())
