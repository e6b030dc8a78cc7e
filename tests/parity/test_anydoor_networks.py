"""AnyDoor's networks against numbers of its authors' own code, tensor by tensor, from the fixture folder `anydoor`."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.parity import Comparison, Fixture  # noqa: E402

from vton_models.anydoor import Config, build, official, schedule, tokens  # noqa: E402
from vton_models.anydoor.model import hint  # noqa: E402
from vton_models.anydoor.sampling import Sampling  # noqa: E402
from vton_models.networks import diffusion, latents  # noqa: E402

torch.set_num_threads(1)  # tiny networks gain nothing from more
FIXTURE = Fixture("anydoor")
pytestmark = FIXTURE.needed
CASES, META = FIXTURE.cases, FIXTURE.meta
NONE = torch.Generator()  # every draw is given


@pytest.fixture(scope="module")
def io():
    return FIXTURE.io


@pytest.fixture(scope="module")
def model():
    """The fixture's networks, all by the names of the published file."""
    return build_model()


def build_model(**settings):
    arguments = {name: FIXTURE.arguments(name) for name in ("unet", "controlnet", "vae", "scheduler")}
    arguments["image_encoder"] = FIXTURE.arguments("dinov2")
    built = build(Config(height=128, width=128, **arguments, **settings))
    values = official.tensors(built.networks, FIXTURE.weights["ckpt"], "fixture")
    for name, network in built.networks.items():
        prefix = f"{name}."
        own = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
        network.load_state_dict(own)
    built.change_networks()  # as after loading: the branch doesn't see the latents
    return built


@pytest.fixture
def close():
    return Comparison(FIXTURE)


def test_every_case_of_the_fixture_has_its_test():
    """Which looks by itself whether it compared all outputs."""
    assert set(CASES) == {"conditioning", "forward", "cfg_step", "sample", "train"}


def test_the_published_schedule_is_computed(model):
    stored = FIXTURE.weights["ckpt"]
    tables = official.schedule(model.config.scheduler_arguments)
    assert len(tables) == 13
    for name, table in tables.items():
        torch.testing.assert_close(table, stored[name], rtol=1e-6, atol=1e-7)


def test_conditioning(io, close, model):
    encoder = model.networks["image_encoder"]
    seen = tokens.of_pictures(encoder, io["in.ref"])
    close("cond.cls", seen[:, 0])
    close("cond.patches", seen[:, 1:])
    close("cond.pos_embed", encoder.embeddings.interpolate_pos_encoding(seen, 224, 224))
    close("cond.context", model.tokens(io["in.ref"]))
    close("cond.uncond", model.tokens(torch.zeros_like(io["in.ref"])))
    assert not close.left("conditioning")


def condition(io, model, context="cond.context", **changes):
    return dict(model.condition(io[context], io["fwd.hint"])) | changes


def test_forward(io, close, model):
    latents_, timestep = io["fwd.latents"], io["fwd.timestep"]
    taps = {}

    def keep(place):
        def hook(module, inputs, keywords, output):
            taps[f"fwd.attn1_in.{place}"] = inputs[0] if inputs else keywords["hidden_states"]
            taps[f"fwd.attn1_out.{place}"] = output

        return hook

    blocks = {"b1": "down_blocks.0.attentions.0", "mid": "mid_block.attentions.0", "last": "up_blocks.3.attentions.2"}
    modules = {
        place: model.unet.get_submodule(f"{block}.transformer_blocks.0.attn1") for place, block in blocks.items()
    }
    handles = [module.register_forward_hook(keep(place), with_kwargs=True) for place, module in modules.items()]
    with torch.no_grad():
        close("fwd.noise_pred", model.predict(latents_, timestep, condition(io, model)))
        residuals = model.residuals(latents_, timestep, condition(io, model))
        stem = model.controlnet.controlnet_cond_embedding(io["fwd.hint"])
    for handle in handles:
        handle.remove()
    for number, residual in enumerate(residuals):
        close(f"fwd.control.{number:02d}", residual)
    close("fwd.hint_embedding", stem)
    for name, tap in taps.items():
        close(name, tap)
    assert not close.left("forward")


