"""Turns a published checkpoint into a run of ours, a run into files that the original repository reads, or bases of
single networks into one folder of them all.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas import package
from schemas.cli.flags import UsageError, flag, one_line
from schemas.folders import places
from schemas.messages import counted
from vton_models.command_line import model_flags
from vton_models.system import Config, Model, System
from vton_models.training.run_folder import Run

PROG = "python -m vton_models convert"
EXAMPLES = """\
  python -m vton_models convert catvton --from output/train/catvton --to official/attention/model.safetensors
  python -m vton_models convert catvton --from mix-48k-1024 --height 1024 --width 768 --to output/mix \\
      --base stable-diffusion-inpainting
  python -m vton_models convert catvton --from base:stable-diffusion-inpainting,vae=sd-vae-ft-mse --to bases/catvton"""


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    source: str = flag(
        help="a run, published weights, or base:BASE as for `train --init`", metavar="PATH|base:BASE", name="from"
    )
    target: str = flag(help="what to write; must not exist", metavar="PATH", name="to")
    base: str = flag("", help="the base beneath published weights, noted in the run", metavar="PATH")
    tiny: bool = flag(False, help="the size of --tiny in train")


def main(arguments: Sequence[str]) -> int:
    """The exit code. Raises UsageError."""
    line = model_flags.parse(arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    from vton_models.networks import hub

    source, target = Path(line.flags.source), Path(line.flags.target)
    if os.path.lexists(target):
        raise UsageError(f"--to {target} exists; nothing is overwritten")
    places.writable("--to", line.flags.target)
    if line.flags.source.startswith("base:"):
        config = model_flags.configure(line.module, None, line.flags.tiny, line.options)
        return to_base(line.name, config, line.flags.source.removeprefix("base:"), target)
    if hub.is_id(line.flags.source):
        source = hub.run(line.flags.source)
    if not source.exists():
        raise UsageError(f"--from {source}: no such file or folder")
    if (source / "config.json").is_file() and "model" in (described := Run(source).described() or {}):
        if described["model"] != line.name:
            raise UsageError(f"--from {source} holds model {described['model']!r}; allowed is {line.name!r}")
        if line.options or line.flags.tiny:
            raise UsageError("a run has its own configuration; allowed beside it are --to and --base")
        return to_official(line.module, described, source, target, line.flags.base)
    config = model_flags.configure(line.module, None, line.flags.tiny, line.options)
    return to_run(line.name, line.module, config, source, target, line.flags.base)


def to_run(name: str, system: System, config: Config, source: Path, target: Path, base: str) -> int:
    """A run without history, which `sample` and `synthesize` read.

    Published weights that hold all networks bring the base too, in the run's own folder, unless another is named.
    """
    from schemas.folders import atomic
    from schemas.folders.owned import CONFIG, Owned
    from vton_models.networks import weights

    model = outline(system, config)
    try:
        is_whole = not base and model.load_whole(source)
        if not is_whole:
            model.load_official(source)
    except ValueError as error:
        raise UsageError(f"--from {source}: {one_line(error)}") from None
    noted = model.base if is_whole else {"path": base or config.published_base, "digest": ""}
    described = {
        "model": name,
        "config": weights.config_to_json(config),
        "base": noted,
        "package": package.described(),
        "start": {"base": noted["path"], "official": source.name, "run": ""},
    }
    with atomic.new_folder(target) as folder:
        mark = Owned(target, "convert", "converted run", ()).mark
        atomic.write_json(folder / CONFIG, described | mark)
        model.base = noted
        model.save(folder / "model", extra={"package": described["package"], "start": described["start"]})
        if is_whole:
            model.save_base(Run(folder).base)
    return report(target, model, "a run")


def to_base(name: str, config: Config, words: str, target: Path) -> int:
    """One folder in the system's own layout; the files are copied as they are."""
    from vton_models.networks import bases
    from vton_models.training import loading

    loading.check_base(words, config.networks, f"--from base:{words}")
    copied = bases.lay(bases.parse(words), config.networks, target)
    print(f"{target}: a base of {', '.join(config.networks)}", file=sys.stderr)
    print(json.dumps({"output": str(target), "model": name, "networks": list(config.networks), "files": copied}))
    return 0


def to_official(system: System, described: dict[str, Any], source: Path, target: Path, base: str) -> int:
    """The base is loaded only where the published layout holds more than what the run stored; adapters are fused."""
    from vton_models.networks import lora, weights
    from vton_models.training import loading

    try:
        config: Config = weights.config_from_json(system.Config, described["config"])
        if config.official_needs_base or lora.of_note(described):
            _, model, _ = loading.load(source, base)
        else:
            model = outline(system, config)
            load_trained(model, Run(source))
    except ValueError as error:
        raise UsageError(f"--from {source}: {one_line(error)}") from None
    model.save_official(target)
    return report(target, model, "the published layout")


def outline(system: System, config: Config) -> Model:
    """A model whose trained networks have memory but no values yet, so that only what is read costs anything."""
    import torch

    with torch.device("meta"):
        model = system.build(config)
    for name in {name.partition(".")[0] for name in model.trainable()}:
        network = model.networks[name]
        trained = {key: value.requires_grad for key, value in network.named_parameters()}
        network.to_empty(device="cpu")
        for key, value in network.named_parameters():
            value.requires_grad_(trained[key])
    return model


def load_trained(model: Model, run: Run) -> None:
    """The final weights, or those of the newest checkpoint (averages where kept). Raises UsageError, ValueError."""
    from vton_models.training import checkpoints

    if run.model.is_dir():
        model.load(run.model)
        return
    newest = checkpoints.newest(run.checkpoints)
    if newest is None:
        raise UsageError(f"{run.path} has no checkpoint yet")
    averaged = newest / checkpoints.EMA
    checkpoints.load_weights(averaged if averaged.is_file() else newest / checkpoints.WEIGHTS, model.trainable())


def report(target: Path, model: Model, what: str) -> int:
    trained = model.trainable().values()
    tensors, numbers = len(trained), sum(one.numel() for one in trained)
    print(f"{target}: {what}, {counted(tensors, 'trained tensor')}, {numbers:,} parameters", file=sys.stderr)
    print(json.dumps({"output": str(target), "model": model.name, "tensors": tensors, "parameters": numbers}))
    return 0
