"""Whoever waits is woken, whoever goes away takes nobody along."""

import asyncio
import random
import threading

from app.console.bell import Bell
from app.console.feed import Feed

PATIENCE = 60.0


class Revision:
    """Changes at every look."""

    def __init__(self):
        self.looks = 0

    def of(self, pools):
        self.looks += 1
        return dict.fromkeys(pools, str(self.looks))


class Pace:
    look = 1  # ms


def test_it_wakes_those_who_wait_and_they_look_again():
    async def run():
        bell, open_ = Bell(), []
        waits = [asyncio.create_task(bell.until(lambda: bool(open_), PATIENCE)) for _ in range(3)]
        await asyncio.sleep(0)
        bell.ring()
        await asyncio.sleep(0)
        assert not any(wait.done() for wait in waits)
        open_.append(True)
        bell.ring()
        await asyncio.wait_for(asyncio.gather(*waits), PATIENCE)

    asyncio.run(run())


def test_it_gives_up_after_the_time():
    asyncio.run(Bell().until(lambda: False, 0.01))


def test_listeners_that_go_away_at_any_moment_hold_up_nobody():
    draw = random.Random(7)

    async def listen(feed):
        async for _ in feed.changes(("a", "b"), 0.001):
            pass

    async def run():
        feed = Feed(Revision(), Pace())
        listeners = [asyncio.create_task(listen(feed)) for _ in range(10)]
        for _ in range(300):
            await asyncio.sleep(draw.random() * 0.002)
            leaving = draw.randrange(len(listeners))
            listeners[leaving].cancel()
            listeners[leaving] = asyncio.create_task(listen(feed))
        await asyncio.gather(feed.close(), *listeners)

    # In a thread that may be left behind: a loop with tasks that never end does not end either.
    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "somebody waits for ever"
