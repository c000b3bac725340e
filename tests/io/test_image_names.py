"""Which image a name in another file means."""

import logging
from threading import Thread

import pytest

from prefiqs.faces.decode import PHOTO_SUFFIXES
from prefiqs.io.names import ImageNameIndex


@pytest.mark.parametrize("suffix", sorted(PHOTO_SUFFIXES))
def test_a_name_may_lack_the_suffix_of_any_photo(suffix):
    assert ImageNameIndex([f"a/1{suffix}", f"a/2{suffix.upper()}"], "x").rows(["2", "a/1"]).tolist() == [1, 0]


def test_another_thread_sees_the_names_whole():
    index, found = ImageNameIndex([f"a/{i}.jpg" for i in range(9)], "x"), []

    class Paths(list):
        def __iter__(self):
            for i, path in enumerate(list.__iter__(self)):
                if i == 5 and not found:  # another thread asks in the midst
                    found.append(None)
                    other = Thread(target=lambda: found.extend(index.rows(["8"])))
                    other.start()
                    other.join()
                yield path

    index._paths = Paths(index._paths)
    assert index.rows(["3"]).tolist() == [3] and found == [None, 8]


@pytest.mark.parametrize("asked", ["/other/set/{:06}.jpg", "/elsewhere/p{:04}/{:06}.jpg"])
def test_names_asked_for_one_by_one_are_doubted_once(asked, caplog):
    index = ImageNameIndex([f"{i:06}.jpg" for i in range(50)], "celeba.txt")
    with caplog.at_level(logging.WARNING):
        assert [index.rows([asked.format(i, i)]).item() for i in range(50)] == list(range(50))
        assert len(caplog.records) == 1
        index.rows([asked.format(i, i) for i in range(50)])  # a file of its own
    assert len(caplog.records) == 2


def test_a_single_name_does_not_look_at_all_the_others():
    index = ImageNameIndex([f"{i:06}.jpg" for i in range(50)], "celeba.txt")
    index.rows(["other/000001.jpg"])

    class Unread(list):
        def __iter__(self):
            raise AssertionError("all names were read")

    index._paths = Unread(index._paths)
    assert index.rows(["other/000002.jpg"]).tolist() == [2]
