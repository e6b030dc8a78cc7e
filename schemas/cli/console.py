"""`vton`: the commands of all packages under one word, each the module that `python -m` runs."""

import runpy
import sys
from collections.abc import Mapping, Sequence

from schemas.cli import flags
from schemas.cli.modules import commands_of
from schemas.cli.subcommands import chosen, overview

PROG = "vton"
EXAMPLES = """\
  vton build_vitonhd --output output/demo     (python -m pipelines.build_vitonhd …)
  vton train catvton --shards output/demo     (python -m vton_models train …)
  vton annotators list                        (python -m annotators list)"""
# Where commands lie: a module each, or the subcommands of one package's.
OF_MODULES, OF_PACKAGE = "pipelines", "vton_models"
PACKAGES = {
    "annotators": "What the annotators need, and downloading it.",
    "models": "Training and sampling; `vton models list` lists the systems, `vton train` is `vton models train`.",
}


def main(arguments: Sequence[str]) -> int:
    """The exit code of help; a command ends the process with its own. Raises UsageError for an unknown command."""
    modules, subcommands = commands_of(OF_MODULES), commands_of(f"{OF_PACKAGE}.commands")
    summaries = {**subcommands, **modules, **PACKAGES}  # `push` is that of shards; that of a run is `models push`
    command = chosen(arguments, tuple(summaries))
    if command is None:
        print(overview(f"{PROG} COMMAND --help", __doc__ or "", summaries, EXAMPLES))
        return 0
    module, words = _module(command, list(arguments), modules)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def _module(command: str, arguments: list[str], modules: Mapping[str, str]) -> tuple[str, list[str]]:
    """What `python -m` runs, and what it is told."""
    if command in modules:
        return f"{OF_MODULES}.{command}", arguments[1:]
    if command == "annotators":
        return command, arguments[1:]
    return OF_PACKAGE, arguments[1:] if command == "models" else arguments


def console() -> None:
    """The entry point of the script that installing the package makes."""
    flags.run(main, PROG)
