"""Processors on a stock U-Net against the plain meaning of each."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from diffusers import UNet2DConditionModel  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from vton_models.networks import attention, stable_diffusion, weights  # noqa: E402


def unet():
    return weights.random(UNet2DConditionModel, stable_diffusion.TINY_UNET)


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(1, 5, 16, generator=generator)
    return torch.randn(1, 4, 16, 12, generator=generator), torch.tensor(500), states


def run(network, inputs, **options):
    with torch.no_grad():
        return network(*inputs, **options).sample


def test_blocks_go_down_up_mid():
    found = attention.blocks(unet())
    assert [name.split("_")[0] for name in found] == ["down"] + ["up"] * 2 + ["mid"]
    assert found[0] == "down_blocks.0.attentions.0.transformer_blocks.0"


def test_skip_gives_norm2_to_the_residual(inputs):
    """h ← h + norm2(h): what a stock U-Net computes whose attn2 outputs are replaced by their inputs."""
    plain, skipped = unet(), unet()
    for name, module in plain.named_modules():
        if name.endswith(".attn2"):
            module.register_forward_hook(lambda module, entering, output: entering[0])
    attention.skip_cross_attention(skipped)
    found = run(skipped, (*inputs[:2], None))
    assert torch.equal(found, run(plain, inputs)) and not torch.equal(found, run(unet(), inputs))


def test_skip_makes_attn2_inert(inputs):
    network = unet()
    attention.skip_cross_attention(network)
    before = run(network, (*inputs[:2], None))
    for name, parameter in network.named_parameters():
        if ".attn2." in name:
            parameter.data.add_(1)
    assert torch.equal(run(network, (*inputs[:2], None)), before)


def test_remember_keeps_what_norm1_gives_and_changes_nothing(inputs):
    network, store, norms = unet(), {}, {}
    plain = run(network, inputs)
    attention.remember(network, store)
    for block in attention.blocks(network):
        module = network.get_submodule(f"{block}.norm1")
        module.register_forward_hook(lambda module, entering, output, block=block: norms.update({block: output}))
    assert torch.allclose(run(network, inputs), plain, atol=1e-6)
    assert set(store) == set(attention.blocks(network))
    assert all(torch.equal(store[block], norms[block]) for block in store)


def test_the_first_pass_counts_until_cleared(inputs):
    network, store = unet(), {}
    attention.remember(network, store)
    run(network, inputs)
    first = dict(store)
    other = (inputs[0] + 1, *inputs[1:])
    run(network, other)
    assert all(store[block] is first[block] for block in store)
    store.clear()
    run(network, other)
    assert not torch.equal(store[attention.blocks(network)[0]], first[attention.blocks(network)[0]])


def test_an_empty_store_leaves_the_stock_network(inputs):
    network = unet()
    plain = run(network, inputs)
    attention.recall(network, {})
    assert torch.allclose(run(network, inputs), plain, atol=1e-6)


def test_recall_equals_attention_over_the_joined_sequence(inputs):
    """Queries of both halves, the second half thrown away, as the published code does it; counts may differ."""
    network = unet()
    block = attention.blocks(network)[0]
    attn = network.get_submodule(f"{block}.attn1")
    own, garment = torch.randn(2, 9, attn.query_dim), torch.randn(2, 4, attn.query_dim)
    joined = torch.cat([own, garment], dim=1)
    with torch.no_grad():
        found = attention.Recall({block: garment}, block)(attn, own)
        assert torch.allclose(found, attn(joined)[:, :9], atol=1e-6)
        zeros = attention.Recall({block: torch.zeros_like(garment)}, block)(attn, own)
    assert not torch.allclose(zeros, attention.attend(attn, own, own), atol=1e-4), "zeros keep softmax mass"


def test_recall_normalises_with_the_readers_own_norm(inputs):
    """OOTDiffusion: tokens from before norm1, normalised where they are read."""
    garment_network, network, store = unet(), unet(), {}
    handles = attention.remember_before_norm(garment_network, store)
    run(garment_network, inputs)
    for block in attention.blocks(network):
        network.get_submodule(f"{block}.norm1").weight.data.mul_(3)
    attention.recall(network, store, own_norm=True)
    found = run(network, inputs)
    normed = {block: network.get_submodule(f"{block}.norm1")(tokens) for block, tokens in store.items()}
    attention.recall(network, normed)
    assert torch.allclose(run(network, inputs), found, atol=1e-6)
    assert len(handles) == len(store) == 4


def key_values(network):
    """Pairs of its own widths, unlike its own weights."""
    return weights.random(attention.KeyValues, {"widths": stable_diffusion.self_attention_widths(network.config)})


def heads(x, count):
    return x.unflatten(2, (count, -1)).transpose(1, 2)


def test_hybrid_by_its_formula():
    """Two softmaxes over the same queries, summed before the shared output; λ per item; token counts differ."""
    network = unet()
    block = attention.blocks(network)[0]
    attn, pair = network.get_submodule(f"{block}.attn1"), attention.KeyValue(32)
    own, garment, scale = torch.randn(2, 9, 32), torch.randn(2, 4, 32), torch.tensor([0.4, 1.5])
    with torch.no_grad():
        found = attention.Hybrid({block: garment, attention.SCALE: scale}, block, pair)(attn, own)
        query = heads(attn.to_q(own), attn.heads)
        parts = []
        for key, value in ((attn.to_k(own), attn.to_v(own)), (pair.to_k(garment), pair.to_v(garment))):
            key, value = heads(key, attn.heads), heads(value, attn.heads)
            shares = F.softmax(query @ key.transpose(2, 3) / query.shape[-1] ** 0.5, dim=-1)
            parts.append((shares @ value).transpose(1, 2).flatten(2))
        wanted = attn.to_out[0](parts[0] + scale.view(2, 1, 1) * parts[1])
    assert torch.allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("garment", [None, "zeros", "tokens"])
def test_hybrid_without_garment_or_strength_is_the_stock_network_to_the_bit(inputs, garment):
    """diffusers' own processors, against an empty store, zeros at any λ, and a garment at λ 0."""
    network, store, remembered = unet(), {}, {}
    plain = run(network, inputs)
    if garment is not None:
        attention.remember(unet_beside := unet(), remembered)
        run(unet_beside, inputs)
        store |= {block: torch.zeros_like(one) if garment == "zeros" else one for block, one in remembered.items()}
        store[attention.SCALE] = torch.tensor([1.0 if garment == "zeros" else 0.0])
    attention.recall_beside(network, store, key_values(network))
    assert torch.equal(run(network, inputs), plain)
    if garment == "tokens":
        store[attention.SCALE] = torch.tensor([1.0])
        assert not torch.allclose(run(network, inputs), plain, atol=1e-3)


