"""What commands print: data as it is, in every encoding and width, without a cut figure."""

import os
import re
import subprocess
import sys

import pytest
from rich.table import Table

from pixfoundation.cli.printer import Printer
from pixfoundation.cli.printing import emphasised, print_json, spanned, without_control

PROGRAM = "from pixfoundation.cli import main; main()"
FIGURE = re.compile(r"\d+\.\d \[\d+\.\d, \d+\.\d\]")


def program(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        capture_output=True,
        env={**os.environ, **environment},
    )


def scores_table():
    table = Table(title="accuracy", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("protocol", no_wrap=True)
    for title in ("by question", "by pair", "once more", "and again"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_row("1 (A†)", *["68.0 [57.0, 79.0]"] * 4)
    return table


@pytest.mark.parametrize("data", ["runs [v2]", "[bold]x[/bold]", ":smile: :cat:", "[/]", "[[x]]"])
def test_data_is_no_markup_and_no_emoji(data, capsys):
    table = Table(data, box=None)
    table.add_row(data)
    for printed in (data, emphasised((data, "bold")), spanned(data, [((0, 2), "bold")])):
        Printer().print(printed)
        assert capsys.readouterr().out.rstrip("\n") == data
    Printer().print_table(table)
    assert capsys.readouterr().out.count(data) == 2
    Printer().print_prose(data)
    assert data in capsys.readouterr().out


@pytest.mark.parametrize("code", ["\x1b[2J", "\x07", "\r", "\x9b31m", "‮", "\x00"])
def test_control_characters_never_reach_the_terminal(code, capsys):
    table = Table("x", box=None)
    table.add_row(f"a{code}b")
    Printer().print(f"a{code}b")
    Printer().print(emphasised(f"a{code}b", (f"a{code}b", "red")))
    Printer().print(spanned(f"a{code}b", []))
    Printer().print_table(table)
    assert code not in capsys.readouterr().out
    assert without_control("a\tb\nc") == "a\tb\nc"


def test_a_table_in_a_pipe_has_one_line_a_row(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    Printer().print_table(scores_table())
    last = capsys.readouterr().out.splitlines()[-1]
    assert len(FIGURE.findall(last)) == 4


@pytest.mark.parametrize("columns", [20, 40, 60, 80])
def test_a_table_too_wide_for_the_terminal_is_continued_below(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    Printer().print_table(scores_table())
    printed = capsys.readouterr().out
    assert len(FIGURE.findall(printed)) == 4
    assert "…" not in printed
    lines = [line for line in printed.splitlines() if "68.0" in line]
    assert all(line.startswith("1 (A†)") for line in lines)
    assert all(len(line) <= max(columns, 26) for line in lines)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "gbk", "utf-8"])
def test_every_encoding_will_do(encoding):
    for arguments in (["--help"], ["table", "--help"], ["score", "Möbius † 猫 ‘x’"]):
        done = program(*arguments, PYTHONIOENCODING=encoding)
        assert b"Traceback" not in done.stderr
        assert b"Error" in done.stderr or done.returncode == 0


def test_signs_that_an_encoding_lacks_become_plain_ones():
    done = program("table", "--help", PYTHONIOENCODING="latin-1")
    assert b"A+, A, M+, M, S" in done.stdout


def test_a_lone_surrogate_is_printed_without_a_traceback():
    done = program("score", "\udcff")
    assert b"Traceback" not in done.stderr
    assert b"is not a run directory" in done.stderr


def test_json_is_escaped_where_the_encoding_lacks_a_sign(monkeypatch, capsys):
    print_json({"phrase": "Möbius \ud800"})
    assert capsys.readouterr().out.splitlines()[1] == r'  "phrase": "M\u00f6bius \ud800"'
    print_json({"phrase": "Möbius"})
    assert capsys.readouterr().out.splitlines()[1] == '  "phrase": "Möbius"'


def test_a_closed_pipe_is_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "models"], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


def test_no_option_is_cut_in_a_narrow_help_text():
    text = program("score", "--help", COLUMNS="60").stdout.decode()
    assert "--no-published" in text
    assert "en_core_web_lg" in text
    assert "…" not in text
    assert "    pixfoundation score runs/llava --by pattern\n" in text
