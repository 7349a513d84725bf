"""Seeing what a runner did: from the events in its store to a timeline of its slots."""

from __future__ import annotations

from cloacina.observe.svg import SvgDrawing, render_svg
from cloacina.observe.timeline import Stretch, StretchKind, read_stretches
from cloacina.observe.timeline_text import render_timeline

__all__ = ["Stretch", "StretchKind", "SvgDrawing", "read_stretches", "render_svg", "render_timeline"]
