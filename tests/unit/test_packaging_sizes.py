"""A size is shown in the largest unit that it fills."""

from __future__ import annotations

import pytest

from cloacina.packaging.sizes import readable_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (2_448, "2.4 kB"),
        (48_123_456, "48.1 MB"),
        (1_200_000_000, "1.2 GB"),
        (2_500_000_000_000, "2,500.0 GB"),
    ],
)
def test_a_size_is_shown_in_the_largest_unit_that_it_fills(size: int, text: str) -> None:
    assert readable_size(size) == text
