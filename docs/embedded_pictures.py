"""Take pictures of the pages for the documentation, and make pictures smaller.

    python docs/embedded_pictures.py report PAGE/index.html OUT.png --sample 80
    python docs/embedded_pictures.py app OUT.png
    python docs/embedded_pictures.py shrink IN.png OUT.png

Pages are opened in Chromium without a window, by Playwright.
"""

from __future__ import annotations

import argparse
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

WIDTH, COLOURS = 1100, 256
PATIENCE = 300_000
"""Milliseconds; the first answer of the app loads the models."""
EXAMPLE = 1
"""The example of the app that is clicked, from 0."""


@contextmanager
def chromium(width: int, height: int) -> Iterator[Any]:
    """Yield a page of a browser with a window of this size."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def picture_report(index: Path, out: Path, sample: str) -> None:
    """Picture one open sample of a report."""
    with chromium(1200, 755) as page:
        page.goto(f"{index.resolve().as_uri()}#sample={sample}&protocol=3")
        dialog = page.locator("#detail")
        dialog.locator("canvas, img").first.wait_for()
        wait_for_images(page)
        dialog.screenshot(path=out)


def wait_for_images(page: Any) -> None:
    """Wait until all images of a page are there; a page of Gradio is never without a connection."""
    page.wait_for_function("[...document.images].every((image) => image.complete)")


def picture_app(out: Path) -> None:
    """Picture the local page after a click on an example."""
    import uvicorn

    from pixfoundation.app.server import LOOPBACK, address, application, listen

    with listen(port=0) as listener, application(LOOPBACK, "tiny-llava", lambda name: {}) as app:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with chromium(1280, 900) as page:
                page.goto(address(listener))
                page.locator("#examples tbody tr").nth(EXAMPLE).click()
                page.locator("#grid img").wait_for()
                page.locator("#attention .heat").wait_for()
                wait_for_images(page)
                page.screenshot(path=out, full_page=True)
        finally:
            server.should_exit = True
            thread.join()
    shrink(out, out, 1280)


def shrink(source: Path, out: Path, width: int = WIDTH) -> None:
    """Write a picture with fewer pixels and at most 256 colours."""
    picture = Image.open(source).convert("RGB")
    if picture.width > width:
        height = round(picture.height * width / picture.width)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    report = kinds.add_parser("report")
    report.add_argument("index", type=Path)
    report.add_argument("out", type=Path)
    report.add_argument("--sample", required=True)
    kinds.add_parser("app").add_argument("out", type=Path)
    smaller = kinds.add_parser("shrink")
    smaller.add_argument("source", type=Path)
    smaller.add_argument("out", type=Path)
    options = parser.parse_args()
    if options.kind == "report":
        picture_report(options.index, options.out, options.sample)
    elif options.kind == "app":
        picture_app(options.out)
    else:
        shrink(options.source, options.out)


if __name__ == "__main__":
    main()
