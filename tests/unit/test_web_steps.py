"""What a handler of the page yields is shown step by step, and an event that is cancelled ends at once."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from redacoes.web.parts import in_steps


def test_each_step_is_shown() -> None:
    @in_steps
    def handler(text: str, times: int) -> Iterator[str]:
        yield text
        yield text * times

    async def shown() -> list[str]:
        return [step async for step in handler("a", times=2)]

    assert asyncio.run(shown()) == ["a", "aa"]


def test_an_event_that_is_cancelled_waits_for_no_step() -> None:
    begun, free = threading.Event(), threading.Event()

    @in_steps
    def handler() -> Iterator[str]:
        yield "a"
        begun.set()
        free.wait()
        yield "b"

    async def cancel() -> None:
        steps = handler()
        assert await anext(steps) == "a"
        event = asyncio.ensure_future(anext(steps))
        await asyncio.to_thread(begun.wait)
        event.cancel()
        with pytest.raises(asyncio.CancelledError):
            await event
        with pytest.raises(StopAsyncIteration):
            await anext(steps)
        assert not free.is_set()
        free.set()

    asyncio.run(cancel())
