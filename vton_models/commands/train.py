"""Trains a model from shards; run again after a kill, it goes on where it was."""

import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas import package
from schemas.cli import tables
from schemas.cli.flags import UsageError, one_line
from schemas.folders import places
from schemas.messages import counted, share
from vton_models.command_line import model_flags
from vton_models.system import Config, Model, Preset, System
from vton_models.training.run_folder import Run
from vton_models.training.settings import Cadence, Settings
from vton_models.training.settings import check as check_settings
from vton_models.training.train_flags import Flags, adapters, check_tools, hold_out, resolve

if TYPE_CHECKING:
    from accelerate import Accelerator

    from vton_models.networks.lora import Lora
    from vton_models.reading.dataset import ShardDataset
    from vton_models.training.checkpoints import Progress
    from vton_models.training.encodings import Reading
    from vton_models.training.loading import Start
    from vton_models.training.records import Chosen, Records
    from vton_models.training.validation import Pictures

PROG = "python -m vton_models train"
EXAMPLES = """\
  python -m vton_models train catvton --shards output/build_vitonhd --tiny
  python -m vton_models train catvton --shards shards --preset vitonhd --init base:stable-diffusion-inpainting \\
      --mixed-precision bf16 --memory medium --output output/run
  accelerate launch --num_processes 8 -m vton_models train catvton --shards A:0.2 B:0.8 --preset mix \\
      --init base:stable-diffusion-inpainting --init official:mix-48k-1024 --output output/run
  python -m vton_models train catvton --shards A --lora-rank 16 --learning-rate 1e-4 \\
      --init base:stable-diffusion-inpainting --init official:mix-48k-1024 --output output/lora
  python -m vton_models train catvton --help        the model's own flags, and its presets"""
_PRECISION = "ACCELERATE_MIXED_PRECISION"  # what `accelerate launch` was told


@dataclass(frozen=True)
class Request:
    """A checked command line."""

    name: str
    module: System
    config: Config
    preset: Preset | None
    flags: Flags
    adapters: "Lora | None"
    output: str
    processes: int


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 training can't go on. Raises UsageError before any work."""
    request = parse(arguments)
    from vton_models.training.loop import TrainingError

    try:
        return run(request)
    except TrainingError as error:
        if _is_first():
            print(f"{PROG}: {one_line(error)}", file=sys.stderr)
        return 1


def parse(arguments: Sequence[str]) -> Request:
    """Raises UsageError for everything that can be known without reading shards or weights."""
    line = model_flags.parse(
        arguments, Flags, prog=PROG, description=__doc__ or "", examples=EXAMPLES, about=_with_presets
    )
    name, module, flags = line.name, line.module, line.flags
    chosen = model_flags.preset(module, flags.preset)
    begun_from = _begun_from(flags, name, module)
    config = model_flags.configure(module, chosen, flags.tiny, line.options, begun_from)
    check_tools(flags, chosen)
    lora = adapters(flags)
    output = str(places.writable("--output", flags.output or f"output/train/{name}"))
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return Request(name, module, config, chosen, flags, lora, output, processes)


def _with_presets(module: System) -> str:
    return f"{module.__doc__}\n\npresets:\n{tables.aligned(model_flags.presets_table(module))}"


def _begun_from(flags: Flags, name: str, module: System) -> Any:
    """The Config of the run that `--init` names, if it names one. Raises UsageError for another model's run."""
    described = [run for word in flags.init if ":" not in word and (run := Run(word).described())]
    if not described:
        return None
    from vton_models.networks import weights

    if described[0]["model"] != name:
        raise UsageError(
            f"--init {' '.join(flags.init)} is a run of {described[0]['model']}; allowed are runs of {name}"
        )
    return weights.config_from_json(module.Config, described[0]["config"])


def run(request: Request) -> int:
    """Trains, the only run in its folder; the last line on stdout says what came out."""
    folder = Run(request.output)
    with folder.owned.locked("training") if _is_first() else nullcontext():
        return _run(request, folder)


