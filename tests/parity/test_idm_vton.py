"""IDM-VTON against numbers of its authors' own code: tensors, captions and Dress Code's masks of a fixture."""

import json
import re

import numpy as np
import pytest
from support.parity import PARITY, Comparison, Fixture

from annotators.functional import agnostic, masks

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from safetensors.torch import save_file  # noqa: E402

from vton_models.idm_vton import Config, build, captions, official  # noqa: E402
from vton_models.idm_vton.sampling import Sampling  # noqa: E402
from vton_models.networks import attention, diffusion, garment_network, text  # noqa: E402

torch.set_num_threads(1)  # tiny networks gain nothing from more
FOLDER = PARITY / "idm_vton"
FIXTURE = Fixture("idm_vton")
NONE = torch.Generator()  # every draw is given
ADD_EMBEDDING = 4  # tensors of the garment network's file that nothing reads


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The fixture's networks laid out as the authors publish theirs: TryonNet a pickle with the image prompt in it."""
    folder = tmp_path_factory.mktemp("published")
    kinds = {"unet": official.PROMPT_TYPE}
    for name in ("unet", "unet_encoder", "vae", "text_encoder", "text_encoder_2", "image_encoder"):
        (folder / name).mkdir()
        config = dict(FIXTURE.meta["configs"][name]["config"])
        config |= {"encoder_hid_dim_type": kinds[name], "decay": 0.9999} if name in kinds else {}
        (folder / name / "config.json").write_text(json.dumps(config))
        stem = "model" if "text" in name or "image" in name else "diffusion_pytorch_model"
        if name == "unet":
            torch.save(FIXTURE.weights[name], folder / name / f"{stem}.bin")
        else:
            save_file(FIXTURE.weights[name], folder / name / f"{stem}.safetensors", {"format": "pt"})
    for name in ("tokenizer", "tokenizer_2"):
        text.WordTokenizer(64, 8).save_pretrained(folder / name)
    return folder


@pytest.fixture(scope="module")
def model(base):
    return build_model(base)


def build_model(base, **settings):
    own = ("unet", "vae", "scheduler", "text_encoder", "text_encoder_2", "image_encoder")
    arguments = {name: FIXTURE.arguments(name) for name in own}
    arguments |= {"garment_unet": FIXTURE.arguments("unet_encoder"), "ip_adapter": FIXTURE.arguments("resampler")}
    height, width = FIXTURE.io["in.image"].shape[2:]
    config = Config(height=height, width=width, **arguments, **settings)
    with torch.device("meta"):
        built = build(config)
    built.load_base(base)
    negative = {"text_encoder": "in.ids_negative", "text_encoder_2": "in.ids2_negative"}
    built.tokenizers = {name: lambda _, key=key: FIXTURE.io[key][0].tolist() for name, key in negative.items()}
    return built


@pytest.fixture
def io():
    return FIXTURE.io


@pytest.fixture
def close():
    return Comparison(FIXTURE)


def both(io, what):
    """Token ids for both text encoders."""
    return torch.cat([io[f"in.ids_{what}"], io[f"in.ids2_{what}"]], dim=1)


def seen_in_sampling(io):
    return {
        "person": io["in.image"] * 2 - 1,
        "mask": io["in.mask"],
        "pose": io["in.pose_img"],
        "garment": io["in.cloth"],
        "garment_prompt": io["in.ip_pixels"],
        "input_ids": both(io, "positive"),
        "garment_input_ids": both(io, "cloth"),
    }


def branch(io, which):
    states, pooled, tokens = {
        "cond": ("enc.prompt", "enc.pooled", "enc.ip_tokens"),
        "uncond": ("enc.negative", "enc.negative_pooled", "enc.ip_tokens_uncond"),
    }[which]
    return {
        "channels": torch.cat([io["fwd.mask"], io["fwd.masked_latent"], io["fwd.pose_latent"]], dim=1),
        "encoder_hidden_states": torch.cat([io[states], io[tokens]], dim=1),
        "text_embeds": io[pooled],
        "time_ids": io["fwd.time_ids"],
    }


def features(io):
    order = FIXTURE.meta["key_maps"]["feature_order"]
    return {block: io[f"feat.{place:02d}"] for place, block in enumerate(order)}


@FIXTURE.needed
def test_every_case_of_the_fixture_has_its_test():
    """Which looks by itself whether it compared all outputs."""
    tested = {"encode", "features", "forward", "cfg_step", *FIXTURE.names("sample"), *FIXTURE.names("train")}
    assert set(FIXTURE.cases) == tested


@FIXTURE.needed
def test_every_published_tensor_finds_its_place(model):
    named = model.ip_adapter.in_unet(attention.blocks(model.unet))
    assert set(model.unet.state_dict()) | set(named) == set(FIXTURE.weights["unet"])
    left = set(FIXTURE.weights["unet_encoder"]) - set(model.garment_unet.state_dict())
    assert set(model.garment_unet.state_dict()) < set(FIXTURE.weights["unet_encoder"]) and len(left) == ADD_EMBEDDING
    assert all(name.startswith("add_embedding.") for name in left)
    for name in ("unet", "garment_unet", "ip_adapter"):
        assert model.base["networks"][name]["digest"]


