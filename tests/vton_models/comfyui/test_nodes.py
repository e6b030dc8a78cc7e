"""The nodes of ComfyUI without ComfyUI: by what they say of themselves, and by calling them on tiny networks."""

import inspect
import json
from importlib import resources
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.helpers import draw

from schemas.cli.flags import UsageError
from vton_models.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from vton_models.comfyui.nodes import VtonLoad, VtonMask, VtonPrepare, VtonSample

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

# ComfyUI's own nodes of the workflow: inputs by name and type, and what they give.
CORE = {
    "LoadImage": ({"image": "STRING"}, ("IMAGE", "MASK")),
    "SaveImage": ({"images": "IMAGE", "filename_prefix": "STRING"}, ()),
}
PYTHON = {"STRING": str, "INT": int, "FLOAT": float, "BOOLEAN": bool}
LINKED = {"IMAGE", "MASK", "VTON_SYSTEM", "VTON_ORDER"}


def inputs_of(node: Any) -> dict[str, Any]:
    """Name → type, or the list of what may be chosen."""
    asked = node.INPUT_TYPES()
    return {name: told[0] for part in ("required", "optional") for name, told in asked.get(part, {}).items()}


@pytest.mark.parametrize("name", NODE_CLASS_MAPPINGS)
def test_signatures(name: str) -> None:
    node = NODE_CLASS_MAPPINGS[name]
    assert NODE_DISPLAY_NAME_MAPPINGS[name] and node.CATEGORY == "vton"
    assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES) and set(node.RETURN_TYPES) <= LINKED
    parameters = inspect.signature(getattr(node(), node.FUNCTION)).parameters
    assert list(parameters) == list(inputs_of(node))
    asked = node.INPUT_TYPES()
    optional = {key for key, parameter in parameters.items() if parameter.default is not inspect.Parameter.empty}
    assert set(asked.get("optional", {})) == optional
    for kind in inputs_of(node).values():
        assert isinstance(kind, list) or kind in LINKED | set(PYTHON)


def image(name: str, seed: int) -> Any:
    return torch.from_numpy(draw(seed)[name].astype(np.float32) / 255)[None]


@pytest.fixture
def region() -> Any:
    mask = torch.zeros((1, 128, 96))
    mask[:, 30:80, 20:70] = 1
    return mask


def test_a_garment_is_tried_on(region: Any) -> None:
    (loaded,) = VtonLoad().load("catvton", "tiny", "cpu")
    person, garment = image("person", 1), image("garment", 2)
    (order,) = VtonPrepare().prepare(loaded, garment, person=person, mask=region, paste_back=True)
    (result,) = VtonSample().sample(order, seed=1, steps=2, guidance_scale=-1.0, mark=False)
    assert result.dtype == torch.float32 and result.shape == person.shape
    changed = (result != person).any(dim=-1)
    assert changed.any() and not changed[region == 0].any()
    (again,) = VtonSample().sample(order, seed=1, steps=2, guidance_scale=2.5, mark=False)
    assert torch.equal(again, result), "2.5 is the system's own"
    (other,) = VtonSample().sample(order, seed=2, steps=2, guidance_scale=-1.0, mark=False)
    assert not torch.equal(other, result)


@pytest.mark.parametrize("name", ["anydoor", "magic_clothing"])
def test_objects_and_prompts(name: str, region: Any) -> None:
    (loaded,) = VtonLoad().load(name, "tiny", "cpu")
    person = image("person", 1)
    pictures = {"person": person, "mask": region, "garment_mask": region, "prompt": "a man", "paste_back": True}
    (order,) = VtonPrepare().prepare(loaded, image("garment", 2), **pictures)
    (result,) = VtonSample().sample(order, seed=1, steps=2, guidance_scale=-1.0, mark=True)
    assert result.shape[0] == 1 and result.shape[-1] == 3 and 0 <= result.min() < result.max() <= 1


def test_what_lacks_is_told(no_machine_weights: None, region: Any) -> None:
    (loaded,) = VtonLoad().load("catvton", "tiny", "cpu")
    with pytest.raises(UsageError, match="weights that draw one are missing.*another MASK"):
        VtonMask().draw(loaded, image("person", 1), "upper", "")
    (order,) = VtonPrepare().prepare(loaded, image("garment", 2), mask=region)
    with pytest.raises(UsageError, match="no person"):
        VtonSample().sample(order, 0, 1, -1.0, False)
    with pytest.raises(UsageError, match="/nowhere"):
        VtonLoad().load("catvton", "/nowhere", "cpu")


def test_a_drawn_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    from vton_models.sampling import photo_masks

    drawn = np.zeros((128, 96), np.uint8)
    drawn[10:20] = 255
    monkeypatch.setattr(photo_masks.PhotoMasks, "check", lambda self: None)
    monkeypatch.setattr(
        photo_masks.PhotoMasks, "draw", lambda self, photo, types: photo_masks.Drawn({types[0]: drawn}, None)
    )
    (loaded,) = VtonLoad().load("catvton", "tiny", "cpu")
    (mask,) = VtonMask().draw(loaded, image("person", 1), "upper", "")
    assert mask.shape == (1, 128, 96) and torch.equal(mask[0] * 255, torch.from_numpy(drawn).float())


def test_the_workflow_fits_the_nodes() -> None:
    """Every input is there, of its type; every link leads to an output of that type; all of ours are in it."""
    flow = json.loads(resources.files("vton_models.comfyui").joinpath("workflow.json").read_text())
    assert {node["class_type"] for node in flow.values()} == {*NODE_CLASS_MAPPINGS, *CORE}
    for node in flow.values():
        name, ours = node["class_type"], NODE_CLASS_MAPPINGS.get(node["class_type"])
        types = inputs_of(ours) if ours else CORE[name][0]
        required = set(ours.INPUT_TYPES()["required"]) if ours else set(types)
        assert required <= set(node["inputs"]) <= set(types), name
        for key, value in node["inputs"].items():
            if isinstance(value, list):
                source = flow[value[0]]["class_type"]
                given = NODE_CLASS_MAPPINGS[source].RETURN_TYPES if source not in CORE else CORE[source][1]
                assert given[value[1]] == types[key], f"{name}.{key}"
            elif isinstance(types[key], list):
                assert value in types[key]
            else:
                assert type(value) is PYTHON[types[key]], f"{name}.{key}"


def test_arrays_and_tensors() -> None:
    from vton_models.comfyui import tensors

    pixels = np.asarray(Image.linear_gradient("L").convert("RGB"))
    assert np.array_equal(tensors.picture(tensors.image(pixels)), pixels)
    assert tensors.levels(torch.ones((4, 5))).shape == (4, 5), "some nodes give masks without a batch axis"
    assert tensors.picture(torch.zeros((2, 4, 5, 4))).shape == (4, 5, 3), "of RGBA the colours"
