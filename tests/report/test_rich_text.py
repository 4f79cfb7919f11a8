"""Words are placed in lines that fit, with the colours of their phrases."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pixfoundation.grounding.colours import PHRASE_COLOURS
from pixfoundation.report.rich_text import Piece, fitted, highlighted, wrap
from pixfoundation.types import Phrase

FIRST, SECOND = PHRASE_COLOURS[:2]
TEXT = "A red cat sat on a mat."
PHRASES = [Phrase("A red cat", (0, 9)), Phrase("a mat", (17, 22))]


def words_of(lines):
    return [[piece.text for piece in line] for line in lines]


def test_a_text_is_cut_at_its_phrases():
    assert highlighted(TEXT, PHRASES) == [
        Piece("A red cat", FIRST), Piece(" sat on "), Piece("a mat", SECOND), Piece("."),
    ]  # fmt: skip


def test_overlapping_phrases_share_nothing():
    both = [Phrase("A red", (0, 5)), Phrase("red cat", (2, 9))]
    assert highlighted(TEXT[:9], both) == [
        Piece("A red", FIRST), Piece(" cat", SECOND),
    ]  # fmt: skip


def test_lines_break_where_the_text_does_and_where_it_is_too_wide():
    assert words_of(wrap([Piece("one\ntwo  three")], 9, 10, most=9)) == [["one"], ["two three"]]
    assert words_of(wrap([Piece("one two")], 0.4, 10, most=9)) == [["one"], ["two"]]


def test_blanks_between_colours_keep_their_distance():
    (line,) = wrap(highlighted(TEXT, PHRASES), 9, 10, most=9)
    assert [piece.text for piece in line] == ["A red cat", "sat on", "a mat", "."]
    (alone,) = wrap([Piece("A red cat")], 9, 10, most=9)
    (longer,) = wrap([Piece("A red cat sat")], 9, 10, most=9)
    assert alone[0].x == longer[0].x == 0
    assert line[1].x > 0.5
    assert line[3].x > line[2].x > line[1].x


def test_a_word_wider_than_a_line_is_cut():
    lines = words_of(wrap([Piece("incomprehensibilities")], 0.5, 10, most=99))
    assert len(lines) > 2
    assert "".join(word for line in lines for word in line) == "incomprehensibilities"


def test_too_many_lines_end_with_an_ellipsis():
    lines = words_of(wrap([Piece("one two three four five")], 0.5, 10, most=2))
    assert len(lines) == 2
    assert lines[-1][-1].endswith("…")


def test_a_word_too_long_for_its_only_line_keeps_its_beginning():
    shown = fitted("incomprehensibilities", 0.8, 10, most=1)
    assert shown.endswith("…")
    assert "incomprehensibilities".startswith(shown[:-1])
    assert len(shown) > 4


def test_line_breaks_in_a_title_are_blanks():
    assert fitted("\na $x$\nmat ", 9, 10, most=2) == "a $x$ mat"


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="ab \n\t$_{}é猫", max_size=60))
def test_nothing_but_blanks_is_lost(text):
    lines = wrap([Piece(text)], 1.0, 10, most=999)
    drawn = "".join(piece.text for line in lines for piece in line)
    assert "".join(drawn.split()) == "".join(text.split())
