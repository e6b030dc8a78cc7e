"""The files of a build that go to the hub: the shards that its manifest names, its tables, pictures and card."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow as pa

from pipelines.sharing import card, examples
from schemas import shards
from schemas.cli.flags import UsageError
from schemas.finished import manifest as manifests
from schemas.finished import shard_list, tables
from schemas.finished.manifest import Manifest, Shard
from schemas.folders import Entry, Folder
from schemas.hub import uploading
from schemas.hub.licences import Licence
from schemas.hub.uploading import Upload

README = "README.md"


def of_build(folder: Folder, manifest: Manifest, licence: Licence) -> list[Upload]:
    """Shards first, and last the manifest, which tells that all are there. Raises UsageError for a damaged folder."""
    present = folder.files()
    names = [shard.name for shard in manifest.shards]
    if not names:
        raise UsageError(f"{folder} holds no shard; allowed is a build with records")
    manifests.check_sizes(folder, manifest.shards, present)
    shard_list.check_complete(folder, names)
    drawn = examples.draw(folder)
    readme = card.render(manifest.content, _schema(folder, names[0]), licence, drawn)
    return [
        *(_shard(folder, shard) for shard in manifest.shards),
        *(uploading.of_bytes(example.name(number), example.jpeg) for number, example in enumerate(drawn, start=1)),
        *_tables(folder, present),
        uploading.of_bytes(README, readme.encode()),
        uploading.of_bytes(manifests.NAME, folder.read(manifests.NAME)),
    ]


def _shard(folder: Folder, shard: Shard) -> Upload:
    def checked() -> AbstractContextManager[Path]:
        return _checked(folder, shard)

    return Upload(shard.name, shard.bytes, shard.sha256, checked)


@contextmanager
def _checked(folder: Folder, shard: Shard) -> Iterator[Path]:
    """Its path on this machine. Raises manifests.Damaged where its bytes aren't those that the manifest tells of."""
    with folder.local(shard.name) as path:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != shard.sha256:
            raise manifests.Damaged(f"{shard.name}: {manifests.CHANGED}; `python -m pipelines.validate` tells more")
        yield path


def _tables(folder: Folder, present: Mapping[str, Entry]) -> Iterator[Upload]:
    for name in (tables.FINDINGS_FILE, tables.REJECTS_FILE):
        if name in present:
            yield uploading.of_bytes(name, folder.read(name))


def _schema(folder: Folder, name: str) -> pa.Schema:
    with folder.open(name) as file:
        return shards.ShardReader(file, name).schema


def is_owned(name: str) -> bool:
    """Whether no other file of such a name may lie in the repository: `load_dataset` would read it along."""
    return shard_list.is_shard(name)
