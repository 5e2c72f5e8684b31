"""Stated dates become days; what is not stated in full is not guessed."""

import warnings
from datetime import date

import pytest

from qa.text.dates import parse_day


@pytest.mark.parametrize(
    ("stated", "day"),
    [
        ("September 11, 2023", date(2023, 9, 11)),
        ("2022-05-26", date(2022, 5, 26)),
        ("2023-09-26T17:01:22+00:00", date(2023, 9, 26)),
        ("2023年9月11日", date(2023, 9, 11)),
        ("26 May 2022 08:30", date(2022, 5, 26)),
        ("September 2023", None),
        ("May 26", None),
        ("2023", None),
        ("yesterday", None),
        ("", None),
        ("99999999999999999999", None),
        ("20230911", date(2023, 9, 11)),
        ("1512101230", None),
        ("05/06/2023", None),
        ("11.09.2023", None),
        ("30/06/2023", date(2023, 6, 30)),
        ("Mon, 11 Sep 2023 10:00:00 GMT", date(2023, 9, 11)),
        ("Mon, 11 Sep 2023 23:30:00 EST", date(2023, 9, 11)),
    ],
)
def test_only_a_full_date_is_a_date(stated, day):
    assert parse_day(stated) == day


@pytest.mark.parametrize("zone", ["EST", "CEST", "BRST", "XYZ"])
def test_a_time_zone_that_nobody_knows_causes_no_warning(zone):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_day(f"11 September 2023 23:30 {zone}") == date(2023, 9, 11)
