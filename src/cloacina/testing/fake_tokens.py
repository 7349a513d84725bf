"""Stand-ins for what `into_slot_token()` returns."""

from __future__ import annotations

import anyio.lowlevel


class FakeBlockingSlotToken:
    """What `FakeBlockingTaskHandle.into_slot_token()` returns: it holds a slot that nobody else wants."""

    def __init__(self) -> None:
        self._is_held = True

    def is_held(self) -> bool:
        """Return whether the slot is held."""
        return self._is_held

    def release(self) -> bool:
        """Give the slot back; return False when it was not held."""
        was_held, self._is_held = self._is_held, False
        return was_held

    def reclaim(self) -> None:
        """Hold the slot again."""
        self._is_held = True


class FakeSlotToken:
    """What `FakeTaskHandle.into_slot_token()` returns: `FakeBlockingSlotToken`, awaited."""

    def __init__(self) -> None:
        self._token = FakeBlockingSlotToken()

    def is_held(self) -> bool:
        """Return whether the slot is held."""
        return self._token.is_held()

    def release(self) -> bool:
        """Give the slot back; return False when it was not held."""
        return self._token.release()

    async def reclaim(self) -> None:
        """Hold the slot again."""
        await anyio.lowlevel.checkpoint()
        self._token.reclaim()