def _is_first() -> bool:
    """Of the processes of one run."""
    return os.environ.get("RANK", "0") == "0"


def _run(request: Request, folder: Run) -> int:
    started = time.perf_counter()
    from vton_models.networks import compiling, threads
    from vton_models.reading import choosing
    from vton_models.training import checkpoints, loading, loop, records
    from vton_models.training.looking import Looking
    from vton_models.training.validation import Validation

    flags, earlier = request.flags, folder.held()
    held = None if flags.overwrite else earlier
    if earlier and flags.overwrite:
        check_kept(request, folder)
    settings = resolve(flags, request.preset, held, request.processes, os.environ.get(_PRECISION, "no"))
    cadence = make_cadence(flags, settings)
    check_settings(settings, cadence)
    check_device(flags.device, settings.mixed_precision)
    begin = loading.parse(flags.init, flags.tiny, request.config.networks)
    candidates = records.find(flags.shards, flags.split, flags.where)
    description = describe(request, settings, begin, candidates)
    if held is not None:
        folder.check_same(held, description)
    newest = None if flags.overwrite else checkpoints.newest(folder.checkpoints)
    done = checkpoints.step_of(newest) if newest else 0
    if newest and done >= settings.steps and folder.model.is_dir():
        return _finished(request, checkpoints.progress(newest), settings, started)

    threads.settle(flags.threads, flags.tiny)
    model = build_model(request, begin, None if flags.overwrite else folder, settings.mixed_precision)
    _check_base(folder, held, model)
    chosen = choose_records(request, settings, candidates)
    reading = choose_encodings(request, candidates, chosen, model)
    accelerator = make_accelerator(flags, settings, model, folder)
    dataset = make_dataset(request, chosen, reading, model, settings, accelerator)
    helpers = choosing.chosen(dataset, flags.workers, flags.reading_threads)
    dataset.threads = helpers.threads
    pictures = make_pictures(request, candidates, chosen, model, settings)
    validation = Validation(folder, pictures) if flags.validate_every else None
    description |= {"base": model.base, "package": package.described(), "counts": counts(chosen, reading)}
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        folder.start(description, done, anew=flags.overwrite)
        loading.save_start(request.module, model, folder, begin, request.adapters)
    accelerator.wait_for_everyone()
    if flags.tracker != "none":
        accelerator.init_trackers("vton_models", config=asdict(settings))
    looking = Looking(folder, request.module.ABOUT, accelerator, model, pictures)
    looking.start()
    foretell(accelerator, model, dataset, settings, done)
    if flags.compile:
        compiling.compile_networks(model, accelerator.device.type)
    progress = loop.train(accelerator, model, dataset, settings, cadence, folder, validation, helpers.workers, looking)
    if flags.compile and accelerator.is_main_process:
        print(compiling.told(), file=sys.stderr)
    if accelerator.is_main_process:
        finish(request, folder, model, progress, description)
        looking.end(progress.step)
        report(request, progress, settings, started)
    accelerator.end_training()
    return 0


def _finished(request: Request, progress: "Progress", settings: Settings, started: float) -> int:
    if _is_first():
        print(f"{request.output} is finished: {counted(progress.step, 'step')}; more --steps go on", file=sys.stderr)
        report(request, progress, settings, started)
    return 0


def check_kept(request: Request, folder: Run) -> None:
    """Raises UsageError where `--overwrite` would delete what the new run starts from."""
    for word in request.flags.init:
        location = word.partition(":")[2] if word.startswith(("base:", "official:")) else word
        if Path(os.path.realpath(location)).is_relative_to(os.path.realpath(folder.path)):
            raise UsageError(f"--overwrite would delete --init {word}; allowed is another --output")


def check_device(device: str, precision: str) -> None:
    """Raises UsageError for what this machine has not."""
    import torch

    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise UsageError("--device cuda, but there is no GPU here; allowed are auto, cpu")
    if precision == "fp16" and (device == "cpu" or not has_gpu):
        raise UsageError("--mixed-precision fp16 needs a GPU; allowed here are no, bf16")


