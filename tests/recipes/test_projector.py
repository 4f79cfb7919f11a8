"""The projector's own training: what few patches tell is written as clearly as the rest."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from recipes.projector import ProjectorConfig, refine_projector, symbol_weights  # noqa: E402
from recipes.scene_sources import plain_scenes  # noqa: E402
from recipes.scene_store import build_store  # noqa: E402
from recipes.symbolic import SYMBOLS, SymbolTable  # noqa: E402
from recipes.tower import Projector  # noqa: E402


def test_the_rarer_a_symbol_the_greater_its_weight_up_to_the_largest():
    symbols = torch.zeros(1000, 4)
    symbols[:500, 0] = 1  # common
    symbols[:5, 1] = 1  # half as common as a common one must be
    symbols[:1, 2] = 1
    weights = symbol_weights(symbols, ProjectorConfig(common=0.01, most=8))
    assert weights.tolist() == pytest.approx([1, 2, 8, 8])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return build_store(tmp_path_factory.mktemp("scenes"), plain_scenes, 24)


@pytest.fixture(scope="module")
def features(store):
    """Features that hold every symbol, as a frozen tower's might."""
    mix = torch.randn(SYMBOLS, 64, generator=torch.Generator().manual_seed(2))
    return (store.symbols(np.arange(len(store))) @ mix).numpy().astype(np.float16)


def refined(store, features, file, config):
    torch.manual_seed(0)
    projector = Projector(64, 32)
    table = SymbolTable(32, seed=0)
    rows = np.arange(len(store))
    wanted = table(store.symbols(rows))

    def error() -> float:
        with torch.no_grad():
            return float((projector(torch.tensor(features).float()) - wanted).square().mean())

    before = error()
    refine_projector(config, projector, table, store, features, file, log=lambda _: None, every=10)
    return projector, before, error()


def test_it_learns_to_write_the_symbols(store, features, tmp_path):
    config = ProjectorConfig(steps=120, batch=8, warmup=5)
    _, before, after = refined(store, features, tmp_path / "projector.pt", config)
    assert after < before / 2


def test_a_training_that_goes_on_from_its_checkpoint_ends_with_the_same_weights(
    store, features, tmp_path
):
    whole, _, _ = refined(store, features, tmp_path / "whole.pt", ProjectorConfig(20, 8))

    def killed(_: str) -> None:
        raise KeyboardInterrupt

    table = SymbolTable(32, seed=0)
    torch.manual_seed(0)
    projector = Projector(64, 32)
    arguments = (ProjectorConfig(20, 8), projector, table, store, features, tmp_path / "parts.pt")
    with pytest.raises(KeyboardInterrupt):
        refine_projector(*arguments, log=killed, every=10)
    continued, _, _ = refined(store, features, tmp_path / "parts.pt", ProjectorConfig(20, 8))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, continued.state_dict()[name]), name
