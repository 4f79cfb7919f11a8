import pytest
import torch
from torch import nn

from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.models.common.checkpoints import Checkpoint
from pixfoundation.models.common.loading import empty_weights, load_into
from pixfoundation.models.common.placement import Placement, quantize

CPU = torch.device("cpu")
GPU = [torch.device("cuda", number) for number in range(2)]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(64, 128)
        self.down = nn.Linear(128, 64)

    def forward(self, x):
        return x + self.down(self.up(x).relu())


class Stack(nn.Module):
    """Four blocks of 16,576 numbers and a head of 640."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(4))
        self.head = nn.Linear(64, 10, bias=False)
        self.register_buffer("scale", torch.ones(1), persistent=False)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x) * self.scale


BLOCK, HEAD = 2 * 64 * 128 + 128 + 64, 640


def stack():
    with empty_weights():
        return Stack()


def half(name):
    return torch.float16


def test_one_device_holds_everything():
    placement = Placement.plan(stack(), half, CPU, working=5)
    assert placement.weights == {CPU: 2 * (4 * BLOCK + HEAD)}
    assert placement.device_of("blocks.3.up.weight") == CPU


def test_two_gpus_are_filled_one_after_the_other_without_dividing_a_block():
    room = 2 * BLOCK * 2 + 100
    placement = Placement.plan(
        stack(), half, "auto", working=50, whole=["Block"], budget={0: room, 1: 10 * room}
    )
    devices = [placement.device_of(f"blocks.{i}.down.bias") for i in range(4)]
    assert devices == [GPU[0], GPU[0], GPU[1], GPU[1]]
    assert placement.device_of("head.weight") == GPU[1]
    assert placement.weights == {GPU[0]: 4 * BLOCK, GPU[1]: 2 * (2 * BLOCK + HEAD)}


def test_gpus_that_are_too_small_together_are_refused():
    with pytest.raises(PrerequisiteError, match="quantization '8bit' or '4bit'"):
        Placement.plan(stack(), half, "auto", whole=["Block"], budget={0: BLOCK, 1: 3 * BLOCK})


def test_auto_needs_a_gpu():
    with pytest.raises(PrerequisiteError, match="there is none"):
        Placement.plan(stack(), half, "auto", budget={})


def test_the_need_is_said_with_what_is_free(caplog):
    placement = Placement({CPU: 15 << 30}, 2 << 30, {"": CPU})
    with caplog.at_level("INFO", logger="pixfoundation.models.common.placement"):
        said = placement.announce("LISA", free={CPU: 20 << 30})
    assert said == (
        "LISA needs 15.0 GiB for weights and about 2.0 GiB to work on cpu (20.0 GiB free)."
    )
    assert said in caplog.text


def test_too_little_memory_is_refused_before_loading():
    placement = Placement({GPU[0]: 15 << 30}, 2 << 30, {"": GPU[0]})
    with pytest.raises(PrerequisiteError, match=r"LISA needs 15.0 GiB .* where 16.0 GiB are free"):
        placement.announce("LISA", free={GPU[0]: 16 << 30})


def test_the_machine_s_free_memory_is_known():
    placement = Placement({CPU: 1}, 0, {"": CPU})
    assert "to work on cpu" in placement.announce("tiny")
    with pytest.raises(PrerequisiteError):
        Placement({CPU: 1 << 60}, 0, {"": CPU}).announce("huge")


def test_finish_leaves_buffers_where_their_part_is():
    model = stack()
    placement = Placement.plan(model, half, CPU)
    placement.finish(model)
    assert model.scale.device == CPU


def test_an_unknown_kind_of_quantization_is_refused():
    with pytest.raises(DataError, match="'8bit' or '4bit', but got '2bit'"):
        quantize(stack(), "2bit", torch.float32)


def test_a_missing_bitsandbytes_is_named(monkeypatch):
    monkeypatch.setattr("pixfoundation.models.common.placement.find_spec", lambda name: None)
    with pytest.raises(PrerequisiteError, match=r"pixfoundation\[quantization\]"):
        quantize(stack(), "8bit", torch.float32)


@pytest.mark.parametrize(
    ("kind", "bytes_a_weight", "error"), [("8bit", 1, 0.03), ("4bit", 0.52, 0.25)]
)
def test_quantised_layers_load_small_and_compute_nearly_the_same(
    tmp_path, kind, bytes_a_weight, error
):
    pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    exact = Stack()
    torch.save(exact.state_dict(), tmp_path / "x.bin")
    model = stack()
    quantize(model, kind, torch.float32, skip=["head"])
    placement = Placement.plan(model, lambda name: torch.float32, CPU)
    kept = 4 * (4 * (128 + 64) + HEAD)
    assert placement.weights[CPU] == pytest.approx(
        4 * 64 * 128 * 2 * bytes_a_weight + kept, rel=0.01
    )
    load_into(model, Checkpoint.open(tmp_path / "x.bin"), dtype=torch.float32)
    assert model.blocks[0].up.weight.element_size() == 1
    assert type(model.head) is nn.Linear
    x = torch.randn(5, 64)
    difference = (model(x) - exact(x)).norm() / exact(x).norm()
    assert 0 < difference < error
