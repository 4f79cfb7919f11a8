import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pixfoundation.errors import CheckpointError, PrerequisiteError
from pixfoundation.models.common.checkpoints import Checkpoint, find_folder
from pixfoundation.models.common.loading import empty_weights, load_into

WEIGHTS = {
    "first.weight": torch.arange(12.0).reshape(4, 3),
    "first.bias": torch.arange(4.0),
    "second.weight": torch.arange(8.0).reshape(2, 4) - 3,
    "second.bias": torch.tensor([5.0, 6.0]),
}
SHARDS = {
    "pytorch_model-00001-of-00002.bin": ["first.weight", "first.bias"],
    "pytorch_model-00002-of-00002.bin": ["second.weight", "second.bias"],
}


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 2)


@pytest.fixture
def sharded(tmp_path):
    """A folder with two PyTorch shards and their index."""
    for name, keys in SHARDS.items():
        torch.save({key: WEIGHTS[key] for key in keys}, tmp_path / name)
    weight_map = {key: name for name, keys in SHARDS.items() for key in keys}
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return tmp_path


def empty_pair():
    with empty_weights():
        return Pair()


def assert_loaded(model, dtype=torch.float32):
    for name, value in model.state_dict().items():
        assert value.dtype == dtype
        assert torch.equal(value.float(), WEIGHTS[name])


def test_shapes_are_known_and_tensors_come_in_file_order(sharded):
    checkpoint = Checkpoint.open(sharded)
    assert checkpoint.shapes == {key: tuple(value.shape) for key, value in WEIGHTS.items()}
    streamed = list(checkpoint.stream())
    assert [key for key, _ in streamed] == list(WEIGHTS)
    assert all(torch.equal(value, WEIGHTS[key]) for key, value in streamed)


def test_single_tensors_can_be_picked(sharded):
    checkpoint = Checkpoint.open(sharded)
    assert torch.equal(checkpoint.tensor("second.bias"), WEIGHTS["second.bias"])
    assert [key for key, _ in checkpoint.stream(["second.bias", "first.bias"])] == [
        "first.bias",
        "second.bias",
    ]
    with pytest.raises(CheckpointError, match="no tensor third"):
        checkpoint.tensor("third")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shards_fill_an_empty_model_in_the_wanted_dtype(sharded, dtype):
    model = empty_pair()
    assert all(parameter.is_meta for parameter in model.parameters())
    load_into(model, Checkpoint.open(sharded), dtype=dtype)
    assert_loaded(model, dtype)


def test_safetensors_are_preferred_to_pytorch_files(sharded):
    save_file(WEIGHTS, sharded / "model.safetensors")
    checkpoint = Checkpoint.open(sharded)
    assert {file.name for file in checkpoint.files.values()} == {"model.safetensors"}
    model = empty_pair()
    load_into(model, checkpoint)
    assert_loaded(model)


def test_files_may_be_given_one_by_one_and_nested(tmp_path):
    torch.save({"state_dict": {k: WEIGHTS[k] for k in list(WEIGHTS)[:2]}}, tmp_path / "a.pth")
    torch.save({k: WEIGHTS[k] for k in list(WEIGHTS)[2:]}, tmp_path / "b.pth")
    model = empty_pair()
    load_into(model, Checkpoint.open([tmp_path / "a.pth", tmp_path / "b.pth"]))
    assert_loaded(model)


