"""Runs `python -m vton_models` again and again, with the words that the lines of a file hold; in several processes."""

import json
import sys
from pathlib import Path

from accelerate import Accelerator

from vton_models.__main__ import main

if __name__ == "__main__":
    Accelerator.end_training = lambda self: None  # it would end the group of processes, which the next run needs
    for line in Path(sys.argv[1]).read_text().splitlines():
        code = main(json.loads(line))
        if code:
            sys.exit(code)
