"""CatVTON against numbers of its authors' own code, tensor by tensor, from the fixture folder `catvton`."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from safetensors.torch import save_file  # noqa: E402
from support.parity import Comparison, Fixture  # noqa: E402

from vton_models.catvton import Config, build, composite, official  # noqa: E402
from vton_models.catvton.sampling import Sampling  # noqa: E402
from vton_models.networks import attention, crops, diffusion, latents, pictures, weights  # noqa: E402

torch.set_num_threads(1)  # tiny networks gain nothing from more
FIXTURE = Fixture("catvton")
pytestmark = FIXTURE.needed
CASES, META = FIXTURE.cases, FIXTURE.meta
NONE = torch.Generator()  # every draw is given


@pytest.fixture(scope="module")
def io():
    return FIXTURE.io


@pytest.fixture(scope="module")
def tensors():
    return FIXTURE.weights


@pytest.fixture(scope="module")
def model(tensors, tmp_path_factory):
    """The fixture's networks; self-attention comes from its file in the published layout."""
    made = build_model(tensors)
    folder = tmp_path_factory.mktemp("official") / "attention"
    folder.mkdir()
    save_file(tensors["attention"], folder / "model.safetensors", {"format": "pt"})
    made.load_official(folder.parent)
    return made


def build_model(tensors, **settings):
    pictured = CASES["preprocess"]
    arguments = {name: FIXTURE.arguments(name) for name in ("unet", "vae", "scheduler")}
    made = build(Config(height=pictured["H"], width=pictured["W"], **arguments, **settings))
    made.unet.load_state_dict(tensors["unet"])
    made.vae.load_state_dict(tensors["vae"])
    return made


@pytest.fixture
def close():
    return Comparison(FIXTURE)


def given(io):
    return {"person": io["in.image"], "garment": io["in.condition_image"], "mask": io["in.mask"]}


def condition(io, channels):
    return {"channels": torch.cat([io["fwd.mask_latent"], io[channels]], dim=1), "encoder_hidden_states": None}


def test_every_case_of_the_fixture_has_its_test():
    """Which looks by itself whether it compared all outputs."""
    single = {"preprocess", "vae_encode", "forward", "cfg_step"}
    assert set(CASES) == single | set(FIXTURE.names("sample_")) | set(FIXTURE.names("train_"))


def test_key_map():
    with torch.device("meta"):
        full = build(Config())
    assert [f"{block}.attn1" for block in attention.blocks(full.unet)] == list(META["key_maps"]["attention"].values())
    numbered = official.numbered_attention(full.unet)
    assert sorted({int(key.split(".")[0]) for key in numbered}) == sorted(map(int, META["key_maps"]["attention"]))


def test_preprocess(io, close):
    case = CASES["preprocess"]
    size = case["H"], case["W"]
    tensor_tolerance = float(re.search(r"tensors ([\d.e-]+)", case["tolerance"]).group(1))
    person, garment, mask = (io[f"pre.{name}"].numpy() for name in ("person", "garment", "mask"))
    middle = pictures.centre(person.shape[:2], size)
    person, mask = (pictures.stretch(crops.cut(one, middle), size) for one in (person, mask))
    garment = pictures.fit_on_white(garment, size)
    close("pre.person_cropped", person)
    close("pre.mask_cropped", mask)
    close("pre.garment_padded", garment)
    pixels = latents.to_pixels(pictures.to_tensor(person)[None])
    binary = latents.to_binary(pictures.to_tensor(mask)[None])
    close("pre.person_tensor", pixels, tensor_tolerance)
    close("pre.garment_tensor", latents.to_pixels(pictures.to_tensor(garment)[None]), tensor_tolerance)
    close("pre.mask_tensor", binary, tensor_tolerance)
    close("pre.masked_person_tensor", pixels * (1 - binary), tensor_tolerance)
    result, mask = io["pre.repaint_result"].numpy(), io["pre.repaint_mask"].numpy()[..., 0]
    close("pre.repainted", composite.repaint(io["pre.person_cropped"].numpy(), mask, result))
    assert not close.left("preprocess")


def test_vae_encode(io, close, model):
    shown = model._shown_person(given(io))
    close("vae.masked_latent", latents.encode(model.vae, shown, io["vae.noise_masked"]))
    close("vae.condition_latent", latents.encode(model.vae, io["in.condition_image"], io["vae.noise_condition"]))
    assert not close.left("vae_encode")


def test_condition_is_laid_out_as_stored(io, model):
    made = model._condition(given(io), io["vae.masked_latent"], io["vae.condition_latent"], None)
    none = model._condition(given(io), io["vae.masked_latent"], torch.zeros_like(io["vae.condition_latent"]), None)
    assert torch.equal(made["channels"], condition(io, "fwd.cond_latent")["channels"])
    assert torch.equal(none["channels"], condition(io, "fwd.uncond_latent")["channels"])