def test_files_from_before_the_zip_format_are_read(tmp_path):
    torch.save(WEIGHTS, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    model = empty_pair()
    load_into(model, Checkpoint.open(tmp_path / "old.bin"))
    assert_loaded(model)


def test_loaded_tensors_outlive_the_file(sharded):
    model = empty_pair()
    load_into(model, Checkpoint.open(sharded))
    for file in sharded.glob("*.bin"):
        file.write_bytes(bytes(file.stat().st_size))
    assert_loaded(model)


class Fused(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(2, 2, bias=False)
        self.k = nn.Linear(2, 2, bias=False)


def both(_):
    return ("q.weight", "k.weight")


def test_a_key_can_fill_two_places(tmp_path):
    torch.save({"qk": torch.arange(4.0).reshape(2, 2)}, tmp_path / "x.bin")
    model = Fused()
    load_into(model, Checkpoint.open(tmp_path / "x.bin"), rename=both)
    assert torch.equal(model.q.weight, torch.arange(4.0).reshape(2, 2))
    assert torch.equal(model.q.weight, model.k.weight)


def test_a_key_can_be_split_between_two_places(tmp_path):
    stored = torch.arange(8.0).reshape(4, 2)
    torch.save({"qk": stored}, tmp_path / "x.bin")
    model = Fused()
    load_into(
        model,
        Checkpoint.open(tmp_path / "x.bin"),
        rename=both,
        convert=lambda _, value: value.chunk(2),
    )
    assert torch.equal(model.q.weight, stored[:2])
    assert torch.equal(model.k.weight, stored[2:])


def test_unused_unfilled_and_misshapen_are_all_listed_before_anything_is_read(tmp_path):
    torch.save(
        {
            "first.weight": torch.zeros(4, 3),
            "first.bias": torch.zeros(5),
            "second.bias": torch.zeros(2),
            "stranger": torch.zeros(1),
        },
        tmp_path / "x.bin",
    )
    model = empty_pair()
    with pytest.raises(CheckpointError) as caught:
        load_into(model, Checkpoint.open(tmp_path / "x.bin"))
    message = str(caught.value)
    assert "keys of it have no place in the model: stranger" in message
    assert "not in it: second.weight" in message
    assert "first.bias is [5], not [4]" in message
    assert all(parameter.is_meta for parameter in model.parameters())


def test_ignorable_keys_and_parameters_from_elsewhere_are_not_errors(tmp_path):
    kept = {key: value for key, value in WEIGHTS.items() if key.startswith("first")}
    torch.save(kept | {"first.inv_freq": torch.zeros(1)}, tmp_path / "x.bin")
    model = empty_pair()
    load_into(
        model,
        Checkpoint.open(tmp_path / "x.bin"),
        ignorable=[r"inv_freq$"],
        elsewhere=[r"^second\."],
    )
    assert torch.equal(model.first.weight, WEIGHTS["first.weight"])
    assert model.second.weight.is_meta


def test_dtype_may_depend_on_the_name_and_integers_keep_theirs(tmp_path):
    class Counted(Pair):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.tensor(0))

    torch.save(WEIGHTS | {"count": torch.tensor(7)}, tmp_path / "x.bin")
    model = Counted()
    load_into(
        model,
        Checkpoint.open(tmp_path / "x.bin"),
        dtype=lambda name: torch.float32 if name.startswith("second") else torch.float16,
    )
    assert model.first.weight.dtype == torch.float16
    assert model.second.weight.dtype == torch.float32
    assert model.count.dtype == torch.int64
    assert model.count == 7


class Code:
    def __reduce__(self):
        return print, ("ran",)


def damaged(sharded, case):
    first, second = (sharded / name for name in SHARDS)
    index = sharded / "pytorch_model.bin.index.json"
    if case == "missing shard":
        second.unlink()
    elif case == "truncated shard":
        second.write_bytes(second.read_bytes()[:-200])
    elif case == "git lfs pointer":
        second.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    elif case == "missing index":
        index.unlink()
    elif case == "index of another download":
        torch.save({"second.weight": WEIGHTS["second.weight"]}, second)
    elif case == "damaged index":
        index.write_text("{")
    elif case == "key twice":
        torch.save(WEIGHTS, second)
    elif case == "code instead of tensors":
        torch.save({"second.weight": Code(), "second.bias": torch.zeros(2)}, second)
    elif case == "training state":
        torch.save({"second.weight": WEIGHTS["second.weight"], "step": 3}, second)
    elif case == "empty folder":
        for file in (first, second, index):
            file.unlink()


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("missing shard", "lacks pytorch_model-00002-of-00002.bin"),
        ("truncated shard", r"00002-of-00002.bin \(.* bytes\) cannot be read.*truncated"),
        ("git lfs pointer", "Git LFS pointer"),
        ("missing index", "not pytorch_model.bin.index.json"),
        ("index of another download", "promises second.bias in pytorch_model-00002"),
        ("damaged index", "not readable as JSON"),
        ("key twice", "both in"),
        ("code instead of tensors", "would run code"),
        ("training state", "named tensors only"),
        ("empty folder", "holds no weights"),
    ],
)
def test_each_kind_of_damage_has_its_own_sentence(sharded, case, said, capsys):
    damaged(sharded, case)
    with pytest.raises(CheckpointError, match=said):
        Checkpoint.open(sharded)
    assert capsys.readouterr().out == ""


def test_a_truncated_safetensors_file_is_named(tmp_path):
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-8])
    with pytest.raises(CheckpointError, match=r"model.safetensors \(.*truncated"):
        Checkpoint.open(tmp_path)


def test_a_folder_is_found_and_a_wrong_path_is_named(tmp_path):
    assert find_folder(tmp_path) == tmp_path
    with pytest.raises(CheckpointError, match="no folder"):
        find_folder(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="has no revision 'main'"):
        find_folder(tmp_path, revision="main")


@pytest.mark.parametrize("has_safetensors", [True, False])
def test_a_hub_id_is_downloaded_in_one_weight_format(tmp_path, monkeypatch, has_safetensors):
    asked = []

    def download(source, revision, allow_patterns):
        asked.append((source, revision, allow_patterns))
        if has_safetensors:
            (tmp_path / "model.safetensors").touch()
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert find_folder("owner/name", revision="v1") == tmp_path
    assert {entry[:2] for entry in asked} == {("owner/name", "v1")}
    assert [("*.bin" in entry[2]) for entry in asked] == (
        [False] if has_safetensors else [False, True]
    )


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch):
    def fail(*args, **options):
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(PrerequisiteError, match="hf download owner/name"):
        find_folder("owner/name")
