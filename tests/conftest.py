"""What all tests share: no network, the reference data and a browser where they are there."""

import os
import shutil
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published annotations and photographs, which the repository does not carry."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the published annotations are not beside this checkout (../shared)")
    return folder


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium without a window; tests are skipped where it or Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium on this machine")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=quiet)
        yield opened
        opened.close()
