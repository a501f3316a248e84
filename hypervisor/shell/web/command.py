"""`cellvisor screen --web`: serve the page of a run until Ctrl-C, or until the run ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from hypervisor.shell.observer import Observer
from hypervisor.shell.operating import address_of
from hypervisor.shell.problems import InputError
from hypervisor.shell.runtime_dir import Address
from hypervisor.shell.web.server import Page


def serve(which: str | None, port: int) -> int:
    """Serve the page of the run that is meant; its address is the first line on standard output."""
    address = address_of(which)
    asyncio.run(_serve(address, port, lambda url: print(url, flush=True)))
    return 0


async def _serve(address: Address, port: int, tell: Callable[[str], None]) -> None:
    async with Observer(address) as run:
        page = Page(run)
        try:
            url = await page.start(port)
        except OSError as error:
            raise InputError(f"--port {port}: {os.strerror(error.errno or 0).lower()}") from None
        left = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, left.set)
        tell(url)
        waits = [asyncio.create_task(left.wait()), asyncio.create_task(run.ended.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await page.stop()
