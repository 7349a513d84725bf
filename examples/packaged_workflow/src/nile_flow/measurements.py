"""What a line of the file has to be."""

from __future__ import annotations

import csv
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Measurement(BaseModel):
    """How much water the river carried in a year."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    year: int = Field(ge=1800, le=2100)
    volume: int = Field(gt=0, lt=10_000)
    """In units of 10⁸ m³."""


def read_measurements(text: str) -> list[Measurement]:
    """Return the measurements in a CSV file, one for each year without a gap.

    Raises:
        ValueError: A line is not a measurement, there are fewer than ten, or a year is missing or comes twice.
    """
    measurements: list[Measurement] = []
    for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
        try:
            measurements.append(Measurement.model_validate(row))
        except ValidationError as error:
            reasons = "; ".join(f"{detail['loc'][0]}: {detail['msg']}" for detail in error.errors())
            raise ValueError(f"line {number}: {reasons}") from error
    if len(measurements) < 10:
        raise ValueError(f"{len(measurements)} measurements are too few to find anything; expected ten or more")
    for one, other in pairwise(measurements):
        if other.year != one.year + 1:
            raise ValueError(f"after {one.year} comes {other.year}; expected each year once, in order")
    return measurements
