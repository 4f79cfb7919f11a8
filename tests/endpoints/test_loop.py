"""All connections share one event loop, whichever thread asks first."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from pixfoundation.endpoints import http


def test_threads_that_come_first_together_share_one_loop(monkeypatch):
    make = asyncio.new_event_loop

    def slowly():
        time.sleep(0.05)
        return make()

    monkeypatch.setattr(asyncio, "new_event_loop", slowly)
    http._started_loop.cache_clear()
    together = threading.Barrier(8)

    def ask(_):
        together.wait()
        return http._loop()

    with ThreadPoolExecutor(8) as pool:
        loops = set(pool.map(ask, range(8)))
    assert len(loops) == 1
