"""What every annotator promises, over `annotators.names()`: a new file is tested without a change here."""

import dataclasses
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.helpers import draw

import annotators
from annotators.common import batching, registry
from pipelines.building.rewrite import ShardRows
from schemas import fields, kinds, labels, record
from schemas.cli import options

WEIGHTLESS = [name for name in annotators.names() if not registry.needs_weights(annotators.load(name).Config())]


def example(seed: int) -> dict[str, Any]:
    """A record that has every column which an annotator may read."""
    drawn = draw(seed)
    return {
        "person_image": drawn["person"],
        "garment_image": drawn["garment"],
        "garment_mask": drawn["mask"],
        "person_mask": np.where(drawn["parse"] > 0, np.uint8(255), np.uint8(0)),
        "parse": drawn["parse"],
        "keypoints": drawn["keypoints"],
        "category": str(labels.Category.UPPER_BODY),
        "tags": [{"name": "item", "value": "T-shirts"}, {"name": "sleeveLength", "value": "Long Sleeve"}],
    }


@pytest.mark.parametrize("name", annotators.names())
def test_declarations(name: str) -> None:
    module = annotators.load(name)
    made = module.Config()
    assert dataclasses.is_dataclass(made) and made.__dataclass_params__.frozen
    assert pickle.loads(pickle.dumps(made)) == made and hash(made) == hash(module.Config())
    assert registry.inputs(name, made), "reads something"
    written = registry.written(name, made)
    assert written and all(fields.kind(field) for field in written)
    for field in written:
        if field.name in kinds.TRYON.fields:
            assert field.type == kinds.TRYON.fields[field.name].type, field.name
    assert all(item.metadata.get("help") for item in dataclasses.fields(made)), "every flag has its help"
    options.check(made)


@pytest.mark.parametrize("name", annotators.names())
def test_columns_of_an_annotator_are_those_that_its_settings_can_make_it_write(name: str) -> None:
    every = registry.columns(name)
    assert {field.name for field in registry.written(name)} <= set(every)
    asked = annotators.config(name, **registry.asked(name, every))
    assert set(every) == {field.name for field in registry.written(name, asked)}


@pytest.mark.parametrize("name", WEIGHTLESS)
def test_results_are_of_their_kind_and_size(name: str) -> None:
    given = example(1)
    (output,) = annotators.config(name).build()([given])
    for field in registry.written(name):
        value = output.get(field.name)
        kind = fields.kind(field)
        if value is None:
            continue
        if fields.is_picture(field):
            photo = given[kinds.TRYON.photo_of(field.name)]
            assert value.dtype == np.uint8 and value.shape[:2] == photo.shape[:2]
        if kind == "mask":
            assert set(np.unique(value)) <= {0, 255}
        if kind == "label_map":
            labels.check_ids(value, fields.label_space(field))
        stored = record.encode(field, value, "x.png")
        back = record.decode(field, stored)
        assert np.array_equal(back, value) if isinstance(value, np.ndarray) else back == value


@pytest.mark.parametrize("name", WEIGHTLESS)
def test_a_batch_equals_singles_and_repeats_itself(name: str) -> None:
    made = annotators.config(name).build()
    batch = [example(seed) for seed in range(3)]
    together = made(batch)
    again = [made([given])[0] for given in [example(seed) for seed in range(3)]]
    for a, b in zip(together, again, strict=True):
        assert a.keys() == b.keys()
        assert all(np.array_equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("name", WEIGHTLESS)
def test_inputs_are_left_alone(name: str) -> None:
    given, untouched = example(4), example(4)
    annotators.config(name).build()([given])
    assert all(np.array_equal(given[key], untouched[key]) for key in untouched)


def test_annotate_fills_what_is_wanted_in_order() -> None:
    given = {key: value for key, value in example(2).items() if key != "garment_mask"}
    (result,) = annotators.annotate([given], want=["high_frequency_map"])
    assert result["high_frequency_map"].shape == given["garment_image"].shape
    assert "garment_mask" in result and "agnostic_mask" not in result and "garment_mask" not in given


def test_annotate_keeps_what_is_there_and_refuses_unknown_columns() -> None:
    given = example(2)
    (result,) = annotators.annotate([given])
    assert result["garment_mask"] is given["garment_mask"]
    with pytest.raises(ValueError, match="no annotator writes 'hat'"):
        annotators.annotate([given], want=["hat"])


def test_columns_written_only_when_asked_for() -> None:
    for name in annotators.names():
        for column, settings in getattr(annotators.load(name), "ASKED_BY", {}).items():
            plain = [field.name for field in registry.written(name)]
            made = annotators.config(name, **settings)
            assert column not in plain and column in [field.name for field in registry.written(name, made)]
    with pytest.raises(ValueError, match="missing"):
        annotators.annotate([example(1)], want=["parse_lip"], weights="/nowhere")


def test_order_follows_reads() -> None:
    ordered = annotators.order({name: annotators.config(name) for name in annotators.names()})
    assert ordered.index("garment_mask") < ordered.index("high_frequency") and sorted(ordered) == list(
        annotators.names()
    )


def test_one_bad_record_costs_only_itself() -> None:
    def fussy(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if any(item["n"] == 3 for item in records):
            raise ValueError("three")
        return [{"twice": 2 * item["n"]} for item in records]

    results = batching.run(fussy, [{"n": n} for n in range(6)], batch_size=4)
    assert [isinstance(result, ValueError) for result in results] == [False, False, False, True, False, False]
    assert results[5] == {"twice": 10}


@pytest.mark.parametrize("name", annotators.names())
def test_hints_are_columns_of_the_record_that_nobody_waits_for(name: str) -> None:
    assert set(registry.hints(name)) <= set(kinds.TRYON.fields)
    assert not set(registry.hints(name)) & set(registry.optional_inputs(name, annotators.config(name)))


def test_finished_shards_give_their_hints() -> None:
    """Else `annotate --annotators pose` would guess sides that a stored parse tells."""
    rewrite = SimpleNamespace(annotators=(("pose", annotators.config("pose")),), replaced=frozenset({"keypoints"}))
    shards = SimpleNamespace(rewrite=rewrite, source=SimpleNamespace(names=["person_image", "parse", "caption"]))
    assert ShardRows._needed(shards) == ["person_image", "parse"]
