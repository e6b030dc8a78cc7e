"""Turns a published checkpoint into a run of ours, or a run into files that the original repository reads."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import vton_models
from schemas import package
from schemas.cli import flags
from schemas.cli.flags import UsageError, flag, one_line
from vton_models.command_line import model_flags
from vton_models.training.run_folder import Run

PROG = "python -m vton_models convert"
EXAMPLES = """\
  python -m vton_models convert catvton --from output/train/catvton --to official/attention/model.safetensors
  python -m vton_models convert catvton --from mix-48k-1024 --height 1024 --width 768 --to output/mix \\
      --base stable-diffusion-inpainting"""


@dataclass(frozen=True)
class Flags:
    """Flags of this command."""

    source: str
    target: str
    base: str = flag("", help="the base beneath published weights, noted in the run", metavar="PATH")
    tiny: bool = flag(False, help="the size of --tiny in train")


def main(arguments: Sequence[str]) -> int:
    """The exit code. Raises UsageError."""
    if not arguments or arguments[0] in ("-h", "--help"):
        parser().print_help()
        return 0
    module, name = model_flags.named(arguments), arguments[0]
    values = parser(module, name).parse_args(list(arguments[1:]))
    given = Flags(values.source, values.target, values.base, values.tiny)
    options = model_flags.given_options(values, module.Config)
    source, target = Path(given.source), Path(given.target)
    if not source.exists():
        raise UsageError(f"--from {source}: no such file or folder")
    if target.exists():
        raise UsageError(f"--to {target} exists; nothing is overwritten")
    if (source / "config.json").is_file() and "model" in (described := Run(source).described() or {}):
        if described["model"] != name:
            raise UsageError(f"--from {source} holds model {described['model']!r}; allowed is {name!r}")
        if options or given.tiny:
            raise UsageError("a run has its own configuration; allowed beside it are --to and --base")
        return to_official(module, described, source, target, given.base)
    config = model_flags.configure(module, None, given.tiny, options)
    return to_run(name, module, config, source, target, given.base)


def parser(module: ModuleType | None = None, name: str = "MODEL") -> flags.Parser:
    about = f"models: {', '.join(vton_models.names())}" if module is None else str(module.__doc__)
    made = flags.parser(f"{PROG} {name}", f"{__doc__}\n\n{about}", EXAMPLES)
    required = module is not None
    made.add_argument("--from", dest="source", required=required, metavar="PATH", help="a run, or published weights")
    made.add_argument("--to", dest="target", required=required, metavar="PATH", help="what to write; must not exist")
    own = {item.name for item in fields(Flags)} - {"source", "target"}
    flags.add_flags(made, Flags, only=lambda item: item.name in own)
    if module is not None:
        model_flags.add_options(made, module.Config)
    return made


def to_run(name: str, module: ModuleType, config: Any, source: Path, target: Path, base: str) -> int:
    """A run without history, which `sample` and `synthesize` read."""
    from schemas.folders import atomic
    from vton_models.networks import weights

    model = outline(module, config)
    try:
        model.load_official(source)
    except ValueError as error:
        raise UsageError(f"--from {source}: {one_line(error)}") from None
    noted = {"path": base or module.ABOUT.base.partition(",")[0], "digest": ""}
    described = {
        "model": name,
        "config": weights.config_to_json(config),
        "base": noted,
        "package": package.described(),
        "start": {"base": noted["path"], "official": source.name, "run": ""},
    }
    with atomic.new_folder(target) as folder:
        atomic.write_json(folder / "config.json", described)
        model.base = noted
        model.save(folder / "model", extra={"package": described["package"], "start": described["start"]})
    return report(target, model, "a run")


def to_official(module: ModuleType, described: dict[str, Any], source: Path, target: Path, base: str) -> int:
    """Where only self-attention was trained, its base isn't needed; else the whole network is written."""
    from vton_models.networks import weights
    from vton_models.training import loading

    try:
        config = weights.config_from_json(module.Config, described["config"])
        if getattr(config, "trainable", "") == "self_attention":
            model = outline(module, config)
            load_trained(model, Run(source))
        else:
            _, model, _ = loading.load(source, base)
    except ValueError as error:
        raise UsageError(f"--from {source}: {one_line(error)}") from None
    model.save_official(target)
    return report(target, model, "the published layout")


def outline(module: ModuleType, config: Any) -> Any:
    """A model whose trained networks have memory but no values yet, so that only what is read costs anything."""
    import torch

    with torch.device("meta"):
        model = module.build(config)
    for name in {name.partition(".")[0] for name in model.trainable()}:
        network = model.networks[name]
        trained = {key: value.requires_grad for key, value in network.named_parameters()}
        network.to_empty(device="cpu")
        for key, value in network.named_parameters():
            value.requires_grad_(trained[key])
    return model


def load_trained(model: Any, run: Run) -> None:
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


def report(target: Path, model: Any, what: str) -> int:
    trained = model.trainable().values()
    tensors, numbers = len(trained), sum(one.numel() for one in trained)
    print(f"{target}: {what}, {tensors} trained tensors, {numbers:,} parameters", file=sys.stderr)
    print(json.dumps({"output": str(target), "model": model.name, "tensors": tensors, "parameters": numbers}))
    return 0
