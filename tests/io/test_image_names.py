"""Which image a name in another file means."""

import pytest

from prefiqs.faces.decode import PHOTO_SUFFIXES
from prefiqs.io.names import ImageNameIndex


@pytest.mark.parametrize("suffix", sorted(PHOTO_SUFFIXES))
def test_a_name_may_lack_the_suffix_of_any_photo(suffix):
    assert ImageNameIndex([f"a/1{suffix}", f"a/2{suffix.upper()}"], "x").rows(["2", "a/1"]).tolist() == [1, 0]
