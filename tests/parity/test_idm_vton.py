"""IDM-VTON's Dress Code masks against upstream's own: dresscode_masks.* of the folder `idm_vton` of $VTON_PARITY."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from annotators.functional import agnostic, masks

PARITY = Path(os.environ.get("VTON_PARITY") or Path(__file__).parents[3] / "shared/parity") / "idm_vton"


def mask_cases():
    path = PARITY / "dresscode_masks.json"
    return json.loads(path.read_text())["cases"] if path.is_file() else []


def test_fixtures_have_masks():
    if not mask_cases():
        pytest.skip(f"{PARITY}/dresscode_masks.json is absent; set VTON_PARITY")
    assert {case["category"] for case in mask_cases()} <= set(agnostic.RECIPES["idm_vton"].categories)


@pytest.mark.parametrize("case", mask_cases(), ids=lambda case: case["name"])
def test_mask_equals_upstreams(case):
    with np.load(PARITY / "dresscode_masks.npz") as stored:
        parse, keep = stored[f"{case['name']}.parse"], stored[f"{case['name']}.keep"]
    made = agnostic.idm_vton_mask(parse, np.array(case["keypoints"]), case["category"])
    np.testing.assert_array_equal(made, np.where(keep, 0, 255))
    assert masks.area(made) == case["repaint_area"]
