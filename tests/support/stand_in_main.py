"""`python -m vton_models` with the stand-in among the models; for tests that start processes."""

import os
import sys
from collections.abc import Sequence

from accelerate.state import PartialState
from support import stand_in

from schemas.cli import flags
from vton_models.__main__ import PROG, quiet


def told(arguments: Sequence[str]) -> int:
    """As `quiet`; says which of how many processes this one was."""
    code = quiet(arguments)
    state = PartialState()
    print(f"trained by process {state.process_index} of {state.num_processes}", file=sys.stderr)
    return code


if __name__ == "__main__":
    stand_in.register()
    stand_in.POISON.update(filter(None, os.environ.get("STAND_IN_POISON", "").split(",")))
    flags.run(told, PROG)
