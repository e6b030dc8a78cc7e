"""SCHP's input and output geometry against its own code's, from fixtures of the form of parity/agnostic/meta.json.

The fixtures' photos went in as Pillow images, so the channel order is RGB (catvton.md §9.10).
"""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from annotators.functional import parsing

FIXTURES = Path(os.environ.get("VTON_PARITY", Path(__file__).parents[2] / ".." / "shared" / "parity")) / "agnostic"
if not (FIXTURES / "meta.json").is_file():
    pytest.skip(f"no parity fixtures at {FIXTURES} (set VTON_PARITY)", allow_module_level=True)
META = json.loads((FIXTURES / "meta.json").read_text()).get("schp")
if not META:
    pytest.skip(f"{FIXTURES} holds no SCHP cases", allow_module_level=True)

NUMBER = r"([\d.]+(?:e-?\d+)?)"
TOLERANCES = {
    "parse": rf"at most {NUMBER} % of pixels",
    "input_sample": rf"i\.e\. {NUMBER} after normalisation",
    "input_mean": rf"input_mean {NUMBER}",
}


def tolerance(name):
    """The number in the words of the fixture's meta.json."""
    found = re.search(TOLERANCES[name], META["tolerance"])
    assert found, f"no tolerance for {name} in {META['tolerance']!r}"
    return float(found[1])


def strides():
    """Row and column step of input_sample, from the fixture's note."""
    rows, columns = re.search(r"\[:, ::(\d+), ::(\d+)\]", META["note"]).groups()
    return int(rows), int(columns)


@pytest.fixture(scope="module")
def arrays():
    return np.load(FIXTURES / META["file"])


@pytest.fixture(params=META["cases"], ids=lambda case: case["name"])
def case(request):
    return request.param


def test_the_network_input(case, arrays):
    image = arrays[f"{case['name']}.image"]
    assert [image.shape[1], image.shape[0]] == case["size"]
    pixels = parsing.schp_input(image, case["input_size"][0], "rgb")
    rows, columns = strides()
    sample = arrays[f"{case['name']}.input_sample"]
    assert np.abs(pixels[:, ::rows, ::columns] - sample).max() <= tolerance("input_sample")
    assert np.abs(pixels.mean((1, 2)) - arrays[f"{case['name']}.input_mean"]).max() <= tolerance("input_mean")


def test_the_labels(case, arrays):
    expected = arrays[f"{case['name']}.parse"]
    found = parsing.schp_labels(arrays[f"{case['name']}.logits"][0], *expected.shape, case["input_size"][0])
    assert found.dtype == expected.dtype
    assert 100 * (found != expected).mean() <= tolerance("parse")
