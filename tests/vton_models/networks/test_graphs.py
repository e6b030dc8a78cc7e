"""When passes become graphs, when these are replayed, and when they are dropped."""

import pytest

torch = pytest.importorskip("torch")
from support.captures import FakeCapture  # noqa: E402

from vton_models.networks.graphs import KEPT, CudaCapture, Graphs  # noqa: E402


def double(entering):
    return {"doubled": 2 * entering["x"]}


@pytest.fixture
def capture():
    return FakeCapture()


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def run(graphs, *values, shape=(2,), name="double", **further):
    return [
        float(graphs(name, double, {"x": torch.full(shape, float(value)), **further})["doubled"][0]) for value in values
    ]


def test_the_first_pass_runs_the_second_is_captured_and_all_others_replay(capture):
    assert run(Graphs(capture), 1, 2, 3, 4) == [2, 4, 6, 8]
    assert capture.events == ["capture 0", "replay 0", "replay 0", "replay 0"]


def test_results_outlive_the_next_replay(capture):
    graphs = Graphs(capture)
    results = [graphs("double", double, {"x": torch.tensor([float(n)])})["doubled"] for n in range(4)]
    assert torch.cat(results).tolist() == [0, 2, 4, 6]


def test_every_name_shape_and_dtype_has_its_own(capture):
    graphs = Graphs(capture)
    for kind in ({}, {"shape": (3,)}, {"name": "other"}, {"y": None}, {"y": torch.zeros(1)}):
        run(graphs, 1, 2, **kind)
        assert run(graphs, 5, **kind) == [10]
    half = {"x": torch.ones(2, dtype=torch.bfloat16)}
    graphs("double", double, half)
    assert [event for event in capture.events if "capture" in event] == [f"capture {n}" for n in range(5)]
    graphs("double", double, half)
    assert capture.events[-2:] == ["capture 5", "replay 5"]


def test_a_pass_that_cannot_be_captured_runs_as_it_is():
    capture = FakeCapture(fails=lambda number: number == 0)
    graphs = Graphs(capture)
    assert run(graphs, 1, 2, 3, 4) == [2, 4, 6, 8]
    assert capture.events == ["failure 0"], "it isn't tried again"
    assert run(graphs, 1, 2, shape=(3,)) == [2, 4] and capture.events[1:] == ["capture 1", "replay 1"]


def test_graphs_are_dropped_when_weights_move(capture):
    graphs, weight = Graphs(capture), torch.ones(4)
    for _ in range(2):
        graphs.check({"weight": weight})
        run(graphs, 1, 2)
    assert capture.events == ["capture 0", "replay 0", "replay 0", "replay 0"]
    graphs.check({"weight": weight.clone()})
    run(graphs, 1)
    assert len(capture.events) == 4
    run(graphs, 2)
    graphs.drop()
    run(graphs, 3)
    assert capture.events[4:] == ["capture 1", "replay 1"]


def test_the_oldest_goes_where_there_are_too_many(capture):
    graphs = Graphs(capture)
    for size in range(1, KEPT + 2):
        run(graphs, 1, 2, shape=(size,))
    run(graphs, 3, shape=(2,))
    assert capture.events[-1] == "replay 1"
    before = len(capture.events)
    run(graphs, 3, shape=(1,))
    assert len(capture.events) == before, "the first of its kind again"


def test_without_a_gpu_nothing_is_captured():
    capture = CudaCapture()
    assert not capture.able({"x": torch.ones(1)})
    assert run(Graphs(capture), 1, 2, 3) == [2, 4, 6]
