"""`pixfoundation app`: the web demo."""

from __future__ import annotations

import typer


def app_command(
    host: str = typer.Option("127.0.0.1", help="Address to bind to; by default this machine only."),
    port: int | None = typer.Option(None, min=1, max=65535, help="Default: a free one."),
) -> None:
    """Open a local web page: one image, one expression, its masks, the attention by token.

    Examples:
      pixfoundation app

      pixfoundation app --host 0.0.0.0 --port 7860
    """
    from pixfoundation.app import launch

    launch(host, port)
