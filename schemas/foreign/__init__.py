"""Annotation files as other people's tools and disks leave them → our arrays, with a note on what was unusual.

`schemas.codecs` reads what we stored and takes no other form; these read more forms, and refuse what they can't tell.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Annotation:
    """The value that a file holds; `note` says in which unusual form, "" for the customary one."""

    value: np.ndarray
    note: str = ""