def test_keys_and_values_begin_as_the_layers_own():
    network = unet()
    pairs = key_values(network)
    assert not torch.equal(pairs[0].to_k.weight, network.get_submodule(attention.blocks(network)[0]).attn1.to_k.weight)
    pairs.begin_as(network)
    for place, block in enumerate(attention.blocks(network)):
        attn = network.get_submodule(f"{block}.attn1")
        assert torch.equal(pairs[place].to_k.weight, attn.to_k.weight)
        assert torch.equal(pairs.numbered("ref")[f"{2 * place}.to_v_ref.weight"], attn.to_v.weight)


def test_keys_and_values_of_a_whole_network():
    """32 tensors, 24,780,800 parameters over SD 1.5's 16 self-attentions, whose widths are read from its arguments."""
    widths = stable_diffusion.self_attention_widths(stable_diffusion.UNET)
    with torch.device("meta"):
        pairs = attention.KeyValues(widths)
        whole = UNet2DConditionModel.from_config(stable_diffusion.UNET)
    assert sum(each.numel() for each in pairs.parameters()) == 24_780_800 and len(pairs.numbered("ip")) == 32
    assert [whole.get_submodule(f"{block}.attn1").query_dim for block in attention.blocks(whole)] == list(widths)


def gradients(inputs, checkpointed):
    garment_network, network, store = unet(), unet(), {}
    attention.remember(garment_network, store)
    attention.recall(network, store)
    if checkpointed:
        garment_network.enable_gradient_checkpointing()
        network.enable_gradient_checkpointing()
    garment_network(*inputs)
    network(*inputs).sample.square().mean().backward()
    return {name: parameter.grad for name, parameter in garment_network.named_parameters()}


def test_gradients_pass_through_what_is_remembered_checkpointed_or_not(inputs):
    plain, checkpointed = gradients(inputs, False), gradients(inputs, True)
    assert plain["conv_in.weight"].abs().sum() > 0
    assert plain["conv_out.weight"] is None, "nothing after the last remembered tokens is needed"
    assert torch.allclose(plain["conv_in.weight"], checkpointed["conv_in.weight"], atol=1e-6)


@pytest.mark.parametrize("before_norm", [False, True])
def test_what_lies_behind_the_last_features_gets_no_gradient_and_all_else_does(inputs, before_norm):
    network, store = unet(), {}
    (attention.remember_before_norm if before_norm else attention.remember)(network, store)
    network(*inputs)
    sum(tokens.square().sum() for tokens in store.values()).backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert without == set(attention.behind_features(network, before_norm))


@pytest.mark.parametrize(("before_norm", "tensors", "parameters"), [(False, 24, 2_454_404), (True, 26, 2_455_044)])
def test_counts_behind_the_features_of_a_full_size_network(before_norm, tensors, parameters):
    with torch.device("meta"):
        network = UNet2DConditionModel.from_config(stable_diffusion.UNET)
    behind = attention.behind_features(network, before_norm)
    assert len(behind) == tensors
    assert sum(network.get_parameter(name).numel() for name in behind) == parameters
