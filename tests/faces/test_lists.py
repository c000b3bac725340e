"""Lists of photos, as people and systems write them."""

import io
import os
import sys

import pytest

from prefiqs.errors import InputError
from prefiqs.faces.lists import expand_lists

NAMES = ["a.jpg", "deep er/b c.jpg", "Großmutter/祖母.png", " led.jpg", "it's.jpg", "two.jpg"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(*given):
    return [path.as_posix() for path in expand_lists(given)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\0", "\n\n \n"])
@pytest.mark.parametrize("last", [True, False])
def test_encodings_and_ends_of_lines(photos, encoding, end, last):
    (photos / "list.txt").write_bytes((end.join(NAMES) + end * last).encode(encoding))
    assert listed("x.jpg", "@list.txt") == ["x.jpg", *NAMES]


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        '"{}"',
        "'{}'",
        "  {}\t",
        "./{}",
        '  "{}" ',
        "deep er\\b c.jpg",
        '"deep er\\b c.jpg"',
        ".\\deep er\\b c.jpg",
    ],
)
def test_quotes_blanks_and_the_style_of_windows(photos, line):
    (photos / "list.txt").write_text(line.format("deep er/b c.jpg") + "\n" + "a.jpg\n")
    assert listed("@list.txt") == ["deep er/b c.jpg", "a.jpg"]


def test_relative_to_the_working_directory_or_the_list(photos):
    (photos / "deep er" / "list.txt").write_text(f"a.jpg\nb c.jpg\n{photos}/two.jpg\n")
    assert listed("@deep er/list.txt") == ["a.jpg", "deep er/b c.jpg", f"{photos}/two.jpg"]


def test_standard_input(photos, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("two.jpg\r\nGroßmutter/祖母.png".encode())))
    assert listed("a.jpg", "-") == ["a.jpg", "two.jpg", "Großmutter/祖母.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_names_that_are_no_text(photos):
    name = os.fsdecode(b"f\xe9te.jpg")
    (photos / name).touch()
    (photos / "list.txt").write_bytes(b"f\xe9te.jpg\n")
    assert listed("@list.txt") == [name]


def test_missing_files_are_counted(photos):
    (photos / "list.txt").write_text("a.jpg\nno 1.jpg\nno 2.jpg\n")
    with pytest.raises(InputError, match=r"File not found: no 1.jpg \(2 of 3 in list.txt are missing\)"):
        expand_lists(["@list.txt"])
    with pytest.raises(InputError, match="File not found: nowhere.txt"):
        expand_lists(["@nowhere.txt"])


@pytest.mark.parametrize("content", [b"x" * 300, b"a.jpg/" * 1000, b"\x89PNG\r\n" + b"\x01" * 5000])
def test_what_is_no_list_of_paths(photos, content):
    (photos / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match="^File not found: .{1,200} .* of .* in list.txt .*one path per line"):
        expand_lists(["@list.txt"])


def test_a_list_that_is_cut_short(photos):
    (photos / "list.txt").write_bytes("a.jpg\ntwo.jpg".encode("utf-16")[:-1])
    with pytest.raises(InputError, match="list.txt is not UTF-8 text .*truncated data"):
        expand_lists(["@list.txt"])


@pytest.mark.parametrize("start", [b"PK\3\4", b"\xd0\xcf\x11\xe0\xa1\xb1"])
def test_a_spreadsheet_is_no_list(photos, start):
    (photos / "list.xlsx").write_bytes(start + b"a.jpg\n" * 9)
    with pytest.raises(InputError, match="list.xlsx is a spreadsheet or another document, not text. Save it as CSV"):
        expand_lists(["@list.xlsx"])


@pytest.mark.parametrize("content", ["", "\n \r\n", "\ufeff"])
def test_empty_lists(photos, content):
    (photos / "list.txt").write_text(content)
    with pytest.raises(InputError, match="list.txt lists no photos"):
        expand_lists(["@list.txt"])


@pytest.mark.parametrize("given", ["", "@"])
def test_an_empty_path_is_not_the_working_directory(given):
    """As an unset variable of the shell gives it."""
    with pytest.raises(InputError, match="A path is empty: name the photos"):
        expand_lists(["photo.png", given])


def test_a_file_with_an_at_in_its_name_is_that_file(photos):
    (photos / "@a.jpg").touch()
    assert listed("@a.jpg") == ["@a.jpg"]
