"""Waits: conditions, the timers that poll them, and the threads that call them."""
