"""OOTDiffusion's masks against upstream's own, from the folder `ootdiffusion` of $VTON_PARITY (masks.json)."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotators.functional import agnostic, masks

PARITY = Path(os.environ.get("VTON_PARITY") or Path(__file__).parents[3] / "shared/parity") / "ootdiffusion"


def mask_cases():
    path = PARITY / "masks.json"
    return json.loads(path.read_text())["cases"] if path.is_file() else []


def test_fixtures_have_masks():
    if not mask_cases():
        pytest.skip(f"{PARITY}/masks.json is absent; set VTON_PARITY")
    assert {case["model_type"] for case in mask_cases()} <= set(agnostic.MODEL_TYPES)


@pytest.mark.parametrize("case", mask_cases(), ids=lambda case: case["mask"])
def test_mask_equals_upstreams(case):
    parse = np.asarray(Image.open(PARITY / case["parse"]))
    joints = np.array(case["pose_keypoints_2d"])
    made = agnostic.ootdiffusion_mask(parse, joints, case["category"], case["model_type"])
    with np.load(PARITY / "masks.npz") as stored:
        np.testing.assert_array_equal(made, stored[case["mask"]])
    assert masks.area(made) == case["area"]
