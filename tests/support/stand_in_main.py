"""`python -m vton_models` with the stand-in among the models; for tests that start processes."""

import os

from support import stand_in

from schemas.cli import flags
from vton_models.__main__ import PROG, quiet

if __name__ == "__main__":
    stand_in.register()
    stand_in.POISON.update(filter(None, os.environ.get("STAND_IN_POISON", "").split(",")))
    flags.run(quiet, PROG)