@pytest.mark.parametrize(
    ("name", "scales"),
    [
        ("scaled", [0.5 + 0.1 * place for place in range(13)]),
        ("only_mid", [0.0] * 12 + [1.0]),
        ("no_control", [0.0] * 13),
    ],
)
def test_control_scales(io, close, model, name, scales):
    given = condition(io, model, control_scales=torch.tensor([scales]))
    with torch.no_grad():
        close(f"fwd.noise_pred_{name}", model.predict(io["fwd.latents"], io["fwd.timestep"], given))


def test_the_branch_never_sees_the_latents(io, model):
    given = condition(io, model)
    with torch.no_grad():
        one = model.residuals(io["fwd.latents"], io["fwd.timestep"], given)
        other = model.residuals(torch.ones_like(io["fwd.latents"]), io["fwd.timestep"], given)
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


@pytest.mark.parametrize("sequential", [False, True])
def test_cfg_step(io, close, model, sequential):
    conditions = [condition(io, model, name) for name in ("cond.uncond", "cond.context")]
    with torch.no_grad():
        branches = diffusion.Branches(model.predict, conditions, sequential)
        uncond, cond = branches(io["fwd.latents"], io["fwd.timestep"])
    close("cfg.noise_pred_uncond", uncond)
    close("cfg.noise_pred", diffusion.guide(uncond, cond, CASES["cfg_step"]["guidance_scale"]))
    assert not close.left("cfg_step")


def test_sample(io, close, model):
    case = CASES["sample"]
    settings = Sampling(**{name: case[name] for name in ("num_inference_steps", "guidance_scale")})
    scheduler = model.scheduler(settings)
    close("sample.timesteps", scheduler.timesteps)
    stride = len(model.alphas) // settings.num_inference_steps
    before = [model.alphas[max(0, int(one) - stride)] for one in scheduler.timesteps]
    close("sample.alphas_prev", torch.stack(before[::-1]).double())
    steps = []
    shown = ((io["fwd.hint"] + 1) * 127.5).round().clamp(0, 255)
    batch = {"reference": io["in.ref"], "collage": io["fwd.hint"][:, :3], "mask": shown[:, 3:].byte()}
    noises = {"init": io["sample.init_noise"]}
    model.sample(batch, settings, NONE, noises=noises, on_step=lambda index, after: steps.append(after))
    close("sample.latents_per_step", torch.stack(steps))
    with torch.no_grad():
        close("sample.image", model.vae.decode(steps[-1] / 0.18215).sample)
    assert not close.left("sample")


@pytest.mark.parametrize("steps", META.get("ddim_timestep_lists", {}))
def test_timesteps_of_sampling(steps):
    assert schedule.of_sampling(int(steps), 1000) == META["ddim_timestep_lists"][steps]


def test_train(io, close):
    model, case = build_model(train_projector=False), CASES["train"]
    scene, shown = (io[name].permute(0, 3, 1, 2) for name in ("train.jpg", "train.hint"))
    reference = io["train.ref"].permute(0, 3, 1, 2)
    clean = latents.encode(model.vae, scene, io["train.vae_noise"])
    given = model.condition(model.tokens(reference), shown)
    loss = model.denoising_loss(clean, given, io["train.noise"], io["train.time_steps"][:, 0])
    close("train.loss", loss)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.parameters().items() if parameter.grad is not None}
    keys = official.layout(model.networks)
    norms = torch.stack([gradients[keys[name][0]].norm() for name in case["parameters"]])
    assert torch.allclose(norms, io["train.grad_norms"], rtol=FIXTURE.share, atol=0)
    reached = [key.split(".") for key, names in keys.items() if names[0] in gradients]
    groups = {".".join(parts[: 3 if parts[0] == "model" else 2]) for parts in reached}
    assert groups == set(case["groups_with_gradient"])
    without = {key for key, names in keys.items() if key.startswith("control_model.") and names[0] not in gradients}
    assert without == set(case["control_parameters_without_gradient"])
    assert close.left("train") == {"train.grad_norms"}, "compared by their share"


def test_the_hint_of_prepared_tensors():
    mask = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    collage = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    made = hint(collage, mask)[0, :, 0].numpy()
    np.testing.assert_allclose(made, [[-1, 1, -0.6]] * 3 + [[-1, 0, 1]], atol=1e-6)
