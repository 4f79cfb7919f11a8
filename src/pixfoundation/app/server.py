"""Serve the page: on this machine only by default, and never through a tunnel."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pixfoundation.app.assets import asset
from pixfoundation.app.session import Session
from pixfoundation.errors import PrerequisiteError, missing_package

if TYPE_CHECKING:
    from fastapi import FastAPI

LOOPBACK = "127.0.0.1"
NAMES_OF_LOOPBACK = ("127.0.0.1", "localhost")
FIRST_PORT = 7860
LARGEST_UPLOAD = "64mb"


def listen(host: str = LOOPBACK, port: int | None = None) -> socket.socket:
    """Bind an address.

    Args:
        host: Address to bind to; by default it is reachable from this machine only.
        port: Port to bind to; None for 7860, or a free port if 7860 is taken.

    Raises:
        PrerequisiteError: If the address cannot be bound.
    """
    if port is not None:
        return _bound(host, port)
    with suppress(PrerequisiteError):
        return _bound(host, FIRST_PORT)
    return _bound(host, 0)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(where[:2], family=family)
    except OSError as error:
        is_name = isinstance(error, socket.gaierror)
        reason = error.strerror if is_name or not error.errno else os.strerror(error.errno)
        raise PrerequisiteError(
            f"The page cannot be served at {host}{f', port {port}' if port else ''}: {reason}. "
            "Choose another --host or --port."
        ) from error


def address(listener: socket.socket) -> str:
    """Return what to open in the browser for a bound address."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def application(
    host: str, model: str, options: Callable[[str], Mapping[str, Any]]
) -> Iterator[FastAPI]:
    """Yield the web application; files uploaded to it are deleted at the end.

    Args:
        host: Address that it will be served at. For this machine only, requests that another
            web page makes under another host name are refused.
        model: Name of the model that is selected at first.
        options: Returns the options of a model by its name.

    Raises:
        PrerequisiteError: If Gradio is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="pixfoundation-", ignore_cleanup_errors=True) as folder:
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}
        try:
            import gradio
            from fastapi import FastAPI
            from starlette.middleware.trustedhost import TrustedHostMiddleware
        except ModuleNotFoundError as error:
            raise missing_package(error.name or "gradio", "The web page", "app") from error
        from pixfoundation.app.page import build_page

        app = FastAPI(openapi_url=None)
        if host in NAMES_OF_LOOPBACK:
            app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(NAMES_OF_LOOPBACK))
        page = build_page(Session(options), model)
        gradio.mount_gradio_app(
            app,
            page,
            "/",
            footer_links=[],
            run_history=False,
            show_error=False,
            max_file_size=LARGEST_UPLOAD,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            css=asset("page.css"),
            js=asset("paste.js"),
        )
        # Only then does Gradio refuse paths of files that nobody uploaded; mounting leaves it out.
        page.has_launched = page.is_running = True
        yield app


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Serve an application at a bound address until interrupted or terminated."""
    import uvicorn

    # uvicorn re-raises a signal after its shutdown; as an interrupt it closes open contexts first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
