"""The page of `app` on tiny random networks, reached as programs reach it."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.helpers import draw

from schemas.cli.flags import UsageError
from vton_models.app import marking, offers, orders, server
from vton_models.app.orders import Order
from vton_models.commands import app
from vton_models.sampling import outputs

pytest.importorskip("diffusers")
gradio = pytest.importorskip("gradio")
client_of = pytest.importorskip("gradio_client")

MASK = {"mask_type": "upper", "densepose": None, "garment_caption": "", "settings": "", "paste_back": False}
PLAIN = {"steps": 2, "guidance_scale": None, "seed": 3, "settings": "", "mark": False}


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return client_of.Client(address, download_files=tmp_path_factory.mktemp("downloads"), verbose=False)


def given(path: Path) -> Any:
    return client_of.handle_file(path)


def try_on(client: Any, files: Path, **changes: Any) -> str:
    pictures = {name: given(files / f"{file}.png") for name, file in (("person", "me"), ("garment", "shirt"))}
    arguments = {"model": "catvton", **pictures, "mask": given(files / "mask.png"), **MASK, **PLAIN, **changes}
    return str(client.predict(**arguments, api_name="/try_on"))


def test_endpoints_are_named(client: Any) -> None:
    told = client.view_api(return_format="dict")["named_endpoints"]
    names = {"/try_on", "/place", "/garment_to_person", "/draw_mask", "/models", "/cancel"}
    assert set(told) == names and client.predict(api_name="/models")["anydoor"] == "anydoor: small random networks"


def test_a_result_is_that_of_sample(client: Any, files: Path, tmp_path: Path) -> None:
    from vton_models.commands import sample

    path = try_on(client, files)
    line = ["--weights", "random", "--tiny", "--num-inference-steps", "2", "--seed", "3", "--device", "cpu"]
    photos = [f"--person={files / 'me.png'}", f"--garment={files / 'shirt.png'}", f"--mask={files / 'mask.png'}"]
    assert sample.main(["catvton", *line, *photos, f"--output={tmp_path / 'out'}"]) == 0
    expected = Image.open(tmp_path / "out/me+shirt.png")
    result = Image.open(path)
    assert np.array_equal(np.asarray(result), np.asarray(expected))
    assert result.info == expected.info and result.info["DigitalSourceType"] == outputs.BY_A_MODEL
    assert result.info["Seed"] == "3" and "steps 2" in result.info["Settings"]


def test_the_mark_is_in_the_corner_alone(client: Any, files: Path) -> None:
    plain, marked = (np.asarray(Image.open(try_on(client, files, mark=mark))) for mark in (False, True))
    changed = np.argwhere((plain != marked).any(axis=2))
    height, width = plain.shape[:2]
    assert len(changed) and changed[:, 0].min() > height * 0.7 and changed[:, 1].min() > width * 0.5
    wide = marking.marked(np.full((512, 384, 3), 128, np.uint8))
    assert 0.002 < (wide != 128).any(axis=2).mean() < 0.05


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"person": None}, "no person"),
        ({"garment": None}, "no garment"),
        ({"mask": None}, "the photo needs a mask.*painting it"),
        ({"garment": "text"}, "cannot identify|not|unreadable"),
        ({"model": "nobody"}, "nobody is not in the list of choices"),
        ({"settings": "annotator_weights=/etc"}, "setting 'annotator_weights=/etc'; allowed are NAME=VALUE"),
        ({"steps": 5000}, "--num-inference-steps 5000; allowed are 1 to 1000"),
        ({"guidance_scale": "much"}, "guidance 'much'; allowed are numbers"),
        ({"seed": -1}, "less than minimum value 0"),
    ],
)
def test_what_is_missing_or_wrong_is_a_message(
    client: Any, files: Path, changes: dict[str, Any], said: str, no_machine_weights: None
) -> None:
    changes = {name: given(files / "text.png") if value == "text" else value for name, value in changes.items()}
    with pytest.raises(Exception, match=said) as raised:
        try_on(client, files, **changes)
    assert "/tmp" not in str(raised.value) and "Traceback" not in str(raised.value)


def test_too_large_an_upload_is_refused(client: Any, files: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    with pytest.raises(Exception, match="413|large|size"):
        try_on(client, files, person=given(tmp_path / "large.png"))


def test_objects_and_prompts(client: Any, files: Path) -> None:
    pictures = {"scene": given(files / "me.png"), "reference": given(files / "shirt.png")}
    placed = {**pictures, "reference_mask": given(files / "mask.png"), "mask": None, "box": "20,30,70,80"}
    scene = np.asarray(Image.open(files / "me.png"))
    result = np.asarray(Image.open(client.predict(model="anydoor", **placed, **PLAIN, api_name="/place")))
    changed = np.argwhere((result != scene).any(axis=2))
    assert result.shape == scene.shape and len(changed)
    assert changed.min(axis=0).tolist() >= [30, 20] and (changed.max(axis=0) < [80, 70]).all()
    alone = {
        "model": "magic_clothing",
        "garment": given(files / "shirt.png"),
        "garment_mask": given(files / "mask.png"),
    }
    asked = (
        client.predict(**alone, prompt=text, **PLAIN, api_name="/garment_to_person") for text in ("a man", "--tiny")
    )
    first, second = (Image.open(path) for path in asked)
    assert first.info["Prompt"].startswith("a man, ") and second.info["Prompt"].startswith("--tiny, ")


def test_a_run_can_be_cancelled(client: Any, files: Path) -> None:
    job = client.submit(
        model="catvton",
        person=given(files / "me.png"),
        garment=given(files / "shirt.png"),
        **{"mask": given(files / "mask.png"), **MASK, **PLAIN, "steps": 500},
        api_name="/try_on",
    )
    until = time.monotonic() + 60
    told = ""
    while "step" not in told and time.monotonic() < until:
        time.sleep(0.02)
        told = " ".join(unit.desc or "" for unit in job.status().progress_data or ())
    assert client.predict(api_name="/cancel") == "cancelling after this step"
    with pytest.raises(Exception, match="cancelled"):
        job.result(timeout=60)
    assert Path(try_on(client, files)).is_file(), "the next run has the model for itself"


class _Request:
    session_hash = "session"


def compared(handlers: Any, files: Path, **changes: Any) -> Any:
    painted = handlers.canvas(str(files / "me.png"), str(files / "mask.png"))["layers"][0]
    defaults: dict[str, Any] = {
        "model": "catvton",
        "person": str(files / "me.png"),
        "garment": str(files / "shirt.png"),
        "editor": {"background": None, "layers": [painted], "composite": None},
        "mask_type": "upper",
        "garment_mask": None,
        "densepose": str(files / "me.png"),
        "box": "",
        "shape": orders.BOX,
        "prompt": "",
        "caption": "",
        "steps": "1",
        "guidance": None,
        "seed": 0,
        "settings": "",
        "paste_back": True,
        "mark": False,
        "others": [],
        "guidances": "",
        "seeds": "",
        "request": _Request(),
    }
    return handlers.compare(**(defaults | changes), progress=lambda *words, **named: None)


def test_results_stand_side_by_side(handlers: Any, files: Path) -> None:
    other = "ootdiffusion"
    gallery, paths, _ = compared(handlers, files, others=[other], seeds="1", guidances="2")
    captions = [caption for _, caption in gallery]
    assert len(set(captions)) == len(set(paths)) == 8 and sum(other in caption for caption in captions) == 4
    photo = np.asarray(Image.open(files / "me.png"))
    for path in paths:  # what is painted is what is repainted, at the photo's own size
        changed = np.argwhere((np.asarray(Image.open(path)) != photo).any(axis=2))
        assert changed.min(axis=0).tolist() >= [30, 20] and (changed.max(axis=0) < [80, 70]).all()
    with pytest.raises(gradio.Error, match="allowed are at most 12 at once"):
        compared(handlers, files, seeds=",".join(map(str, range(1, 14))))
    with pytest.raises(gradio.Error, match="guidance '2;3'; allowed are numbers"):
        compared(handlers, files, guidances="2;3")


def test_records_are_put_in(handlers: Any) -> None:
    assert handlers.shards.ids == [f"small/train/{number:05d}" for number in range(3)]
    person, densepose, editor = handlers.person_of("small/train/00002")
    garment, garment_mask = handlers.garment_of("small/train/00001")
    assert densepose is None and garment_mask is None
    assert np.array_equal(np.asarray(Image.open(person)), draw(2)["person"])
    assert np.array_equal(np.asarray(Image.open(garment)), draw(1)["garment"])
    painted = editor["layers"][0][:, 100:700, 3] > 0  # 96 by 128 in the middle of 800 by 800
    small = np.asarray(Image.fromarray(painted).resize((96, 128), Image.Resampling.NEAREST))
    assert np.array_equal(small, draw(2)["mask"] > 0)
    with pytest.raises(gradio.Error, match="record 'nobody'"):
        handlers.person_of("nobody")


def test_the_safety_checker_withholds(
    handlers: Any, files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    from vton_models.app.safety import SafetyChecker

    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    vision = {**size, "image_size": 32, "patch_size": 8, "projection_dim": 8}
    network = StableDiffusionSafetyChecker(CLIPConfig(text_config=size, vision_config=vision, projection_dim=8))
    for parameter in (network.special_care_embeds, network.concept_embeds):
        parameter.data = torch.randn(parameter.shape)
    for threshold, lets_pass in ((2.0, True), (-2.0, False)):  # a cosine is between
        network.concept_embeds_weights.data.fill_(threshold)
        network.special_care_embeds_weights.data.fill_(threshold)
        network.save_pretrained(tmp_path / str(lets_pass))
        checker = SafetyChecker(str(tmp_path / str(lets_pass)))
        monkeypatch.setattr(handlers.studio, "safety", checker)
        if lets_pass:
            assert len(compared(handlers, files)[1]) == 1
        else:
            with pytest.raises(gradio.Error, match="the safety checker withholds this result"):
                compared(handlers, files)
    with pytest.raises(UsageError, match="no config.json"):
        SafetyChecker(str(files))


def test_what_is_offered(tmp_path: Path) -> None:
    tiny = offers.of("catvton", (), True, ())
    assert [offer.label for offer in tiny] == ["catvton: small random networks"]
    several = offers.of("idm_vton", ("catvton=random", "random"), False, ())
    assert [(offer.key, offer.arguments) for offer in several] == [
        ("idm_vton", ("--weights=random",)),
        ("catvton", ("--weights=random",)),
    ]
    assert next(offer.name for offer in offers.of("", (), True, ())) == "catvton", "what tries on comes first"
    for words, said in (
        ((), "--weights is missing"),
        (("random",), "allowed is SYSTEM=random"),
        ((str(tmp_path),), "is no training run"),
        (("catvton=base:/nowhere",), "base:/nowhere"),
    ):
        with pytest.raises(UsageError, match=said):
            offers.of("", words, False, ())
    with pytest.raises(UsageError, match="unknown model 'catvto'"):
        offers.of("catvto", (), True, ())


def test_an_order_names_no_file_of_the_machine() -> None:
    (offer,) = offers.of("magic_clothing", (), True, ())
    line = orders.arguments(Order(offer, garment="g.png", prompt="--person=/etc/passwd", settings="strength=1"))
    assert "--prompt=--person=/etc/passwd" in line and "--strength=1" in line
    with pytest.raises(UsageError, match="setting 'prompts_file=/etc/passwd'"):
        orders.arguments(Order(offer, garment="g.png", settings="prompts_file=/etc/passwd"))


def test_where_it_listens(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for host, loopback in (("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("box", False)):
        assert server.Place(host, 0, 1).is_loopback == loopback
    assert app.Flags().host == "127.0.0.1"
    with pytest.raises(UsageError, match="--port 70000; allowed are 0 to 65535"):
        app.main(["--tiny", "--port", "70000"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'vton-pipelines\[app\]'"):
        app.main(["--tiny"])