@FIXTURE.needed
def test_published_numbers_of_the_image_prompt(model):
    numbers = FIXTURE.meta["key_maps"]["ip_adapter_bin_index"]
    blocks = attention.blocks(model.unet)
    assert {str(2 * place + 1): f"{block}.attn2" for place, block in enumerate(blocks)} == numbers
    assert list(model.ip_adapter.ip_adapter) == list(numbers)


@FIXTURE.needed
def test_encode(io, close, model):
    for what, states, pooled in (
        ("positive", "enc.prompt", "enc.pooled"),
        ("negative", "enc.negative", "enc.negative_pooled"),
        ("cloth", "enc.cloth_text", None),
    ):
        found = model._texts(both(io, what))
        close(states, found[0])
        if pooled:
            close(pooled, found[1])
    encoder = model.networks["image_encoder"]
    with torch.no_grad():
        close("enc.clip_hidden", encoder(io["in.ip_pixels"], output_hidden_states=True).hidden_states[-2])
        close("enc.ip_tokens", model._prompt({"garment_prompt": io["in.ip_pixels"]}))
        close("enc.ip_tokens_uncond", model._null_prompt(1))
    assert not close.left("encode")


@FIXTURE.needed
def test_features(io, close, model):
    with torch.no_grad():
        found = model.garment_features(io["fwd.cloth_latent"], io["enc.cloth_text"], io["fwd.timestep"])
    assert list(found) == FIXTURE.meta["key_maps"]["feature_order"], "in the order of execution"
    for place, tokens in enumerate(found.values()):
        close(f"feat.{place:02d}", tokens)
    assert not close.left("features")


@FIXTURE.needed
def test_forward(io, close, model):
    close("fwd.mask", model.latent_mask(io["in.mask"]))
    taps, handles = {}, []

    def keep(name, rows=slice(None)):
        def hook(module, inputs, keywords, output):
            taps[f"fwd.{name}_out"] = output[:, rows]
            taps[f"fwd.{name}_in"] = inputs[0] if inputs else keywords["hidden_states"]

        return hook

    blocks = {}
    for name in (name for name in io if re.fullmatch(r"fwd\.\w+\.norm1_out", name)):
        place, block = name.split(".")[1], FIXTURE.meta["tensors"][name]["meaning"].split(":")[0]
        module, blocks[place] = model.unet.get_submodule(block), block
        for part, tapped in (("norm1", module.norm1), ("attn1", module.attn1), ("attn2", module.attn2)):
            handles.append(tapped.register_forward_hook(keep(f"{place}.{part}"), with_kwargs=True))
        handles.append(module.register_forward_hook(keep(f"{place}.block"), with_kwargs=True))
    cond = branch(io, "cond") | garment_network.entries(features(io))
    with torch.no_grad():
        close("fwd.noise_pred", model.predict(io["fwd.latents"], io["fwd.timestep"], cond))
        for handle in handles:
            handle.remove()
        zeros = branch(io, "cond") | garment_network.entries(garment_network.null(features(io)))
        close("fwd.noise_pred_zero_features", model.predict(io["fwd.latents"], io["fwd.timestep"], zeros))
    for place, block in blocks.items():
        for part in ("norm1", "attn2", "block"):
            close(f"fwd.{place}.{part}_out", taps[f"fwd.{place}.{part}_out"])
        own = taps[f"fwd.{place}.attn1_in"]  # upstream's queries are the garment's too, and thrown away
        close(f"fwd.{place}.attn1_in", torch.cat([own, features(io)[block]], dim=1))
        stored = io[f"fwd.{place}.attn1_out"][:, : own.shape[1]]
        assert torch.allclose(taps[f"fwd.{place}.attn1_out"], stored, atol=FIXTURE.relative)
    assert not close.left("forward")


@FIXTURE.needed
@pytest.mark.parametrize("sequential", [False, True])
def test_cfg_step(io, close, model, sequential):
    from vton_models.idm_vton.features import Following

    conditions = [branch(io, "uncond"), branch(io, "cond")]
    branches = Following(model.predict, conditions, sequential, lambda timestep: features(io))
    with torch.no_grad():
        uncond, cond = branches(io["fwd.latents"], io["fwd.timestep"])
    close("cfg.noise_pred_uncond", uncond)
    close("cfg.noise_pred_cond", cond)
    close("cfg.noise_pred", diffusion.guide(uncond, cond, FIXTURE.cases["cfg_step"]["guidance_scale"]))
    assert not close.left("cfg_step")


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("name", FIXTURE.names("sample"))
def test_sample(io, close, model, name, sequential):
    case = FIXTURE.cases[name]
    noises = {"masked_person": f"{name}.vae_noise_masked", "pose": f"{name}.vae_noise_pose"}
    noises |= {"garment": f"{name}.vae_noise_cloth", "init": f"{name}.init_noise"}
    noises = {key: io[stored] for key, stored in noises.items()}
    noises |= {f"step.{index}": noise for index, noise in enumerate(io[f"{name}.step_noise"])}
    settings = Sampling(case["num_inference_steps"], case["guidance_scale"])
    close(f"{name}.timesteps", model.scheduler(settings).timesteps)
    steps = []
    image = model.sample(
        seen_in_sampling(io), settings, NONE, sequential_guidance=sequential, noises=noises,
        on_step=lambda index, after: steps.append(after),
    )  # fmt: skip
    close(f"{name}.latents_per_step", torch.stack(steps))
    close(f"{name}.image", image)
    assert not close.left(name)


