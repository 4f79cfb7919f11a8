"""Pickled weights become safetensors, and nothing that they name is run."""

import collections
import os
import pathlib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.pickles import BARE, convert


class Meter:
    """An object of a trainer."""

    def __init__(self) -> None:
        self.values = [np.float64(1.5), np.arange(3)]


class Command:
    """Runs a command of the system when it is unpickled the ordinary way."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self):
        return (os.system, (self.text,))


def weights():
    made = collections.OrderedDict(
        linear=torch.randn(3, 4),
        parameter=torch.nn.Parameter(torch.randn(2)),
        half=torch.randn(3).half(),
        bfloat=torch.randn(2, 2).bfloat16(),
        counts=torch.arange(4),
    )
    made["view"] = made["linear"][1:]
    return made


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_tensors_are_kept_as_they_are_and_objects_dropped(tmp_path, zipped):
    made, file = weights(), tmp_path / "trained.pth"
    witness = tmp_path / "witness"
    content = {
        "state_dict": made,
        "meta": {"meter": Meter(), "path": pathlib.PurePosixPath("/x"), "run": Command("true")},
        "optimizer": [Command(f"touch {witness}")],
    }
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    done = convert(file)
    found = load_file(done.target)
    assert done.target == tmp_path / "trained.safetensors"
    assert done.tensors == len(made)
    assert found.keys() == made.keys()
    for name, tensor in made.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert set(done.dropped) == {"meta", "optimizer"}
    assert any(name.endswith("test_pickles.Meter") for name in done.replaced)
    assert any(name.endswith(".system") for name in done.replaced)
    assert not witness.exists()
    assert file.exists()


def test_a_bare_tensor_gets_a_name(tmp_path):
    tensor = torch.randn(2, 3, 4)
    torch.save(tensor, tmp_path / "bank.pth")
    assert torch.equal(load_file(convert(tmp_path / "bank.pth").target)[BARE], tensor)


def test_nothing_is_overwritten(tmp_path):
    torch.save(weights(), tmp_path / "a.pth")
    (tmp_path / "a.safetensors").write_text("mine")
    with pytest.raises(CheckpointError, match="exists already"):
        convert(tmp_path / "a.pth")
    assert (tmp_path / "a.safetensors").read_text() == "mine"


def test_damaged_missing_and_empty_files_are_said_and_leave_nothing(tmp_path):
    torch.save(weights(), tmp_path / "cut.pth")
    content = (tmp_path / "cut.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    torch.save({"epoch": 3, "loss": [0.5]}, tmp_path / "log.pth")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match=r"cut\.pth.*truncated or damaged"):
        convert(tmp_path / "cut.pth")
    with pytest.raises(CheckpointError, match=r"no named tensors \(found: epoch, loss\)"):
        convert(tmp_path / "log.pth")
    with pytest.raises(CheckpointError, match=r"There is no file .*nowhere\.pth"):
        convert(tmp_path / "nowhere.pth")
    assert sorted(tmp_path.iterdir()) == before


def test_the_command_says_what_it_did(tmp_path):
    torch.save({"state_dict": weights(), "meta": Meter()}, tmp_path / "x.pth")
    done = CliRunner().invoke(app, ["convert-weights", str(tmp_path / "x.pth")])
    said = " ".join(done.output.split())
    assert done.exit_code == 0
    assert "Wrote 6 tensors" in said
    assert "Left out, because they are no weights: meta." in said
    assert "test_pickles.Meter" in said.replace(" ", "")
    assert (tmp_path / "x.safetensors").exists()
