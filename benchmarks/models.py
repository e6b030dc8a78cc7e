"""What a model costs with random weights: seconds and peak memory of a picture, a training step, or the command's.

    python -m benchmarks.models sample catvton --height 1024 --width 768 --steps 50 --memory full,medium,low
    python -m benchmarks.models train catvton --height 512 --width 384 --batch-size 1 --precision bf16
    python -m benchmarks.models sample catvton --compile
    python -m benchmarks.models command catvton --tiny --shards output/build_vitonhd --batch-size 8 --rounds 40

`command` compares `python -m vton_models train`, reading and logging included, with bare steps on one batch that is
there: `ratio` is how many pictures a second it trains on, over those of the bare steps.

Each mode runs in a process of its own. On CUDA the peak is what torch allocated, in bfloat16 (`--precision`); on the
CPU it is that of the whole process, in float32. `--rounds` pictures or steps are timed after one that is not.
"""

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import torch

import vton_models
from vton_models.networks import compiling, memory
from vton_models.system import Purpose
from vton_models.training import loop, optimisers
from vton_models.training.run_folder import Run

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def build(arguments: argparse.Namespace) -> Any:
    """The model of this size, on its device."""
    module = vton_models.load(arguments.model)
    size = {"height": arguments.height, "width": arguments.width}
    model = module.build(module.Config.tiny() if arguments.tiny else module.Config(**size))
    sampling, device = arguments.what == "sample", torch.device(arguments.device).type
    if not sampling:
        mixed = "bf16" if arguments.precision == "bf16" else "no"
        memory.choose_dtypes(model, memory.Use(arguments.memory, device, True, mixed))
    memory.apply_memory(model, arguments.memory, training=not sampling)
    if arguments.vae_channels_last:
        compiling.channels_last(model)
    if arguments.compile:
        compiling.compile_networks(model, device)
    return model.to(arguments.device, PRECISIONS[arguments.precision] if sampling else None)


def batch(model: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Random pictures, prepared."""
    generator = torch.Generator().manual_seed(0)
    shape = (model.config.height, model.config.width)
    record: dict[str, Any] = {"caption": ""}
    for name in model.config.reads("tryon").needed:
        picture = torch.randint(0, 256, (*shape, 3), generator=generator, dtype=torch.uint8).numpy()
        record[name] = picture[..., 0] // 128 * 255 if name == "agnostic_mask" else picture
    items = [model.prepare(Purpose.TRAINING)(record, generator)] * arguments.batch_size
    return {name: torch.stack([item[name] for item in items]) for name in items[0]}


def sampled(model: Any, given: dict[str, Any], arguments: argparse.Namespace) -> None:
    settings = model.config.sampling(num_inference_steps=arguments.steps)
    model.sample(given, settings, torch.Generator().manual_seed(0))


def stepped(model: Any, given: dict[str, Any], arguments: argparse.Namespace, optimizer: torch.optim.Optimizer) -> None:
    kind = torch.device(arguments.device).type
    with torch.autocast(kind, torch.bfloat16, enabled=arguments.precision == "bf16"):
        loss = model.loss(given, torch.Generator(arguments.device).manual_seed(0))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds per picture, and the peak in MB."""
    model = build(arguments)
    given, on_gpu = batch(model, arguments), arguments.device.startswith("cuda")
    optimizer = None
    if arguments.what != "sample":
        parameters = loop.master_weights(model.trainable()).values()
        optimizer = optimisers.build("adamw", parameters, 1e-5, 0.01, fused=on_gpu)
        given = {name: value.to(model.device) for name, value in given.items()}
    times = []
    for _ in range(arguments.rounds + 1):
        start = time.perf_counter()
        if optimizer is None:
            sampled(model, given, arguments)
        else:
            stepped(model, given, arguments, optimizer)
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() if on_gpu else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {"seconds": min(times[1:] or times) / arguments.batch_size, "peak_mb": peak / 1e6}
    if arguments.what == "command":
        bare = statistics.median(times[1:]) / arguments.batch_size
        result = {"seconds": commanded(arguments), "peak_mb": peak / 1e6}
        result["ratio"] = bare / result["seconds"]
    return result


def commanded(arguments: argparse.Namespace) -> float:
    """Seconds per picture of the command's own loop, the first fifth of its steps left out."""
    from vton_models.commands import train

    steps = max(5, arguments.rounds)
    with tempfile.TemporaryDirectory() as folder:
        words = [arguments.model, "--shards", arguments.shards, "--output", folder + "/run", "--steps", str(steps)]
        size = ["--height", str(arguments.height), "--width", str(arguments.width), "--init", "random"]
        words += ["--tiny"] if arguments.tiny else size
        words += ["--global-batch-size", str(arguments.batch_size), "--batch-size", str(arguments.batch_size)]
        words += ["--log-every", "1", "--checkpoint-every", "0", "--validation-pictures", "0"]
        words += ["--memory", arguments.memory, "--mixed-precision", "bf16" if arguments.precision == "bf16" else "no"]
        words += ["--device", torch.device(arguments.device).type, *(["--compile"] if arguments.compile else [])]
        with contextlib.redirect_stdout(sys.stderr):
            train.main(words)
        seconds = [entry["seconds"] for entry in Run(folder + "/run").entries()]
    first = steps // 5
    return (seconds[-1] - seconds[first]) / (steps - 1 - first) / arguments.batch_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("sample", "train", "command"))
    parser.add_argument("model", choices=vton_models.names())
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--steps", type=int, default=50, help="of denoising")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--memory", default="full", help="modes, comma-separated")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16" if torch.cuda.is_available() else "fp32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--vae-channels-last", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--shards", default="output/build_vitonhd", help="of `command`")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments)))
        return
    where = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else "CPU"
    print(f"{arguments.what} {arguments.model} {arguments.height}x{arguments.width}, {arguments.precision}, {where}")
    for mode in arguments.memory.split(","):
        words = [sys.executable, "-m", "benchmarks.models", *sys.argv[1:], "--memory", mode, "--one"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{mode}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
        found = json.loads(done.stdout.splitlines()[-1])
        ratio = f"  ratio {found['ratio']:.3f}" if "ratio" in found else ""
        print(f"  {mode:7s} {found['seconds']:10.4f} s  {found['peak_mb']:8.0f} MB{ratio}", flush=True)


if __name__ == "__main__":
    main()