@pytest.mark.parametrize("name", FIXTURE.names("train"))
def test_train(io, close, base, name, monkeypatch):
    case = FIXTURE.cases[name]
    model = build_model(base, min_snr=case["snr_gamma"] or 0.0)
    stored = {"person": "image", "masked_person": "masked", "pose": "pose", "garment": "cloth"}
    noises = {ours: io[f"{name}.vae_noise_{theirs}"] for ours, theirs in stored.items()}
    noises |= {"noise": io[f"{name}.noise"]}
    fixed = diffusion.Noises(NONE, noises)
    monkeypatch.setattr(diffusion, "Noises", lambda generator: fixed)
    entering, predicted = [], []

    def enter(module, inputs, named):
        entering.append((inputs[0], named["added_cond_kwargs"]["time_ids"]))

    model.unet.register_forward_pre_hook(enter, with_kwargs=True)
    model.unet.register_forward_hook(lambda module, inputs, output: predicted.append(output.sample))
    items = len(io["train.image"])
    given = {
        "person": io["train.image"],
        "mask": io["train.inpaint_mask"],
        "pose": io["train.pose_img"],
        "garment": io["train.cloth_pure"],
        "garment_prompt": io["train.cloth"][:, 0],
        "input_ids": both(io, "positive").expand(items, -1),
        "garment_input_ids": both(io, "cloth").expand(items, -1),
    }
    loss = model.loss(given, NONE, timesteps=io[f"{name}.timesteps"])
    ((channels, ids),) = entering
    close(f"{name}.unet_input", channels)
    close(f"{name}.noise_pred", predicted[0])
    close(f"{name}.loss", loss)
    assert torch.equal(ids, io[f"{name}.time_ids"].float())
    loss.backward()
    named = dict(model.unet.named_parameters()) | model.ip_adapter.in_unet(attention.blocks(model.unet))
    norms = torch.stack([named[key].grad.norm() for key in case["parameters"]])
    assert torch.allclose(norms, io[f"{name}.grad_norms"], rtol=FIXTURE.share, atol=0)
    assert case["parameters_without_gradient"] == sorted(model.unused())
    assert close.left(name) == {f"{name}.grad_norms"}, "compared by their share"


# Captions


def caption_cases():
    path = FOLDER / "captions.json"
    return json.loads(path.read_text())["cases"] if path.is_file() else []


@pytest.mark.parametrize("case", caption_cases(), ids=lambda case: case["file_name"])
def test_captions_equal_upstreams(case):
    """But for the space behind V, which tokenizers drop."""
    tags = [{"name": tag["tag_name"], "value": tag["tag_category"]} for tag in case["tag_info"]]
    record = {"tags": tags, "garment_caption": captions.describe({"tags": tags}, "detailed") or None}
    for known in ({"tags": tags}, record):
        in_training = captions.sentences(known, "detailed", article=False)
        assert in_training == (case["garmentnet"].rstrip(), case["tryon_train"].rstrip())
        assert captions.sentences(known, "detailed", article=True)[1] == case["tryon_test"].rstrip()


def test_a_garment_without_tags_is_shirts():
    assert captions.sentences({}, "detailed", article=False) == ("a photo of shirts", "model is wearing shirts")
    assert captions.sentences({}, "none", article=True) == ("", "")
    dress = captions.sentences({"category": "dresses", "tags": [{"name": "item", "value": "Gown"}]}, "category", True)
    assert dress == ("a photo of dress", "model is wearing a dress")


# Masks


def mask_cases():
    path = FOLDER / "dresscode_masks.json"
    return json.loads(path.read_text())["cases"] if path.is_file() else []


def test_fixtures_have_masks():
    if not mask_cases():
        pytest.skip(f"{FOLDER}/dresscode_masks.json is absent; set VTON_PARITY")
    assert {case["category"] for case in mask_cases()} <= set(agnostic.RECIPES["idm_vton"].categories)


@pytest.mark.parametrize("case", mask_cases(), ids=lambda case: case["name"])
def test_mask_equals_upstreams(case):
    with np.load(FOLDER / "dresscode_masks.npz") as stored:
        parse, keep = stored[f"{case['name']}.parse"], stored[f"{case['name']}.keep"]
    made = agnostic.idm_vton_mask(parse, np.array(case["keypoints"]), case["category"])
    np.testing.assert_array_equal(made, np.where(keep, 0, 255))
    assert masks.area(made) == case["repaint_area"]