def test_forward(io, close, model):
    taps = {}

    def keep(name):
        def hook(module, inputs, keywords, output):
            taps[f"fwd.{name}_in"] = inputs[0] if inputs else keywords["hidden_states"]
            taps[f"fwd.{name}_out"] = output

        return hook

    handles = []
    for name in (name for name in CASES["forward"]["outputs"] if name.endswith(".block_out")):
        place, transformer = name.split(".")[1], META["tensors"][name]["meaning"].split(":")[0]
        block = model.unet.get_submodule(f"{transformer}.transformer_blocks.0")
        for part, module in (("attn1", block.attn1), ("attn2", block.attn2), ("block", block)):
            handles.append(module.register_forward_hook(keep(f"{place}.{part}"), with_kwargs=True))
    with torch.no_grad():
        model_pred = model.predict(io["fwd.latents"], io["fwd.timestep"], condition(io, "fwd.cond_latent"))
    for handle in handles:
        handle.remove()
    close("fwd.noise_pred", model_pred)
    for name in set(CASES["forward"]["outputs"]) - {"fwd.noise_pred"}:
        close(name, taps[name])
    assert not close.left("forward")


@pytest.mark.parametrize("sequential", [False, True])
def test_cfg_step(io, close, model, sequential):
    conditions = [condition(io, "fwd.uncond_latent"), condition(io, "fwd.cond_latent")]
    with torch.no_grad():
        branches = diffusion.Branches(model.predict, conditions, sequential)
        uncond, cond = branches(io["fwd.latents"], io["fwd.timestep"])
    close("cfg.noise_pred_uncond", uncond)
    close("cfg.noise_pred_cond", cond)
    close("cfg.noise_pred", diffusion.guide(uncond, cond, CASES["cfg_step"]["guidance_scale"]))
    assert not close.left("cfg_step")


@pytest.mark.parametrize("name", FIXTURE.names("sample_"))
def test_sample(io, close, model, name):
    case = CASES[name]
    noises = {"shown_person": io[f"{name}.vae_noise_masked"], "garment": io[f"{name}.vae_noise_condition"]}
    noises["init"] = io[f"{name}.init_noise"]
    noises |= {f"step.{index}": noise for index, noise in enumerate(io.get(f"{name}.step_noise", ()))}
    scheduler = diffusion.ddim(model.config.scheduler_arguments)
    scheduler.set_timesteps(case["num_inference_steps"])
    close(f"{name}.timesteps", scheduler.timesteps)
    steps = []
    settings = Sampling(**{key: case[key] for key in ("num_inference_steps", "guidance_scale", "eta")})
    image = model.sample(given(io), settings, NONE, noises=noises, on_step=lambda index, after: steps.append(after))
    close(f"{name}.latents_per_step", torch.stack(steps))
    close(f"{name}.image", image.permute(0, 2, 3, 1))
    close(f"{name}.image_uint8", np.stack([pictures.to_array(one) for one in image]))
    assert not close.left(name)


def test_training_input(io, close, model):
    noisy = diffusion.add_noise(model.alphas, io["train.clean_latents"], io["train.noise"], io["train.timesteps"])
    close("train.noisy_latents", noisy)
    close("train.unet_input", torch.cat([noisy, io["train.mask"], io["train.cond_latents"]], dim=1))


@pytest.mark.parametrize("name", FIXTURE.names("train_"))
def test_train(io, close, tensors, model, name):
    case = CASES[name]
    dream = build_model(tensors, dream=case.get("dream_detail_preservation", float("inf")))
    weights.assign(official.numbered_attention(dream.unet), tensors["attention"], "fixture")
    channels = {"channels": torch.cat([io["train.mask"], io["train.cond_latents"]], dim=1)}
    channels["encoder_hidden_states"] = None
    if f"{name}.target" in io:
        noisy, target = dream.rectify(io["train.noisy_latents"], channels, io["train.noise"], io["train.timesteps"])
        close(f"{name}.unet_input", torch.cat([noisy, channels["channels"]], dim=1))
        close(f"{name}.target", target)
    loss = dream.denoising_loss(io["train.clean_latents"], channels, io["train.noise"], io["train.timesteps"])
    close(f"{name}.loss", loss)
    loss.backward()
    gradients = {key.removeprefix("unet."): parameter.grad for key, parameter in dream.trainable().items()}
    norms = torch.stack([gradients[key].norm() for key in case["parameters"]])
    together = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
    assert torch.allclose(norms, io[f"{name}.grad_norms"], rtol=FIXTURE.share, atol=0)
    assert torch.allclose(together, io[f"{name}.grad_norm_all_attn1"], rtol=FIXTURE.share, atol=0)
    assert close.left(name) == {f"{name}.grad_norms", f"{name}.grad_norm_all_attn1"}, "compared by their share"
