"""The folder of a training run.

config.json          what was trained: model, configuration, start, data, settings
model/               the final weights, as the model saves them
base/                the random networks beneath them, where no published ones were given (`--tiny`)
checkpoints/step-N/  what resuming needs
validation/          pictures
log.jsonl            losses; the only place where seconds stand
README.md            the card
"""

import json
import math
from pathlib import Path
from typing import Any

from schemas.cli.flags import UsageError
from schemas.folders import atomic, names

# Of config.json: what may not differ between the parts of one run. Folders may move, so data counts by its digest.
_SAME = ("model", "config", "start", "data", "records", "training")
_FREE = ("training.steps",)


class Run:
    """Paths and the log of one run; only one process may write."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config, self.log_file, self.card = (self.path / name for name in ("config.json", "log.jsonl", "README.md"))
        self.model, self.base, self.checkpoints = (self.path / name for name in ("model", "base", "checkpoints"))
        self.validation, self.trackers = self.path / "validation", self.path / "trackers"

    def described(self) -> dict[str, Any] | None:
        """config.json. Raises UsageError for one that can't be read."""
        if not self.config.is_file():
            return None
        try:
            return dict(json.loads(self.config.read_bytes()))
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.config} is unreadable ({error}); allowed is --overwrite") from None

    def check_same(self, wanted: dict[str, Any]) -> None:
        """Raises UsageError naming the first setting in which the folder's run differs from the wanted one."""
        held = self.described() or {}
        if not held:
            return
        old, new = _flat({key: held.get(key) for key in _SAME}), _flat({key: wanted.get(key) for key in _SAME})
        for key in sorted(set(old) | set(new)):
            if key not in _FREE and old.get(key) != new.get(key):
                raise UsageError(
                    f"{self.path} holds a run with {key} {old.get(key)!r}, this one has {new.get(key)!r};"
                    " allowed are the same flags, another --output, or --overwrite"
                )

    def check_ours(self) -> None:
        """Raises UsageError for a folder that holds something else than a run."""
        if self.config.is_file() or not self.path.is_dir():
            return
        if any(not names.is_temporary(path.name) for path in self.path.iterdir()):
            raise UsageError(f"--output {self.path} is not empty and no training run; allowed is another folder")

    def start(self, description: dict[str, Any], finished_steps: int, anew: bool = False) -> None:
        """Describes the run, and forgets what a killed process did after its last checkpoint; `anew`, everything."""
        if anew:
            self.clear()
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in (self.path, self.checkpoints, self.validation):
            atomic.sweep(folder)
        atomic.write_json(self.config, description)
        kept = [line for line in self._lines() if json.loads(line)["step"] <= finished_steps]
        atomic.write(self.log_file, "".join(f"{line}\n" for line in kept).encode())

    def clear(self) -> None:
        """Removes what a run writes, and nothing else."""
        for folder in (self.model, self.base, self.checkpoints, self.validation, self.trackers):
            atomic.remove_folder(folder)
        for path in (self.card, self.log_file, self.config):
            path.unlink(missing_ok=True)

    def log(self, entry: dict[str, Any]) -> None:
        """A line of log.jsonl; numbers that aren't finite become null."""
        finite = {key: _finite(value) for key, value in entry.items()}
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite, allow_nan=False) + "\n")

    def _lines(self) -> list[str]:
        """Whole lines only: the last one may have been cut by a kill."""
        if not self.log_file.is_file():
            return []
        return self.log_file.read_text(encoding="utf-8").split("\n")[:-1]


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
