"""Magic Clothing against numbers of its authors' own code, tensor by tensor, from the fixture folder."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from safetensors.torch import save_file  # noqa: E402
from support.parity import Comparison, Fixture  # noqa: E402

from vton_models.magic_clothing import Config, build  # noqa: E402
from vton_models.magic_clothing.model import _condition  # noqa: E402
from vton_models.magic_clothing.sampling import Sampling  # noqa: E402
from vton_models.networks import attention, diffusion, garment_network, latents, pictures  # noqa: E402
from vton_models.system import Purpose  # noqa: E402

torch.set_num_threads(1)  # tiny networks gain nothing from more
FIXTURE = Fixture("magic_clothing")
pytestmark = FIXTURE.needed
CASES, META = FIXTURE.cases, FIXTURE.meta
NONE = torch.Generator()  # every draw is given
NEGATIVE = "negative"


@pytest.fixture(scope="module")
def io():
    return FIXTURE.io


@pytest.fixture(scope="module")
def model(io, tmp_path_factory):
    """The fixture's networks; the garment network comes from its file in the published layout."""
    pictured, tensors = CASES["preprocess"], FIXTURE.weights
    names = {"unet": "unet", "garment_unet": "extractor", "vae": "vae", "text_encoder": "text_encoder"}
    arguments = {name: FIXTURE.arguments(config) for name, config in names.items()}
    model = build(Config(height=pictured["H"], width=pictured["W"], **arguments))
    for name in ("unet", "vae"):
        model.networks[name].load_state_dict(tensors[name])
    words = {key.removeprefix("text_model."): value for key, value in tensors["text_encoder"].items()}
    model.networks["text_encoder"].load_state_dict(words)
    file = tmp_path_factory.mktemp("official") / "any_name.safetensors"
    save_file(tensors["extractor"], file, {"format": "pt"})
    model.load_official(file)
    ids = {"": io["in.ids_empty"], NEGATIVE: io["in.ids_negative"]}
    model.tokenizers = {"text_encoder": lambda text: ids[text][0].tolist()}
    return model


@pytest.fixture
def close():
    return Comparison(FIXTURE)


@pytest.fixture(scope="module")
def features(io, model):
    with torch.no_grad():
        return model.features(io["enc.cloth_latent"])


def seen(io, images=1):
    """A prepared batch."""
    garment = {"garment": io["pre.cloth"], "garment_mask": io["pre.mask"], "input_ids": io["in.ids_positive"]}
    return {name: tensor.repeat(images, *[1] * (tensor.ndim - 1)) for name, tensor in garment.items()}


def settings(case):
    keys = {"num_inference_steps": "num_inference_steps", "guidance_scale": "guidance_scale"}
    keys |= {"garment_guidance_scale": "cloth_guidance_scale"}
    chosen = {ours: case[theirs] for ours, theirs in keys.items() if theirs in case}
    single = case.get("pipeline") == "StableDiffusionPipeline"
    return Sampling(**chosen, guidance="single" if single else "joint", negative_prompt=NEGATIVE)


def test_every_case_of_the_fixture_has_its_test():
    """Which looks by itself whether it compared all outputs."""
    single = {"preprocess", "encode", "features", "forward", "cfg_step", "cfg_independent", "train"}
    assert set(CASES) == single | set(FIXTURE.names("sample_"))


def test_the_shape_is_stable_diffusions(model):
    """Of 16 features the order is that of running."""
    names = [f"{block}.attn1.processor" for block in attention.blocks(model.unet)]
    assert sorted(names) == sorted(META["key_maps"]["feature_order"]) and len(names) == 16


def test_preprocess(io, close, model):
    record = {"garment_image": io["in.cloth"].numpy(), "garment_mask": io["in.cloth_mask"].numpy()}
    prepared = model.config.prepare(Purpose.PHOTOS)(record)
    garment = latents.to_pixels(prepared["garment"][None])
    mask = latents.to_binary(prepared["garment_mask"][None])
    tolerance = re.search(r"tensors ([\d.e-]+)", CASES["preprocess"].get("tolerance", ""))
    for name, found in (("cloth", garment), ("mask", mask), ("masked_cloth", garment * mask)):
        close(f"pre.{name}", found, float(tolerance[1]) if tolerance else None)
    assert not close.left("preprocess")


def test_encode(io, close, model):
    close("enc.positive", model._states(seen(io)))
    close("enc.negative", model._text(NEGATIVE, 1))
    close("enc.empty", model._null_states(1))
    close("enc.cloth_latent", model.garment_latents(seen(io)))
    assert not close.left("encode")


