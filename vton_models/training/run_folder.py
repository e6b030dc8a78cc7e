"""The folder of a training run.

config.json          what was trained: model, configuration, start, data, settings
model/               the final weights, as the model saves them
base/                the random networks beneath them, where no published ones were given (`--tiny`)
beneath.safetensors  what lay over the base and isn't trained: beneath adapters, or of a start that had trained more
pair/                of a run of `customize`: the shard of its one record
checkpoints/step-N/  what resuming needs
validation/          pictures
log.jsonl            losses; seconds and memory stand here and in run.html alone
run.html             all of it to look at: curves, pictures over time, speed, settings, lineage
loss.png             their curve
samples.png          results of the trained model
README.md            the card
"""

import json
import math
from pathlib import Path
from typing import Any

from schemas.cli.flags import UsageError
from schemas.folders import atomic, owned, sameness
from schemas.folders.owned import Owned

# Of config.json: what may not differ between the parts of one run. Folders may move, so data counts by its digest.
_SAME = ("model", "config", "lora", "start", "data", "records", "training")
_FREE = ("training.steps",)
# All that a run writes beside config.json; states first, so that no half-deleted checkpoint is ever taken for one.
_NAMES = (
    *(f"checkpoints/step-*/{name}" for name in ("state.json", "*.safetensors")),
    *(f"model/{name}" for name in ("*.safetensors", "config.json", "README.md")),
    *(f"base/{folder}*.{ending}" for folder in ("", "*/") for ending in ("safetensors", "json", "txt")),
    *(
        "beneath.safetensors",
        "validation/step-*.png",
        "trackers/**/events.out.tfevents.*",
        "log.jsonl",
        "loss.png",
        "samples.png",
        "run.html",
        "README.md",
    ),
)


class Run:
    """Paths and the log of one run; only one process may write."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config, self.log_file, self.card = (self.path / name for name in ("config.json", "log.jsonl", "README.md"))
        self.model, self.base, self.checkpoints = (self.path / name for name in ("model", "base", "checkpoints"))
        self.beneath = self.path / "beneath.safetensors"
        self.curve, self.samples = self.path / "loss.png", self.path / "samples.png"
        self.page = self.path / "run.html"
        self.validation, self.trackers = self.path / "validation", self.path / "trackers"
        self.pair = self.path / "pair"
        self.owned = Owned(self.path, "train", "training run", _NAMES, beforehand=("pair",))

    def described(self) -> dict[str, Any] | None:
        """config.json of a run to read; None without one. Raises UsageError for one that isn't a run's."""
        if not self.config.is_file():
            return None
        described = owned.described(self.path)
        if described is None or not isinstance(described.get("model"), str) or "config" not in described:
            raise UsageError(f"{self.config} describes no training run; allowed is the folder of one")
        return described

    def check_same(self, held: dict[str, Any], asked: dict[str, Any]) -> None:
        """Raises UsageError naming the first setting in which the folder's run differs from the one asked for."""
        old, new = (_flat({key: config.get(key) for key in _SAME}) for config in (held, asked))
        old, new = ({key: value for key, value in flat.items() if key not in _FREE} for flat in (old, new))
        sameness.check(self.path, self.owned.title, old, new, sameness.OR_REPLACED)

    def held(self) -> dict[str, Any] | None:
        """config.json of the run that the folder holds; None where there is none yet.

        Raises UsageError for a folder that isn't a run's to write, or whose inner folders, which are replaced as a
        whole, hold something else.
        """
        described = self.owned.held()
        for folder in (self.model, self.base, *self.checkpoints.glob("step-*")) if described else ():
            for stranger in self.owned.strangers(folder):
                raise UsageError(f"{stranger} was not made by this command; allowed is to move it out of {folder}")
        return described

    def start(self, description: dict[str, Any], finished_steps: int, anew: bool = False) -> None:
        """Describes the run, and forgets what was done after its last whole checkpoint; `anew`, everything."""
        if anew:
            self.owned.clear()
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in (self.path, self.checkpoints, self.validation):
            atomic.sweep(folder)
        atomic.write_json(self.config, description | self.owned.mark)
        kept = [line for line in self._lines() if 0 <= _step(line) <= finished_steps]
        atomic.write(self.log_file, "".join(f"{line}\n" for line in kept).encode())
        for picture in self.sheets():
            if int(picture.stem.removeprefix("step-")) > finished_steps:
                picture.unlink()

    def sheet(self, step: int) -> Path:
        """Where pictures that are made after a step lie."""
        return self.validation / f"step-{step:08d}.png"

    def sheets(self) -> list[Path]:
        """Pictures that were made in training, by step."""
        return sorted(path for path in self.validation.glob("step-*.png") if path.stem[5:].isdecimal())

    def log(self, entry: dict[str, Any]) -> None:
        """A line of log.jsonl; numbers that aren't finite become null."""
        finite = {key: _finite(value) for key, value in entry.items()}
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite, allow_nan=False) + "\n")

    def entries(self) -> list[dict[str, Any]]:
        """Those of log.jsonl."""
        return [json.loads(line) for line in self._lines() if _step(line) >= 0]

    def _lines(self) -> list[str]:
        """Whole lines only: the last one may have been cut by a kill."""
        if not self.log_file.is_file():
            return []
        return self.log_file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]


def _step(line: str) -> int:
    """Of a line of log.jsonl; -1 for one that is none."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return -1


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} → {"a.b": 1}; lists become strings."""
    if not isinstance(value, dict):
        return {prefix: json.dumps(value, sort_keys=True) if isinstance(value, list) else value}
    flat: dict[str, Any] = {}
    for key, member in value.items():
        flat |= _flat(member, f"{prefix}.{key}" if prefix else key)
    return flat
