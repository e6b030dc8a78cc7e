"""OOTDiffusion against numbers of its authors' own code: masks (masks.json), and tensor by tensor (meta.json).

Both lie in the folder `ootdiffusion` of $VTON_PARITY.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.parity import Comparison, Fixture  # noqa: E402

from annotators.functional import agnostic, masks  # noqa: E402
from vton_models.networks import diffusion, garment_network, image_encoder, latents, pictures  # noqa: E402
from vton_models.ootdiffusion import Config, build, official  # noqa: E402
from vton_models.ootdiffusion.sampling import Sampling  # noqa: E402

torch.set_num_threads(1)  # tiny networks gain nothing from more
PARITY = Path(os.environ.get("VTON_PARITY") or Path(__file__).parents[3] / "shared/parity") / "ootdiffusion"
FIXTURE = Fixture("ootdiffusion")
NONE = torch.Generator()  # every draw is stored


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
    mask = agnostic.ootdiffusion_mask(parse, joints, case["category"], case["model_type"])
    with np.load(PARITY / "masks.npz") as stored:
        np.testing.assert_array_equal(mask, stored[case["mask"]])
    assert masks.area(mask) == case["area"]


# Tensors


@pytest.fixture(scope="module")
def io():
    return FIXTURE.io if FIXTURE.cases else pytest.skip(f"no fixture in {FIXTURE.folder}")


@pytest.fixture
def close(io):
    return Comparison(FIXTURE)


@pytest.fixture(scope="module")
def models(io, tmp_path_factory):
    """By model type; the U-Nets come from folders in the published layout."""
    folder = tmp_path_factory.mktemp("official") / "checkpoint-36000"
    whole = build_model("hd")
    for name, place in official.FOLDERS.items():
        whole.networks[name].load_state_dict(FIXTURE.weights[place])
    whole.save_official(folder)
    loaded = {model_type: build_model(model_type) for model_type in ("hd", "dc")}
    for model in loaded.values():
        model.load_official(folder.parent)
    return loaded


def build_model(model_type):
    height, width = FIXTURE.io["in.image_ori"].shape[:2]
    arguments = {name: FIXTURE.arguments(name) for name in ("vae", "scheduler", "text_encoder", "image_encoder")}
    arguments |= {name: FIXTURE.arguments(place) for name, place in official.FOLDERS.items()}
    model = build(Config(height=height, width=width, model_type=model_type, **arguments))
    model.vae.load_state_dict(FIXTURE.weights["vae"])
    for name in ("text_encoder", "image_encoder"):  # transformers 5 names fewer levels than 4 did
        known = model.networks[name].state_dict().keys()
        tensors = FIXTURE.weights[name].items()
        named = {key if key in known else key.removeprefix("text_model."): tensor for key, tensor in tensors}
        model.networks[name].load_state_dict(named)
    return model


def picture(name):
    return pictures.to_tensor(FIXTURE.io[name].numpy())[None]


def seen(model_type):
    """A prepared batch of the fixture's pictures, with its ids."""
    garment = FIXTURE.io["in.image_garm"].numpy()
    view = image_encoder.shown(garment, FIXTURE.arguments("image_encoder")["image_size"])
    return {
        "person": picture("in.image_ori"),
        "masked_person": picture("in.image_vton"),
        "garment": picture("in.image_garm"),
        "mask": pictures.to_tensor(np.where(FIXTURE.io["in.mask"].numpy() >= 127, np.uint8(255), np.uint8(0)))[None],
        "garment_view": pictures.to_tensor(view)[None],
        "input_ids": FIXTURE.io[f"psi.input_ids_{model_type}"],
    }


def model_type_of(name):
    return "dc" if "_dc" in name else "hd"


def test_every_case_of_the_fixture_has_its_test(io):
    """Which looks by itself whether it compared all outputs."""
    assert set(FIXTURE.cases) == {"psi", "vae_mode", "forward", "cfg_step", "train", *FIXTURE.names("sample_")}


def test_counts_of_the_fixtures_networks(io, models):
    for name, place in official.FOLDERS.items():
        network, stored = models["hd"].networks[name], FIXTURE.meta["weights"][place]
        assert sum(parameter.numel() for parameter in network.parameters()) == stored["parameters"]
        assert len(network.state_dict()) == stored["tensors"]


def test_psi(io, close, models):
    pixels = image_encoder.normalized(seen("hd")["garment_view"])
    assert torch.allclose(pixels, io["psi.pixel_values"], atol=1e-6)
    for model_type, model in models.items():
        states = model.psi(io["psi.pixel_values"], io[f"psi.input_ids_{model_type}"])
        close(f"psi.{model_type}", states)
        close("psi.image_embeds", states[:, -1])
    assert not close.left("psi")


def test_vae_mode(io, close, models):
    model, given = models["hd"], seen("hd")
    close("lat.garm", model.garment_latents(given))
    close("lat.vton", model.shown_latents(given))
    close("lat.ori", model.encode(given["person"], None, scaled=False))
    assert not close.left("vae_mode")


