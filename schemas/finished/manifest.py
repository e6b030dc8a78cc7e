"""manifest.json: what a finished build says of itself."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NotRequired, TypedDict

from schemas import json_shape, json_text, package, record
from schemas.cli.flags import UsageError
from schemas.finished import shard_list
from schemas.folders import Entry, Folder, InputFolder
from schemas.messages import printable

NAME = "manifest.json"
CHANGED = f"sha256 differs from {NAME}"  # of a shard
_DESCRIBED = ("command", "dataset", "package", "configuration", "annotators", "fingerprint", "source_build")


class _Listed(TypedDict):
    name: str
    split: NotRequired[str | None]
    rows: NotRequired[int]
    bytes: int
    sha256: str


class _Package(TypedDict):
    name: str
    version: str


class _Column(TypedDict):
    type: NotRequired[str]
    origins: dict[str, int]
    empty: NotRequired[int]


class _Counts(TypedDict):
    records: int
    records_by_split: dict[str, int]
    rejects: int
    findings_by_kind: dict[str, int]
    declined: NotRequired[dict[str, int]]


# What builds write; keys that others add may hold anything.
_SHAPE = {
    "kind": str,
    "package": _Package,
    "dataset": str | None,
    "command": str,
    "configuration": dict[str, Any],
    "columns": dict[str, _Column],
    "shards": list[_Listed],
    "counts": _Counts,
    "annotators": dict[str, Any],
    "libraries": dict[str, Any],
    "fingerprint": str,
    "source_build": dict[str, Any],
}


@dataclass(frozen=True)
class Shard:
    """A shard as the manifest lists it; `rows` is 0 where the manifest doesn't say."""

    name: str
    split: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The content of manifest.json, and the sha256 of the file."""

    content: Mapping[str, Any]
    sha256: str

    @property
    def shards(self) -> tuple[Shard, ...]:
        """In order."""
        return tuple(map(_listed, self.content["shards"]))

    @property
    def configuration(self) -> Mapping[str, Any]:
        return dict(self.content.get("configuration") or {})

    def described(self) -> dict[str, Any]:
        """The account of the build that made the shards, and of those before it: what a later manifest keeps of it."""
        return {name: self.content[name] for name in _DESCRIBED if name in self.content}


def _listed(shard: Mapping[str, Any]) -> Shard:
    name = shard["name"]
    split = shard.get("split") or shard_list.split_of(name)
    return Shard(name, split, shard.get("rows", 0), shard["bytes"], shard["sha256"])


def look(folder: Folder) -> tuple[Manifest | None, str]:
    """The manifest, or what is wrong with it: "is missing …", "is damaged …", "names …"."""
    try:
        data = folder.read(NAME)
        content = json_shape.parse(data)
    except FileNotFoundError:
        return None, "is missing: the build was not finished"
    except (OSError, ValueError) as error:
        return None, f"is damaged ({type(error).__name__})"
    fault = _fault(content)
    return (None, fault) if fault else (Manifest(content, hashlib.sha256(data).hexdigest()), "")


def _fault(content: Any) -> str:
    """What no build writes; "" for a manifest that can be relied on."""
    if not isinstance(content, dict):
        return "is damaged: it holds no object"
    misfit = json_shape.misfit(content, _SHAPE)
    if misfit or "shards" not in content:
        return f"is damaged: {misfit or 'it lists no shards'}"
    listed: set[str] = set()
    for shard in content["shards"]:
        name, split = shard["name"], shard.get("split")
        if not shard_list.is_shard(name):
            return f"names {printable(name)!r}, which is no shard's name"
        if split and split != shard_list.split_of(name):
            return f"says split {printable(split)!r} of {name}; allowed is the one in its name"
        if name in listed:
            return f"lists {name} twice"
        listed.add(name)
    return ""


def read(folder: Folder, needed: Sequence[str] = ()) -> Manifest:
    """Raises UsageError for a folder without a readable manifest, and for one that lacks a `needed` key."""
    manifest, fault = look(folder)
    lacking = sorted(set(needed) - set(manifest.content)) if manifest else []
    if manifest is None or lacking:
        fault = fault or f"lacks {lacking[0]}"
        raise UsageError(f"{folder} has no readable {NAME}, it {fault}; allowed is a finished build")
    return manifest


def check_sizes(
    folder: object, listed: Iterable[Shard], present: Mapping[str, Entry], names: Iterable[str] = ()
) -> None:
    """Raises UsageError where a listed shard is absent or of another size, and where one of `names` isn't listed."""
    sizes = {shard.name: shard.bytes for shard in listed}
    for name in sorted({*sizes, *names}):
        if name not in present or sizes.get(name) != present[name].size:
            raise UsageError(f"{folder}: {name} isn't as {NAME} says; `python -m pipelines.validate` tells more")


