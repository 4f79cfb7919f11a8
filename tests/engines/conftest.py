"""One small Ray node for the fast tests of this folder, since a start takes seconds."""

import pytest


@pytest.fixture(scope="package")
def cluster():
    """A node on this machine to which this program is connected."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'pixfoundation[ray]'")
    ray.init(
        address="local",
        num_cpus=4,
        object_store_memory=80_000_000,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield ray
    ray.shutdown()
