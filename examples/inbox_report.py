"""What `inbox.py` writes in the end: a page of Markdown."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def format_report(results: Mapping[str, Any], regions: Sequence[str]) -> str:
    """Return the report on everything that the tasks have found."""
    near, far = results["distances"]["nearest"], results["distances"]["farthest"]
    meeting, days = results["meeting"], results["leap_seconds"]
    changes: Counter[str] = Counter()
    rows: list[str] = []
    for region in regions:
        found = results[region]
        changes.update(found["changes"])
        busiest = max(found["changes"], key=lambda decade: (found["changes"][decade], decade))
        rows.append(
            f"| {region:10} | {found['zones']:5} | {len(found['countries']):9} | {sum(found['changes'].values()):7} "
            f"| {busiest:>14} | {found['anyone_at_work']:14.0%} | {found['half_at_work']:12.0%} |"
        )
    most = max(changes.values())
    return "\n".join(
        [
            "# The time zones of the world",
            "",
            "| region     | zones | countries | changes | busiest decade | anyone at work | half at work |",
            "|------------|------:|----------:|--------:|---------------:|---------------:|-------------:|",
            *rows,
            "",
            "Changes of clocks, all zones together:",
            "",
            *(f"    {decade}  {'#' * round(60 * n / most):60} {n:5}" for decade, n in sorted(changes.items())),
            "",
            f"- Most zones: {', '.join(results['most_zones'])}.",
            f"- Nearest to each other: {near[1]} and {near[2]}, {near[0]:,.0f} km;",
            f"  farthest: {far[1]} and {far[2]}, {far[0]:,.0f} km.",
            f"- Leap seconds: {len(days)}, the first on {days[0]}, the last on {days[-1]}.",
            f"- The offices from the inbox: {', '.join(office['city'] for office in results['offices'])};",
            f"  {meeting['offices']} of them are at work together {meeting['hours']:,.0f} hours a year,",
            f"  most often at {meeting['utc']} UTC.",
            f"- SHA-256 of tzdata.zi, as the service computed it: {results['sha256'][:16]}…",
            "",
        ]
    )
