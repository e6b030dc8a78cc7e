"""IMAGDressing against numbers of its authors' own code, tensor by tensor (`support.parity`)."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.parity import Comparison, Fixture  # noqa: E402

from vton_models.imagdressing import Config, build, prepare  # noqa: E402
from vton_models.imagdressing.sampling import Sampling  # noqa: E402
from vton_models.networks import attention, diffusion, image_encoder, latents, pictures  # noqa: E402
from vton_models.networks.garment_network import features_of  # noqa: E402

torch.set_num_threads(1)  # tiny networks gain nothing from more
FIXTURE = Fixture("imagdressing")
CASES = FIXTURE.cases
pytestmark = FIXTURE.needed
NONE = torch.Generator()  # every draw is given
STOCK = ("unet", "vae", "text_encoder", "image_encoder")


@pytest.fixture(scope="module")
def io():
    return FIXTURE.io


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_model(tmp_path_factory.mktemp("official"))


def build_model(folder, **settings):
    """The fixture's networks; what is trained comes from its file in the published layout, half precision as stored."""
    networks = {name: FIXTURE.arguments(name) for name in (*STOCK, "scheduler", "resampler")}
    for implied in ("embedding_dim", "output_dim"):
        del networks["resampler"][implied]
    height, width = FIXTURE.io["in.ref_image"].shape[2:]
    garment_unet = FIXTURE.arguments("ref_unet")
    model = build(Config(height=height, width=width, garment_unet=garment_unet, **networks, **settings))
    for name in STOCK:
        stored = {key.replace("text_model.", "").replace("vision_model.", ""): value for key, value in
                  FIXTURE.weights[name].items()}  # fmt: skip
        own = model.networks[name].state_dict()
        plain = {key: key.replace("text_model.", "").replace("vision_model.", "") for key in own}
        model.networks[name].load_state_dict({key: stored.get(plain[key], value) for key, value in own.items()})
        assert {plain[key] for key in own if "position_ids" not in key} <= stored.keys()
    published = {key: value.half() for key, value in FIXTURE.weights["ckpt"].items()}
    torch.save({"module": published, "dp_world_size": 10}, folder / "IMAGDressing-v1_512.pt")
    model.load_official(folder)
    return model


@pytest.fixture
def close():
    return Comparison(FIXTURE)


def pixels(images):
    """float32 pictures of −1–1 as latents and back take them."""
    return images


def condition(model, io, features=None, scale=1.0, states="enc.positive"):
    return model.condition(io[states], features, scale)


def features(model, io):
    return model.features(io["enc.ref_latent"], model.hidden(io["in.clip_pixels"]))


def test_every_case_of_the_fixture_has_its_test():
    """Which looks by itself whether it compared all outputs."""
    single = {"resize_img", "encode", "features", "forward", "cfg_step"}
    assert set(CASES) == single | set(FIXTURE.names("sample")) | set(FIXTURE.names("train"))


def test_key_map(model):
    numbered = model.networks["garment_attention"].numbered("ref")
    places = [int(key.split(".")[0]) for key in numbered if ".to_k_" in key]
    blocks = [f"{block}.attn1" for block in attention.blocks(model.unet)]
    assert {str(place): block for place, block in zip(places, blocks, strict=True)} == FIXTURE.meta["key_maps"][
        "adapter_modules"
    ]


def test_resize_img(io, close):
    for before, after in CASES["resize_img"]["pairs"]:
        image = np.zeros((before[1], before[0], 3), np.uint8)
        assert prepare.bounded(image, (640, 512), 64).shape[1::-1] == tuple(after)
    found = prepare.bounded(io["pre.garment"].numpy(), (160, 128), 16)
    close("pre.resized", found)
    size = io["in.clip_pixels"].shape[-1]
    seen = pictures.to_tensor(image_encoder.shown(io["pre.resized"].numpy(), size))[None]
    close("in.clip_pixels", image_encoder.normalized(seen))
    stretched = prepare.resized(io["pre.resized"].numpy(), tuple(io["in.ref_image"].shape[2:]))
    close("in.ref_image", latents.to_pixels(pictures.to_tensor(stretched)[None]))


def test_encode(io, close, model):
    seen = io["in.clip_pixels"]
    with torch.no_grad():
        close("enc.clip_hidden", model.hidden(seen))
        close("enc.tokens", model.tokens(model.hidden(seen)))
        close("enc.tokens_zero_pixels", model.tokens(model.hidden(torch.zeros_like(seen))))
        close("enc.ref_latent", model.encode(io["in.ref_image"], None))
        close("enc.positive", model.states(io["in.ids_positive"]))
        close("enc.negative", model.states(io["in.ids_negative"]))
    assert not close.left("encode")


def test_features(io, close, model):
    with torch.no_grad():
        for place, tokens in enumerate(features(model, io).values()):
            close(f"feat.{place:02}", tokens)
    assert not close.left("features")


def test_forward(io, close, model):
    taps = {}

    def keep(name):
        def hook(module, inputs, keywords, output):
            taps[f"fwd.{name}_in"] = inputs[0] if inputs else keywords["hidden_states"]
            taps[f"fwd.{name}_out"] = output

        return hook

    names = ("down_blocks.0.attentions.0", "mid_block.attentions.0", "up_blocks.3.attentions.2")
    handles = []
    for place, name in zip(("first", "middle", "last"), names, strict=True):
        block = model.unet.get_submodule(f"{name}.transformer_blocks.0")
        for part, module in (("attn1", block.attn1), ("block", block)):
            handles.append(module.register_forward_hook(keep(f"{place}.{part}"), with_kwargs=True))
    noisy, timestep = io["fwd.latents"], io["fwd.timestep"]
    with torch.no_grad():
        garment = features(model, io)
        close("fwd.noise_pred", model.predict(noisy, timestep, condition(model, io, garment)))
        for name in FIXTURE.meta["tensors"].keys() & taps.keys():
            close(name, taps[name])
        close("fwd.noise_pred_lambda_0.4", model.predict(noisy, timestep, condition(model, io, garment, 0.4)))
        close("fwd.noise_pred_no_garment", model.predict(noisy, timestep, condition(model, io)))
        close("fwd.first.attn1_out_no_garment", taps["fwd.first.attn1_out"])
    for handle in handles:
        handle.remove()
    assert not close.left("forward") and {"fwd.first.attn1_in", "fwd.last.block_out"} <= close.compared