def choose_records(request: Request, settings: Settings, candidates: "Records") -> "Chosen":
    """Raises UsageError for fewer than one step needs."""
    from vton_models.training import records

    chosen = records.choose(candidates, request.config, hold_out(request.flags), request.flags.seed)
    told = [chosen.view.told] if chosen.view.told else []
    if chosen.incomplete:
        lack = share(len(chosen.incomplete), candidates.count, "record", "lacks", "lack")
        told.append(f"{lack} one of {', '.join(chosen.view.needed)}: left out, see config.json")
    if chosen.without_room:
        small = share(len(chosen.without_room), candidates.count, "record", "has", "have")
        told.append(
            f"{small} a picture without room for the crop: {'padded' if chosen.pads else 'left out'}, see config.json"
        )
    for line in told if _is_first() else ():
        print(line, file=sys.stderr)
    if settings.global_batch_size > chosen.count:
        raise UsageError(
            f"--global-batch-size {settings.global_batch_size} is more than the usable paired records;"
            f" allowed is at most {chosen.count}"
        )
    return chosen


def choose_encodings(request: Request, candidates: "Records", chosen: "Chosen", model: Model) -> "Reading":
    """Says whether what `encode` stored is read, where the shards hold any."""
    from vton_models.training import encodings

    reading = encodings.choose(candidates, chosen, model, request.flags.encoded)
    for line in reading.told if _is_first() else ():
        print(line, file=sys.stderr)
    return reading


def counts(chosen: "Chosen", reading: "Reading") -> dict[str, Any]:
    masks: dict[str, Any] = {"masks": list(chosen.view.masks)} if chosen.view.recipe else {}
    masks |= {"mask_recipes": dict(chosen.mask_recipes)} if chosen.mask_recipes else {}
    masks |= {"encoded": list(reading.tensors)} if reading.tensors else {}
    shape = {"padded" if chosen.pads else "without_room": list(chosen.without_room)} if chosen.without_room else {}
    left = {"held_out": list(chosen.held_out), "incomplete": list(chosen.incomplete)}
    return masks | {"records": chosen.count} | left | shape


def describe(request: Request, settings: Settings, begin: "Start", candidates: "Records") -> dict[str, Any]:
    """config.json, but for base, package and counts."""
    from vton_models.networks import lora, weights
    from vton_models.training import lineage

    flags = request.flags
    return {
        "model": request.name,
        "config": weights.config_to_json(request.config),
        "lora": lora.note(request.adapters),
        "preset": flags.preset,
        "tiny": flags.tiny,
        "start": begin.described(),
        "data": lineage.data(request.flags.shards),
        "records": {
            "split": candidates.split,
            "where": list(flags.where),
            "hold_out": hold_out(flags),
            "fingerprint": candidates.catalogue.fingerprint,
            **({} if flags.encoded else {"encoded": False}),
        },
        "training": asdict(settings),
    }


def build_model(request: Request, begin: "Start", folder: Run | None, mixed_precision: str) -> Any:
    """With its weights and memory mode, on the CPU."""
    from vton_models.command_line.weights_flags import pick_device
    from vton_models.networks import memory
    from vton_models.training import loading

    use = memory.Use(request.flags.memory, pick_device(request.flags.device), True, mixed_precision)
    model = loading.build(request.module, request.config, begin, folder, use, request.adapters)
    if not (begin.official or begin.run) and _is_first():
        means = "adapters train little of it" if request.adapters else "it begins with first values of its own"
        for name in loading.not_in_base(model):
            ways = f"`--init base:BASE,{name}=PATH`, `--init official:PATH` or a RUN brings it"
            print(f"{name} isn't in the base, and {means}; {ways}", file=sys.stderr)
    memory.apply_memory(model, request.flags.memory, training=True)
    blocks = request.flags.checkpoint_blocks
    if request.flags.gradient_checkpointing or blocks:
        memory.checkpoint_gradients(model, blocks)
    return model


