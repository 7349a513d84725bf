"""What you need to test your own workflows: time that passes at once, and handles without a runner."""

from __future__ import annotations

from cloacina.testing.virtual_clock import VirtualClock

__all__ = ["VirtualClock"]