@pytest.mark.parametrize("sequential", [False, True])
def test_cfg_step(io, close, model, sequential):
    with torch.no_grad():
        both = condition(model, io, features(model, io), CASES["cfg_step"]["image_scale"])
        branches = diffusion.Branches(model.predict, [condition(model, io, states="enc.negative"), both], sequential)
        uncond, cond = branches(io["fwd.latents"], io["fwd.timestep"])
    close("cfg.noise_pred_uncond", uncond)
    close("cfg.noise_pred", diffusion.guide(uncond, cond, CASES["cfg_step"]["guidance_scale"]))
    assert not close.left("cfg_step")
    assert len(features_of(both)) == 17


@pytest.mark.parametrize("name", FIXTURE.names("sample"))
def test_sample(io, close, model, monkeypatch, name):
    case, steps, decoded = CASES[name], [], []
    noises = {"init": io[f"{name}.init_noise"]}
    noises |= {f"step.{index}": noise for index, noise in enumerate(io.get(f"{name}.step_noise", ()))}
    monkeypatch.setattr(model, "clip_states", lambda seen, without=None: model.hidden(io["in.clip_pixels"]))
    monkeypatch.setattr(model, "ids_of", lambda words, items: io["in.ids_negative"].expand(items, -1))
    model.vae.register_forward_hook(lambda module, inputs, output: None)
    real = model.vae.decode
    monkeypatch.setattr(model.vae, "decode", lambda *inputs: decoded.append(real(*inputs)) or decoded[-1])
    given = {"garment": io["in.ref_image"], "input_ids": io["in.ids_positive"]}
    settings = Sampling(**{key: case[key] for key in Sampling.__dataclass_fields__ if key in case})
    image = model.sample(given, settings, NONE, noises=noises, on_step=lambda index, after: steps.append(after))
    close(f"{name}.latents_per_step", torch.stack(steps))
    scheduler = model.scheduler(settings)
    close(f"{name}.timesteps", scheduler.timesteps)
    close(f"{name}.image", decoded[0].sample)
    close(f"{name}.image_uint8", np.stack([pictures.to_array(one) for one in image]))
    assert not close.left(name)


@pytest.mark.parametrize("name", FIXTURE.names("train"))
def test_train(io, close, monkeypatch, tmp_path, name):
    """The published schedule; the batch's pictures are those of the first case throughout."""
    case, inputs, seen = CASES[name], {key.split(".")[1]: key for key in CASES[name]["inputs"]}, {}
    model = build_model(tmp_path, zero_terminal_snr=True, min_snr=float(case["snr_gamma"]), noise_offset=0.0)
    dropped = io[inputs["drop_image_embed"]].bool()
    draws = {"person": "vae_noise_person", "garment": "vae_noise_clothes", "noise": "noise"}
    real = diffusion.Noises
    fixed = {key: io[inputs[draw]] for key, draw in draws.items()}
    monkeypatch.setattr(diffusion, "Noises", lambda generator: real(generator, fixed))
    monkeypatch.setattr(model, "dropped", lambda items, generator: (dropped, torch.zeros_like(dropped)))
    monkeypatch.setattr(
        model, "clip_states", lambda seen, without: model.hidden(seen["clip_garment"] * ~without.view(-1, 1, 1, 1))
    )
    monkeypatch.setattr(model, "ids_of", lambda words, items: io["in.ids_empty"].expand(items, -1))
    predict = model.predict

    def watched(noisy, timesteps, condition):
        seen["model_pred"] = predict(noisy, timesteps, condition)
        return seen["model_pred"]

    monkeypatch.setattr(model, "predict", watched)
    parts = {"person": "vae_person", "garment": "vae_clothes", "clip_garment": "clip_image", "input_ids": "input_ids"}
    batch = {key: io[inputs[part]] for key, part in parts.items()}
    timesteps = io[inputs["timesteps"]]
    loss = model.loss(batch, torch.Generator().manual_seed(0), timesteps=timesteps)
    clean = model.encode(batch["person"], real(NONE, fixed), "person")
    close(f"{name}.noisy_latents", diffusion.add_noise(model.alphas, clean, fixed["noise"], timesteps))
    close(f"{name}.model_pred", seen["model_pred"])
    close(f"{name}.loss", loss)
    loss.backward()
    published = {"ref_unet": "garment_unet", "proj": "projection"}
    gradients = {key: parameter.grad for key, parameter in model.trainable().items()}
    pairs = model.networks["garment_attention"].numbered("ref")
    norms = []
    for key in case["parameters"]:
        part, tensor = key.split(":")
        gradient = pairs[tensor].grad if part == "adapter_modules" else gradients[f"{published[part]}.{tensor}"]
        norms.append(gradient.norm())
    assert torch.allclose(torch.stack(norms), io[f"{name}.grad_norms"], rtol=FIXTURE.share, atol=0)
    without = {key.replace("ref_unet:", "garment_unet.") for key in case["parameters_without_gradient"]}
    assert without == model.unused() == {key for key, gradient in gradients.items() if gradient is None}
    assert close.left(name) == {f"{name}.grad_norms"}, "compared by their share"