def make_accelerator(flags: Flags, settings: Settings, model: Model, folder: Run) -> "Accelerator":
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    from vton_models.command_line.weights_flags import pick_device

    return Accelerator(
        cpu=pick_device(flags.device) == "cpu",  # else processes without a GPU don't know of each other
        mixed_precision=settings.mixed_precision,
        log_with=None if flags.tracker == "none" else flags.tracker,
        project_dir=str(folder.trackers),
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=bool(model.unused()))],
    )


def make_cadence(flags: Flags, settings: Settings) -> Cadence:
    """Pictures of records that are trained on come where validation makes none, some five times in a long run."""
    has_pictures = flags.validation_pictures and not flags.validate_every
    every = max(settings.steps // 5, 100) if flags.pictures_every is None else flags.pictures_every
    pictures_every = every if has_pictures else 0
    return Cadence(flags.log_every, flags.checkpoint_every, flags.keep, flags.validate_every, pictures_every)


def foretell(accelerator: "Accelerator", model: Model, dataset: "ShardDataset", settings: Settings, done: int) -> None:
    """Says what the steps to go will take."""
    from vton_models.training import estimate

    rehearsal = estimate.rehearse(accelerator, model, dataset)
    if rehearsal is not None and accelerator.is_main_process:
        trained = sum(parameter.numel() for parameter in model.trainable().values())
        told = estimate.told(rehearsal, settings, accelerator.num_processes, settings.steps - done, trained)
        print(told, file=sys.stderr)


def make_dataset(
    request: Request,
    chosen: "Chosen",
    reading: "Reading",
    model: Model,
    settings: Settings,
    accelerator: "Accelerator",
) -> "ShardDataset":
    from vton_models.reading.dataset import ShardDataset
    from vton_models.training import records

    return ShardDataset(
        list(request.flags.shards),
        reading.columns,
        request.flags.split,
        records.flat(chosen.filters),
        settings.seed,
        batch_size=settings.batch_size,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
        shares=settings.shares,
        window=settings.window,
        prepare=reading.prepare(model),
        decode_size=model.config.decode_size,
    )


def make_pictures(
    request: Request, candidates: "Records", chosen: "Chosen", model: Model, settings: Settings
) -> "Pictures":
    """Of the records of validation, or without one of the first that are trained on."""
    from vton_models.training import records
    from vton_models.training.validation import Pictures

    flags = request.flags
    if not flags.validate_every:
        batches = records.first_batches(candidates, chosen, model, flags.validation_pictures, settings.batch_size)
    elif flags.validation_shards:
        batches = records.other_batches(flags.validation_shards, model, flags.validation_records, settings.batch_size)
    else:
        batches = records.held_out_batches(candidates, chosen, model, settings.batch_size)
    return Pictures(batches, settings.seed, flags.validation_pictures, flags.validation_inference_steps)


def finish(request: Request, folder: Run, model: Model, progress: "Progress", description: dict[str, Any]) -> None:
    """The final weights with their lineage, and the card."""
    from schemas.folders import atomic
    from vton_models.training import lineage

    card = lineage.card(description, request.module.ABOUT, progress.step, progress.loss).encode()
    with atomic.new_folder(folder.model) as unfinished:
        model.save(
            unfinished, extra={key: description[key] for key in ("package", "preset", "start", "data", "training")}
        )
        atomic.write(unfinished / "README.md", card)
    atomic.write(folder.card, card)


def report(request: Request, progress: "Progress", settings: Settings, started: float) -> None:
    seconds = round(time.perf_counter() - started, 3)
    result = {
        "output": request.output,
        "model": request.name,
        "steps": progress.step,
        "loss": progress.loss,
        "records_seen": progress.step * settings.global_batch_size,
        "skipped_steps": progress.skipped,
        "seconds": seconds,
    }
    print(json.dumps(result))


def _check_base(folder: Run, held: dict[str, Any] | None, model: Model) -> None:
    from vton_models.networks import bases

    other = bases.difference(held["base"], model.base) if held else ""
    if other:
        raise UsageError(
            f"{folder.path} was started from {other}; allowed are the same base, another --output, or --overwrite"
        )
