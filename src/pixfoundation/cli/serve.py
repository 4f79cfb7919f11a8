"""`pixfoundation app`: the local web page."""

from __future__ import annotations

from typing import Any

import typer

from pixfoundation.cli.options import DEVICE, DTYPE, MODEL_OPTION, given, parse_options
from pixfoundation.cli.printing import output


def app_command(
    host: str = typer.Option("127.0.0.1", help="Address to bind to; by default this machine only."),
    port: int | None = typer.Option(
        None,
        min=1,
        max=65535,
        help="Port to bind to. Default: 7860, or a free one if that is taken.",
    ),
    model: str = typer.Option(
        "tiny-llava",
        help="Model selected at first: a name of `pixfoundation models`, or a hub id.",
    ),
    device: str | None = DEVICE,
    dtype: str | None = DTYPE,
    model_option: list[str] | None = MODEL_OPTION,
) -> None:
    """Serve a local web page: one image, one expression, its masks, the attention by token.

    Options of --model-option apply to the model of --model; device and precision apply to all.

    Examples:
      pixfoundation app

      pixfoundation app --model llava-1.5-7b --dtype float16

      pixfoundation app --host 0.0.0.0 --port 7860
    """
    from pixfoundation.extras import DEMO, check_extras

    check_extras("The web page", ("app", *DEMO))
    from pixfoundation.api import check_names
    from pixfoundation.app.server import NAMES_OF_LOOPBACK, address, application, listen, serve

    check_names(model, None, None)
    placement, further = given(device=device, dtype=dtype), parse_options(model_option)

    def options(name: str) -> dict[str, Any]:
        return placement | (further if name == model else {})

    console = output()
    with listen(host, port) as listener, application(host, model, options) as app:
        console.print(f"The page: {address(listener)}")
        if host not in NAMES_OF_LOOPBACK:
            console.print("Anyone who can reach this machine can use it: there is no password.")
        console.print("Stop it with Ctrl+C.", style="dim")
        serve(app, listener)
