"""README.md of a finished build: the YAML header that Hugging Face `datasets` reads."""

import json
import re
from collections.abc import Iterator, Sequence

from schemas.messages import printable


def header(name: str | None, tags: Sequence[str], splits: Sequence[str], extension: str) -> Iterator[str]:
    """Lines. The configs list the shards only, so that `load_dataset(folder)` finds no other file."""
    yield from ("---", f"pretty_name: {_quoted(name)}", "task_categories:", "- image-to-image", "tags:")
    yield from (f"- {tag}" for tag in tags)
    yield from ("configs:", "- config_name: default", "  data_files:")
    for split in splits:
        yield f"  - split: {_quoted(split)}"
        yield f"    path: {_quoted(f'{split}-*-of-*.{extension}')}"
    yield "---"


def _quoted(text: str | None) -> str:
    """A YAML string of one line, whatever the text: JSON's strings are YAML's where no character needs an escape."""
    return json.dumps(printable(str(text)), ensure_ascii=False)


def words(text: object) -> str:
    """Text from outside in a line or a cell of Markdown, of which it begins nothing new."""
    return re.sub(r"([\\`\[\]<>|])", r"\\\1", printable(str(text)))
