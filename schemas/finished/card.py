"""README.md of a finished build: the YAML header that Hugging Face `datasets` reads."""

from collections.abc import Iterator, Sequence


def header(name: str, tags: Sequence[str], splits: Sequence[str], extension: str) -> Iterator[str]:
    """Lines. The configs list the shards only, so that `load_dataset(folder)` finds no other file."""
    yield from ("---", f"pretty_name: {name}", "task_categories:", "- image-to-image", "tags:")
    yield from (f"- {tag}" for tag in tags)
    yield from ("configs:", "- config_name: default", "  data_files:")
    for split in splits:
        yield f"  - split: {split}"
        yield f'    path: "{split}-*-of-*.{extension}"'
    yield "---"
