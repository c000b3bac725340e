"""Tables as Typst, and PDFs that say what the tables say."""

import io

import pandas as pd
import pytest
from pypdf import PdfReader

from prefiqs.errors import InputError
from prefiqs.reporting.tables import Table
from prefiqs.reporting.typst import escape, typst_table, write_pdf

MARKUP = 'a #b *c* _d_ $e$ <f> @g [h] "i" \\j `k` ~l // m'


def text_of(path) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(path.read_bytes())).pages)


def test_text_is_never_markup(tmp_path):
    write_pdf(f"before {escape(MARKUP)} after", tmp_path / "a.pdf")
    assert " ".join(text_of(tmp_path / "a.pdf").split()) == f"before {MARKUP} after"


def test_a_table_with_everything(tmp_path):
    frame = pd.DataFrame({"block": ["one", "one", "two"], "name": ["a*", "b", "c"], "x": [1.5, 2.25, 3.0]})
    frame = frame.assign(x_low=[1.0, 2, None], x_high=[2.0, 3, None])
    table = Table(
        frame, "Caption #1", {"x": "min"}, 2, "A note.", "block", intervals=("x",), trained_on={"x": [0, 1, 0]}
    )
    source = typst_table(table)
    assert "*1.50*" in source or '*#"1.50";*' in source
    write_pdf("#let notes(body) = body\n" + source, tmp_path / "t.pdf")
    text = text_of(tmp_path / "t.pdf")
    for part in ("Caption #1", "A note.", "one", "two", "a*", "1.50", "[1.0, 2.0]", "2.25", "3.00", "§"):
        assert part in text, (part, text)


def test_the_same_source_gives_the_same_bytes(tmp_path):
    for name in ("a.pdf", "b.pdf"):
        write_pdf("= Title\n$ x^2 $", tmp_path / name)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_what_typst_does_not_understand_is_said(tmp_path):
    with pytest.raises(InputError, match="p.pdf cannot be typeset: .*unknown variable"):
        write_pdf("#nothing", tmp_path / "p.pdf")
    assert not list(tmp_path.iterdir())
