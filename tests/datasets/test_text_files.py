"""Text files of data sets: lines, rows with broken ones in between, files that can't be read."""

import os

import pytest

from tinyvlm.datasets.text_files import check_file, lines, table
from tinyvlm.errors import InputError


@pytest.fixture
def write(tmp_path):
    def make(content):
        path = tmp_path / "file.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def test_lines(write):
    path = write("\ufeffone\r\ntwo\u2028still two\nthree")
    assert list(lines(path)) == ["one\r\n", "two\u2028still two\n", "three"]


@pytest.mark.parametrize("content", ["a\tb\n".encode("utf-16"), b"ok\n" * 5000 + b"caf\xe9\n"])
def test_lines_that_are_not_utf8(write, content):
    with pytest.raises(InputError, match=r"file\.txt' is not UTF-8 text; save it as UTF-8"):
        list(lines(write(content)))


def rows(path, delimiter=","):
    """Broken rows as the last words of their message."""
    return [
        (where, str(row).rpartition("; ")[2] if isinstance(row, InputError) else row)
        for where, row in table(path, delimiter)
    ]


def test_table(write):
    path = write('a,b\r\n"x, y","two\nlines"\n,\n\n" "\n1,2,3\n')
    assert rows(path) == [
        ("line 1", ["a", "b"]),
        ("line 3", ["x, y", "two\nlines"]),
        ("line 7", ["1", "2", "3"]),
    ]


def test_a_table_with_tabs_has_no_quotes(write):
    path = write('a "b\tc\nit\'s 5" long\td\n')
    assert rows(path, "\t") == [("line 1", ['a "b', "c"]), ("line 2", ["it's 5\" long", "d"])]


def test_a_broken_row_does_not_end_the_table(write):
    path = write('a,b\n"x"y,1\nc,d\n"never closed,1\n')
    assert rows(path) == [
        ("line 1", ["a", "b"]),
        ("line 2", "check the quotes"),
        ("line 3", ["c", "d"]),
        ("line 4", "check the quotes"),
    ]


def test_a_quote_that_swallows_rows_ends_somewhere(write):
    path = write('a,"b\n' + "row,1\n" * 50_000)
    found = rows(path)
    assert found[0][1] == "check the quotes"
    assert len(found) > 20_000
    assert found[-1] == ("line 50001", ["row", "1"])


def test_check_file(write, tmp_path):
    assert check_file(str(write("x"))) == tmp_path / "file.txt"
    for path, message in [
        (tmp_path / "nothing", "does not exist"),
        (tmp_path / "file.txt" / "x", "does not exist"),
        (tmp_path, "is a folder"),
        (write(""), r"is empty \(0 bytes\)"),
        ("a\0b", "can't be read"),
        ("x" * 5000, "can't be read"),
    ]:
        with pytest.raises(InputError, match=message) as error:
            check_file(path)
        assert str(error.value).isprintable()


def test_a_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        check_file(tmp_path / "pipe")
