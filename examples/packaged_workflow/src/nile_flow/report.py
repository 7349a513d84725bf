"""What a person reads: a page of Markdown, with a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nile_flow.analysis import Change, Decade

WIDTH, HEIGHT, MARGIN = 720, 300, 40


def format_report(
    first_year: int, volumes: Sequence[int], decades: Sequence[Decade], change: Change, chart: str
) -> str:
    """Return the page.

    Args:
        first_year: The year of the first volume.
        volumes: The measurements, in 10⁸ m³.
        decades: What is known of each decade.
        change: Where the flow fell.
        chart: The name of the file with the chart.
    """
    last_year = first_year + len(volumes) - 1
    least, most = min(volumes), max(volumes)
    return "\n".join(
        [
            f"# The Nile at Aswan, {first_year}–{last_year}",
            "",
            f"![The volume of each year, and the means before and after the change]({chart})",
            "",
            _sentence(change),
            "",
            f"- Driest year: {first_year + volumes.index(least)}, with {least:,} × 10⁸ m³.",
            f"- Wettest year: {first_year + volumes.index(most)}, with {most:,} × 10⁸ m³.",
            "",
            "| decade | mean | least | most |",
            "|--------|-----:|------:|-----:|",
            *(
                f"| {decade['first_year']}s | {decade['mean']:,.0f} | {decade['least']:,} | {decade['most']:,} |"
                for decade in decades
            ),
            "",
        ]
    )


def draw_chart(first_year: int, volumes: Sequence[int], change: Change) -> str:
    """Return the chart as SVG: a bar for each year, and a line for the mean of each side of the change."""
    scale = (HEIGHT - 2 * MARGIN) / max(volumes)
    step = (WIDTH - 2 * MARGIN) / len(volumes)
    bottom = HEIGHT - MARGIN
    split = change["last_year_before"] - first_year + 1

    def x(position: float) -> float:
        return MARGIN + position * step

    bars = [
        f'<rect x="{x(index) + 1:.1f}" y="{bottom - volume * scale:.1f}" width="{step - 2:.1f}"'
        f' height="{volume * scale:.1f}"><title>{first_year + index}: {volume}</title></rect>'
        for index, volume in enumerate(volumes)
    ]
    means = [
        f'<path d="M{x(start):.1f} {bottom - mean * scale:.1f}H{x(end):.1f}"/>'
        f'<text x="{x(end):.1f}" y="{bottom - mean * scale - 6:.1f}" text-anchor="end">{mean:,.0f}</text>'
        for start, end, mean in [(0, split, change["before"]), (split, len(volumes), change["after"])]
    ]
    years = [
        f'<text x="{x(index + 0.5):.1f}" y="{bottom + 20}" text-anchor="middle">{first_year + index}</text>'
        for index in range(len(volumes))
        if (first_year + index) % 20 == 0
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="13" role="img">',
            f"<title>The flow of the Nile in each year from {first_year} to {first_year + len(volumes) - 1}</title>",
            "<style>text { font-family: sans-serif }</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            f'<text x="{MARGIN}" y="24" font-weight="bold">Flow of the Nile, in 10⁸ m³ a year</text>',
            '<g fill="#8fb3d9">',
            *bars,
            "</g>",
            '<g stroke="#b03a2e" stroke-width="2" fill="#b03a2e" paint-order="stroke">',
            *(mean.replace("<text", '<text stroke="#fff" stroke-width="3"') for mean in means),
            "</g>",
            *years,
            "</svg>",
            "",
        ]
    )


def _sentence(change: Change) -> str:
    share = change["after"] / change["before"] - 1
    return (
        f"After {change['last_year_before']}, the flow was {abs(share):.0%} {'lower' if share < 0 else 'higher'}:"
        f" {change['after']:,.0f} × 10⁸ m³ a year instead of {change['before']:,.0f}."
        f" That explains {change['explained']:.0%} of the variance."
    )
