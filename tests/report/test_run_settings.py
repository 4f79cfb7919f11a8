"""What is told of a run to others names no folder of this machine."""

from pixfoundation.parts import describe_model
from pixfoundation.report.run_settings import run_settings, settings_for_others
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.store import RunDirectory
from tests.doubles import BrightModel, make_samples

FOLDER = "/home/me/checkpoints/my-llava"


def test_a_model_is_described_by_the_name_that_loads_it_again(tmp_path):
    model = BrightModel(str(tmp_path))
    assert "name" not in model.fingerprint()
    assert describe_model(model).name == str(tmp_path)


def test_a_model_given_as_a_folder_is_called_by_the_last_part_of_its_path(tmp_path):
    config = RunConfig(
        model={"name": FOLDER, "source": FOLDER}, dataset={"name": "boxes"}, protocols=(2,)
    )
    samples = make_samples(tmp_path / "images", 1)
    run = RunDirectory.create(tmp_path / "run", config, samples)
    assert run.name == "my-llava"
    assert run.config.model.name == FOLDER  # by which it is loaded again
    assert ("model name", FOLDER) in run_settings(run)
    told = settings_for_others(run)
    assert ("model name", "my-llava") in told
    assert not [value for _, value in told if "/home/me" in value or str(tmp_path) in value]