def test_features(close, features):
    for place, name in enumerate(META["key_maps"]["feature_order"]):
        close(f"feat.{place:02d}", features[name.removesuffix(".attn1.processor")])
    assert not close.left("features")


def test_forward(io, close, model, features):
    taps = {}

    def keep(name):
        def hook(module, inputs, keywords, output):
            taps[f"fwd.{name}_in"] = inputs[0] if inputs else keywords["hidden_states"]
            taps[f"fwd.{name}_out"] = output

        return hook

    handles = []
    for place in ("first", "middle", "last"):
        transformer = META["tensors"][f"fwd.{place}.attn1_in"]["meaning"].split(":")[0]
        block = model.unet.get_submodule(f"{transformer}.transformer_blocks.0")
        for part, module in (("attn1", block.attn1), ("block", block)):
            handles.append(module.register_forward_hook(keep(f"{place}.{part}"), with_kwargs=True))

    def predict(tokens):
        with torch.no_grad():
            return model.predict(io["fwd.latents"], io["fwd.timestep"], _condition(None, io["enc.positive"], tokens))

    close("fwd.noise_pred", predict(features))
    for handle in handles:
        handle.remove()
    for name in (name for name in META["tensors"] if re.match(r"fwd\.\w+\.(attn1_in|attn1_out|block_out)", name)):
        close(name, taps[name])
    close("fwd.noise_pred_zero_features", predict(garment_network.null(features)))
    close("fwd.noise_pred_stock", predict({}))
    assert not close.left("forward")


def branches(io, model, features, guidance, sequential=False):
    """The predictions of a step, and what guidance makes of them."""
    case = CASES["cfg_step"]
    scales = {"guidance_scale": case["guidance_scale"], "garment_guidance_scale": case["cloth_guidance_scale"]}
    chosen = Sampling(guidance=guidance, negative_prompt=NEGATIVE, **scales)
    with torch.no_grad():
        conditions = model.conditions(seen(io), diffusion.Noises(NONE), chosen)
        each = diffusion.Branches(model.predict, conditions.branches, sequential)
        arguments = io["fwd.latents"], io["fwd.timestep"]
        return each(*arguments), model.guided(each, chosen)(*arguments)


@pytest.mark.parametrize("sequential", [False, True])
def test_cfg_step(io, close, model, features, sequential):
    each, guided = branches(io, model, features, "joint", sequential)
    for name, predicted in zip("UGT", each, strict=True):
        close(f"cfg.noise_pred_{name}", predicted)
    close("cfg.noise_pred", guided)
    assert not close.left("cfg_step")


def test_cfg_independent(io, close, model, features):
    close("cfg_independent.noise_pred", branches(io, model, features, "independent")[1])
    assert not close.left("cfg_independent")


@pytest.mark.parametrize("name", FIXTURE.names("sample_"))
def test_sample(io, close, model, name):
    case, steps = CASES[name], []
    scheduler = model.scheduler(settings(case))
    close(f"{name}.timesteps", scheduler.timesteps)
    close(f"{name}.sigmas", scheduler.sigmas)
    image = model.sample(
        seen(io, case["num_images_per_prompt"]),
        settings(case),
        NONE,
        noises={"init": io[f"{name}.init_noise"]},
        on_step=lambda index, after: steps.append(after),
    )
    close(f"{name}.latents_per_step", torch.stack(steps))
    close(f"{name}.image", latents_to_image(model, steps[-1]))
    close(f"{name}.image_uint8", np.stack([pictures.to_array(one) for one in image]))
    assert not close.left(name)


def latents_to_image(model, denoised):
    """The decoder's output, -1 to 1 and beyond."""
    with torch.no_grad():
        return model.vae.decode(denoised / model.vae.config.scaling_factor).sample


def test_train(io, close, model):
    case = CASES["train"]
    given = [io[f"train.{name}"] for name in ("clean_latents", "cloth_latents", "keep_garment", "text", "noise")]
    loss = model.denoising_loss(*given, io["train.timesteps"])
    close("train.loss", loss)
    loss.backward()
    gradients = {name.removeprefix("garment_unet."): p.grad for name, p in model.trainable().items()}
    norms = torch.stack([gradients[key].norm() for key in case["parameters"]])
    assert torch.allclose(norms, io["train.grad_norms"], rtol=FIXTURE.share, atol=0)
    assert close.left("train") == {"train.grad_norms"}, "compared by their share"
    without = {f"garment_unet.{name}" for name in case["extractor_parameters_without_gradient"]}
    assert model.unused() == without == {f"garment_unet.{name}" for name, grad in gradients.items() if grad is None}
