"""How areas are printed in sentences: two digits where they are not reliable, and never as a power of ten."""

import pytest

from prefiqs.evaluation.tables import area_text


@pytest.mark.parametrize(
    ("area", "reliable", "sign", "expected"),
    [(153.2, False, "", "150"), (1.234, True, "+", "+1.23"), (-0.0153, False, "+", "−0.015"), (58.4, False, "", "58")],
)
def test_areas_in_sentences(area, reliable, sign, expected):
    assert area_text(area, reliable, sign) == expected
