"""Captions on tiny random models, saved in the hub's layout and found through weights_dir."""

import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_models import SIZE, VISION, WORDS, save_blip, shake

from annotators import caption
from annotators.common import batching, registry, weights

CHAT = (
    "{% for message in messages %}USER: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %} {{ part['text'] }}{% endif %}{% endfor %}{% endfor %} ASSISTANT:"
)
MODELS = ("tiny/blip", "tiny/blip2", "tiny/llava")


def plain_tokenizer(**special):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = ["<pad>", "<unk>", "<s>", "</s>", *special.values(), *WORDS]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names, extra_special_tokens=special)


def save_blip2(folder):
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, OPTConfig
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    pictures = BlipImageProcessorPil(size=SIZE)
    processor = Blip2Processor(pictures, plain_tokenizer(), num_query_tokens=4)  # adds the word <image>
    tokenizer = processor.tokenizer
    text = OPTConfig(
        vocab_size=len(tokenizer), hidden_size=16, word_embed_proj_dim=16, ffn_dim=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=64, pad_token_id=0, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    queries = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "encoder_hidden_size": 16, "vocab_size": 8, "max_position_embeddings": 16,
    }  # fmt: skip
    config = Blip2Config(
        vision_config=VISION, qformer_config=queries, text_config=text.to_dict(), num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    shake(Blip2ForConditionalGeneration(config)).save_pretrained(folder)
    processor.save_pretrained(folder)


def save_llava(folder):
    """A chat model that spends more words on larger pictures, so that its batches need padding."""
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextProcessor,
    )
    from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

    tokenizer = plain_tokenizer(image_token="<image>")
    tokenizer.padding_side = "right"  # as some chat models ship it
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=256, pad_token_id=0, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    grids = [[32, 64], [64, 32], [64, 64]]
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**VISION), text_config=text, image_grid_pinpoints=grids,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    model = shake(LlavaNextForConditionalGeneration(config))
    model.generation_config.update(do_sample=True, temperature=0.7, top_p=0.9)  # chat models ship such settings
    model.save_pretrained(folder)
    pictures = LlavaNextImageProcessorPil(size={"shortest_edge": 32}, crop_size=SIZE, image_grid_pinpoints=grids)
    LlavaNextProcessor(
        pictures, tokenizer, patch_size=8, vision_feature_select_strategy="default", chat_template=CHAT,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    save_blip(root / "tiny" / "blip")
    save_blip2(root / "models--tiny--blip2" / "snapshots" / "0123")
    save_llava(root / "tiny--llava")
    return root


@pytest.fixture(scope="module")
def records():
    generator = np.random.default_rng(3)
    sizes = [(40, 30), (64, 48), (33, 70), (128, 96), (20, 20)]
    made = []
    for place, (height, width) in enumerate(sizes):
        garment = np.full((width, height, 3), 50 * place, np.uint8)
        person = generator.integers(0, 256, (height, width, 3), np.uint8) // (place + 1)
        made.append({"person_image": person, "garment_image": None if place == 2 else garment})
    return made


def config(folder, models, **values):
    return caption.Config(model_id=models, weights_dir=str(folder), max_new_tokens=8, **values)


@pytest.fixture(scope="module")
def built(folder):
    return {name: config(folder, name).build() for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_gives_what_single_records_give(built, records, name):
    together = built[name](records)
    assert together == [built[name]([record])[0] for record in records]
    assert together == batching.run(built[name], records, 2)
    assert built[name]([]) == []


@pytest.mark.parametrize("name", MODELS)
def test_the_same_twice_and_another_picture_another_caption(folder, built, records, name):
    first = built[name](records)
    assert config(folder, name).build()(records) == first
    assert len({result["caption"] for result in first}) > 1


@pytest.mark.parametrize("name", MODELS)
def test_columns_are_texts_that_arrow_takes(built, records, name):
    for record, result in zip(records, built[name](records), strict=True):
        assert set(result) == {field.name for field in caption.FIELDS}
        assert (result["garment_caption"] is None) or isinstance(result["garment_caption"], str)
        assert record["garment_image"] is not None or result["garment_caption"] is None
        assert result["caption"] == (result["captions"][0]["text"] if result["captions"] else None)
        for field in caption.FIELDS:
            pa.array([result[field.name]], field.type)


@pytest.mark.parametrize("name", MODELS)
def test_neither_prompt_nor_special_words_stay(built, records, name):
    for result in built[name](records):
        for text in filter(None, [result["caption"], result["garment_caption"]]):
            assert not text.startswith("a photography of a") and "[" not in text and "<" not in text
            assert "USER" not in text and "ASSISTANT" not in text


def test_several_models_fill_captions_and_the_first_is_the_caption(folder, built, records):
    results = config(folder, "tiny/blip2, tiny/blip").build()(records)
    singly = zip(built["tiny/blip2"](records), built["tiny/blip"](records), strict=True)
    for several, (blip2, blip) in zip(results, singly, strict=True):
        assert several["captions"] == blip2["captions"] + blip["captions"]
        assert several["caption"] == (blip2["caption"] or blip["caption"])
        assert several["garment_caption"] == blip2["garment_caption"]
    assert ["tiny/blip2", "tiny/blip"] in [[item["model"] for item in several["captions"]] for several in results]


def test_prompts_and_questions_change_the_words(folder, built, records):
    prompted = config(folder, "tiny/blip", person_prompt="the woman in black").build()(records)
    assert [item["caption"] for item in prompted] != [item["caption"] for item in built["tiny/blip"](records)]
    asked = config(folder, "tiny/llava", person_question="dress and shirt").build()(records)
    assert [item["caption"] for item in asked] != [item["caption"] for item in built["tiny/llava"](records)]


def test_questions_of_different_lengths_are_padded_on_the_left(built, records):
    model = built["tiny/llava"].models[0]
    people = [caption.Image.fromarray(record["person_image"]) for record in records]
    asked = model._question(people, "red shirt")["attention_mask"]
    assert not asked[:, 0].all() and asked[:, -1].all()


def test_each_picture_is_converted_once_whatever_the_number_of_models(folder, records, monkeypatch):
    captioner, calls = config(folder, "tiny/llava,tiny/blip2").build(), []
    convert = caption.Image.fromarray
    counting = SimpleNamespace(fromarray=lambda array: calls.append(1) or convert(array))
    monkeypatch.setattr(caption, "Image", counting)
    captioner(records[:2])
    assert len(calls) == 4  # two people, two garments


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_half_precision_runs_under_autocast(folder, records, dtype):
    import torch

    captioner = config(folder, "tiny/blip", dtype=dtype).build()
    assert captioner.models[0].loaded.model.dtype == getattr(torch, dtype)
    assert all(isinstance(result["captions"], list) for result in captioner(records))


def test_pictures_are_resampled_by_pillow_also_where_torchvision_is(built):
    for captioner in built.values():
        assert type(captioner.models[0].loaded.processor.image_processor).__name__.endswith("Pil")


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(weights.MissingWeights, match="tiny/nowhere"):
        config(tmp_path, "tiny/nowhere").build()


def test_a_device_that_is_not_there_is_one_clear_error(folder):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(ValueError, match=r"device 'cuda:1'.*cpu") as caught:
        config(folder, "tiny/blip", device="cuda:1").build()
    assert "\n" not in str(caught.value)


def copied(folder, target):
    import shutil

    shutil.copytree(folder / "tiny" / "blip", target / "tiny" / "blip")
    return target / "tiny" / "blip"


def refused(target):
    with pytest.raises(ValueError, match="tiny/blip can't be loaded") as caught:
        config(target, "tiny/blip").build()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_damaged_weights_are_one_clear_error(folder, tmp_path):
    file = copied(folder, tmp_path) / "model.safetensors"
    whole = file.read_bytes()
    for damaged in (b"", b"not weights", whole[: len(whole) // 2], whole[:4]):
        file.write_bytes(damaged)
        refused(tmp_path)


def test_a_damaged_configuration_or_processor_is_one_clear_error(folder, tmp_path):
    place = copied(folder, tmp_path)
    for name in ("config.json", "tokenizer.json", "processor_config.json"):
        whole = (place / name).read_bytes()
        (place / name).write_bytes(b'{"half": ')
        refused(tmp_path)
        (place / name).write_bytes(whole)
    config(tmp_path, "tiny/blip").build()


def test_weights_that_lack_a_layer_are_refused_rather_than_made_up(folder, tmp_path):
    from safetensors.numpy import load_file, save_file

    file = copied(folder, tmp_path) / "model.safetensors"
    tensors = load_file(file)
    lost = next(name for name in tensors if "vision_model" in name and "q" in name)
    save_file({name: value for name, value in tensors.items() if name != lost}, file, {"format": "pt"})
    assert lost in refused(tmp_path)


class Hostile:
    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_a_hostile_pickle_is_refused_and_does_nothing(folder, tmp_path):
    import torch

    place, mark = copied(folder, tmp_path), tmp_path / "was-here"
    (place / "model.safetensors").unlink()
    torch.save({"weight": Hostile(mark)}, place / "pytorch_model.bin")
    refused(tmp_path)
    (place / "pytorch_model.bin").write_bytes(pickle.dumps(Hostile(mark), protocol=2))
    refused(tmp_path)
    assert not mark.exists()


def test_plain_tensors_in_a_pickle_are_read(folder, tmp_path, records, built):
    import torch
    from safetensors.torch import load_file

    place = copied(folder, tmp_path)
    torch.save(load_file(place / "model.safetensors"), place / "pytorch_model.bin")
    (place / "model.safetensors").unlink()
    assert config(tmp_path, "tiny/blip").build()(records) == built["tiny/blip"](records)


def test_a_model_of_another_kind_is_refused(folder, tmp_path):
    from transformers import BertConfig, BertModel

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=9, **small)).save_pretrained(tmp_path / "tiny" / "blip")
    refused(tmp_path)


def test_a_folder_given_by_path_goes_into_the_data_by_its_name(folder, records):
    captions = config("", str(folder / "tiny" / "blip")).build()(records[:1])[0]["captions"]
    assert {item["model"] for item in captions} <= {"blip"}


@pytest.mark.parametrize(
    "values", [{"model_id": ""}, {"model_id": "a/b,"}, {"model_id": "a/b,a/b"}, {"num_beams": 0}, {"batch_size": 0}]
)
def test_a_config_that_means_nothing_is_refused(values):
    with pytest.raises(ValueError, match="allowed"):
        caption.Config(**values)


def test_the_config_travels_and_names_its_weights():
    made = registry.config("caption", model_id="a/b, c/d", device="cuda", nonsense=1)
    assert pickle.loads(pickle.dumps(made)) == made
    assert registry.needs_weights(made) == ("a/b", "c/d")


def test_importing_the_neural_text_annotators_imports_no_framework():
    code = "import sys, annotators.caption, annotators.tags; print({'torch', 'transformers'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "prompt", "expected"),
    [
        ("a photography of a red shirt", "a photography of a", "red shirt"),
        ("A  photography\nof a red shirt", "a photography of a", "red shirt"),
        ("question : what ? a hat", "Question: what?", "a hat"),
        ("a photography of apples", "a photography of a", "a photography of apples"),
        ("a photography of a", "a photography of a", ""),
        ("a a a shirt", "", "a shirt"),
        ("a shirt with a shirt with a shirt with", "", "a shirt with"),
        ("red, red, red dress", "", "red dress"),
        ("a woman in a t - shirt", "", "a woman in a t - shirt"),
        ("", "a", ""),
    ],
)
def test_tidying(text, prompt, expected):
    assert caption.tidy(text, prompt) == expected


def test_long_captions_are_cut_at_a_word():
    text = " ".join(f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz" * 4)
    assert caption.tidy(text) == " ".join(text.split()[:70])
    assert caption.clip_tokens("a photo, 2024") == 7  # "a" "photo" "," and four digits
    assert caption.cut("supercalifragilistic shirt", 2) == ""


words = st.lists(st.sampled_from(["a", "red", "A", "shirt,", "shirt", "12", "!", "épaulette"]), max_size=90)


@given(words)
def test_tidying_twice_is_tidying_once_and_only_takes_away(found):
    text = " ".join(found)
    tidied = caption.tidy(text)
    assert caption.clip_tokens(tidied) <= caption.LONGEST_CAPTION
    assert caption.collapse_repeats(tidied) == tidied
    rest = iter(text)
    assert all(letter in rest for letter in tidied)


@given(st.text(max_size=80), st.text(max_size=12))
def test_any_text_can_be_tidied(text, prompt):
    assert "\n" not in caption.tidy(text, prompt)