def test_forward(io, close, models):
    order = ("down_blocks", "mid_block", "up_blocks")
    for model_type, name in (("hd", "fwd"), ("dc", "fwd_dc")):
        model, states, discarded = models[model_type], io[f"psi.{model_type}"], []
        hook = model.garment_unet.register_forward_hook(lambda *call, kept=discarded: kept.append(call[2].sample))
        with torch.no_grad():
            features = model.garment_features(io["lat.garm"], states)
            condition = model.condition(io["lat.vton"], states, features)
            close(f"{name}.noise_pred", model.predict(io["fwd.latents"], io["fwd.timestep"], condition))
        hook.remove()
        if model_type == "hd":
            close("fwd.garm_noise_pred", discarded[0])
            ordered = sorted(features, key=lambda block: order.index(block.split(".")[0]))
            assert list(features) == ordered, "in the order in which they are made"
            for number, block in enumerate(ordered):
                close(f"fwd.garm_feature.{number:02}", features[block])
    assert not close.left("forward")


@pytest.mark.parametrize("sequential", [False, True])
def test_cfg_step(io, close, models, sequential):
    model, states, scale = models["hd"], io["psi.hd"], FIXTURE.cases["cfg_step"]["image_guidance_scale"]
    with torch.no_grad():
        garments = torch.cat([io["lat.garm"], torch.zeros_like(io["lat.garm"])])
        features = garment_network.split(model.garment_features(garments, torch.cat([states, states])), 2)
        branches = diffusion.Branches(
            model.predict, [model.condition(io["lat.vton"], states, one) for one in features], sequential
        )
        cond, uncond = branches(io["fwd.latents"], io["fwd.timestep"])
        guided = model.guided(branches, Sampling(guidance_scale=scale))(io["fwd.latents"], io["fwd.timestep"])
    close("cfg.noise_pred_cond", cond)
    close("cfg.noise_pred_uncond", uncond)
    close("cfg.noise_pred", guided)
    for number in (0, len(features[1]) - 1):
        close(f"cfg.garm_feature_uncond.{number:02}", list(features[1].values())[number])
    assert not close.left("cfg_step")


@pytest.mark.parametrize("name", FIXTURE.names("sample_"))
def test_sample(io, close, models, monkeypatch, name):
    case, model = FIXTURE.cases[name], models[model_type_of(name)]
    settings = Sampling(case["num_inference_steps"], case["image_guidance_scale"])
    scheduler = model.scheduler(settings)
    close(f"{name}.timesteps", scheduler.timesteps)
    close(f"{name}.sigmas", scheduler.sigmas)
    stepped, repainted, decoded = [], [], []
    plain = diffusion.plain_step

    def plain_step(scheduler):
        def advance(*step):
            stepped.append(plain(scheduler)(*step))
            return stepped[-1]

        return advance

    monkeypatch.setattr(diffusion, "plain_step", plain_step)
    decode = model.vae.decode
    monkeypatch.setattr(model.vae, "decode", lambda *given: decoded.append(decode(*given)) or decoded[-1])
    image = model.sample(
        seen(model_type_of(name)),
        settings,
        NONE,
        noises={"init": io[f"{name}.init_noise"]},
        on_step=lambda index, after: repainted.append(after),
    )
    close(f"{name}.step_outputs", torch.stack(stepped))
    close(f"{name}.latents", repainted[-1])
    close(f"{name}.image", decoded[0].sample)
    if f"{name}.image_uint8" in io:
        close(f"{name}.image_uint8", np.stack([pictures.to_array(one) for one in image]))
    assert not close.left(name)


def test_train(io, close, models):
    case, model = FIXTURE.cases["train"], models["hd"]
    clean, noise, timesteps = (io[f"train.{name}"] for name in ("clean_latents", "noise", "timesteps"))
    close("train.noisy_latents", diffusion.add_noise(model.alphas, clean, noise, timesteps))
    loss = model.denoising_loss(
        clean, io["train.masked_person"], io["train.garment"], io["train.psi"], noise, timesteps
    )
    close("train.loss", loss)
    loss.backward()
    networks = {place: model.networks[name] for name, place in official.FOLDERS.items()}
    named = [key.split(":") for key in case["parameters"]]
    norms = torch.stack([networks[place].get_parameter(key).grad.norm() for place, key in named])
    assert torch.allclose(norms, io["train.grad_norms"], rtol=FIXTURE.share, atol=0)
    unused = {name.removeprefix("garment_unet.") for name in model.unused()}
    assert unused == set(case["garm_parameters_without_gradient"])
    without = {name for name, parameter in model.trainable().items() if parameter.grad is None}
    assert without == model.unused()
    for parameter in model.trainable().values():
        parameter.grad = None
    assert close.left("train") == {"train.grad_norms"}, "compared by their share"


def test_the_latent_mask_takes_the_nearest_pixel(io, models):
    stored, given = io["in.mask"], seen("hd")
    nearest = torch.nn.functional.interpolate((stored >= 127).float()[None, None], size=io["lat.ori"].shape[2:])
    assert torch.equal(models["hd"].latent_mask(given["mask"]), nearest)
    assert latents.downscale(models["hd"].vae) == stored.shape[0] // io["lat.ori"].shape[2]