class Damaged(UsageError):
    """A shard whose bytes have changed since it was made: nothing may be made of it."""


def check_digest(folder: InputFolder, name: str, sha256: str) -> None:
    """Raises Damaged, naming the shard, where its bytes aren't those that the manifest tells of."""
    if folder.sha256(name) != sha256:
        raise Damaged(f"{name}: {CHANGED}; `python -m pipelines.validate` tells more")


@dataclass(frozen=True)
class Account:
    """What a build did, as far as every manifest tells it alike."""

    kind: str
    dataset: str | None
    command: str
    configuration: Mapping[str, Any]
    types: Mapping[str, str]  # column → Arrow type, in the order of the shards
    shards: Sequence[Shard]
    origins: Iterable[Mapping[str, Mapping[str, int]]]  # of each shard: column → origin → records
    rejects: Sequence[Mapping[str, Any]]
    findings: Iterable[Mapping[str, Any]]
    annotators: Mapping[str, Any]
    libraries: Sequence[str]
    fingerprint: str
    repeated_lines: int = 0
    empty: Mapping[str, int] | None = None  # column → records without it; None: not counted
    declined: Mapping[str, int] = field(default_factory=dict)  # rule → candidates that it turned down


def compose(account: Account, **more: Any) -> dict[str, Any]:
    """The content of manifest.json; `more` adds keys that only some builds have."""
    return {
        "schema_version": record.SCHEMA_VERSION,
        "kind": account.kind,
        "package": package.described(),
        "dataset": account.dataset,
        "command": account.command,
        "configuration": dict(account.configuration),
        "columns": _columns(account),
        "shards": [asdict(shard) for shard in account.shards],
        "counts": _counts(account),
        "annotators": dict(account.annotators),
        "libraries": package.versions(account.libraries),
        "fingerprint": account.fingerprint,
        **more,
    }


def write(folder: Folder, content: Mapping[str, Any]) -> None:
    folder.write(NAME, f"{json_text.pretty(content)}\n".encode())


def _columns(account: Account) -> dict[str, dict[str, Any]]:
    origins: dict[str, Counter[str]] = {}
    for of_shard in account.origins:
        for column, counted in of_shard.items():
            origins.setdefault(column, Counter()).update(counted)
    return {
        name: {"type": type_, "origins": dict(sorted(origins.get(name, {}).items()))}
        | ({} if account.empty is None else {"empty": account.empty.get(name, 0)})
        for name, type_ in account.types.items()
    }


def _counts(account: Account) -> dict[str, Any]:
    records: Counter[str] = Counter()
    for shard in account.shards:
        records[shard.split] += shard.rows
    return {
        "records": sum(records.values()),
        "records_by_split": dict(sorted(records.items())),
        "rejects": len(account.rejects),
        "rejects_by_stage": dict(sorted(Counter(row["stage"] for row in account.rejects).items())),
        "findings_by_kind": dict(sorted(Counter(row["kind"] for row in account.findings).items())),
        "repeated_lines": account.repeated_lines,
        **({"declined": dict(sorted(account.declined.items()))} if account.declined else {}),
    }
