"""Files of ids as people have them: the right ids, or an error with the line."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from almajob.errors import Refused
from almajob.sets.id_file import read_ids

ONE, TWO = "99700000000561", "99700010000561"


def _read(path: Path, column: str = "", id_type: str = "") -> list[str]:
    with read_ids(str(path), column=column, id_type=id_type) as ids:
        return [each for chunk in ids.chunks() for each in chunk]


@pytest.mark.parametrize(
    ("content", "column"),
    [
        (f"{ONE}\n{TWO}\n".encode(), ""),
        (f"{ONE}\r\n{TWO}".encode(), ""),
        (f"\ufeff{ONE}\n{TWO}\n".encode(), ""),
        (f"# ids\n\n  {ONE} \n\n{TWO}\n{ONE}\n".encode(), ""),
        (f'"{ONE}"\n="{TWO}"\n'.encode(), ""),
        (f"'{ONE}\n{TWO}\n".encode(), ""),
        (f"MMS Id,Title\n{ONE},A\n{TWO},B\n".encode(), "MMS Id"),
        (f"\ufeffTitle;MMS Id\r\nA;{ONE}\r\nB;{TWO}\r\n".encode(), "MMS Id"),
        (f'Title\tMMS Id\n"A, or B"\t"=""{ONE}"""\nB\t{TWO}\n'.encode(), "MMS Id"),
        (f'Title,MMS Id\n"A, or B",{ONE}\nno id\nB,{TWO}\n'.encode(), "MMS Id"),
    ],
)
def test_what_spreadsheets_and_editors_write(tmp_path: Path, content: bytes, column: str) -> None:
    """Each id once, in the order of the file."""
    path = tmp_path / "ids.txt"
    path.write_bytes(content)
    assert _read(path, column) == [ONE, TWO]


@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        (b"", "", "no id"),
        (b"\n# nothing\n\n", "", "no id"),
        (f"{ONE}\n".encode("utf-16"), "", "UTF-16"),
        (f"{ONE}\n".encode("utf-16-le"), "", "line 1 is not text"),
        (f"{ONE}\n{TWO[:5]}\0\n".encode(), "", "line 2 is not text"),
        (f"{ONE}\nM\xfcnchen\n".encode("latin-1"), "", "line 2 is not in UTF-8"),
        (f"{ONE}\n1.23E+17\n".encode(), "", "line 2: 1.23E+17 is a rounded number"),
        (f"{ONE}\n9,97E+13\n".encode(), "", "rounded number"),
        (f"{ONE}\n=A1+B1\n".encode(), "", "line 2"),
        (f"{ONE}\n=HYPERLINK(1)\n".encode(), "", "line 2"),
        (f"{ONE}\nB-1234\n".encode(), "", "line 2"),
        (f"{ONE},{TWO}\n".encode(), "", "line 1"),
        (f"{ONE}\n-5\n".encode(), "", "line 2"),
        ("٣٤٥\n".encode(), "", "line 1"),
        (f"Title,MMS Id\nA,{ONE}\n".encode(), "MMS-Id", "no column"),
        (f'MMS Id,Title\n{ONE},"one\ntwo"\n'.encode(), "MMS Id", "line 2"),
        (b"MMS Id,Title\n", "MMS Id", "no id"),
        (f"{ONE}\n".encode("utf-16-be"), "", "line 1 is not text"),
        (b"\xfe\xff" + f"{ONE}\n".encode("utf-16-be"), "", "UTF-16"),
        (f"{ONE}\n".encode("utf-32"), "", "UTF-16"),
        (b"PK\x03\x04\x14\x00\x06\x00workbook.xml", "", "line 1 is not text"),
        (b"\x1f\x8b\x08ids", "", "line 1 is not in UTF-8"),
        (b"\0" * 5000, "", "line 1 is not text"),
        (f"{ONE}\n\ufeff{TWO}\n".encode(), "", "line 2"),
        (f"{ONE}\n{TWO[:7]}\u200b{TWO[7:]}\n".encode(), "", "line 2: '9970001\\u200b0000561'"),
        (f"{ONE}\n\u202e{TWO}\n".encode(), "", "line 2"),
        ("\uff19\uff19\uff17\n".encode(), "", "line 1"),
        (f"{ONE}\r{TWO}\r".encode(), "", "line 1"),
        (f"{ONE}\n{TWO}\x1b[31m\n".encode(), "", "line 2"),
        (f"{ONE}\n99 700 010\n".encode(), "", "line 2"),
        (f"{ONE}\n99700010000561.0\n".encode(), "", "line 2"),
        (f"{ONE}\n0x1F\n".encode(), "", "line 2"),
        (f"{ONE}\n{'9' * 201}\n".encode(), "", "line 2"),
        (f"{ONE}\n#N/A\n".encode(), "", "line 2: #N/A is what is shown of a formula that failed"),
        (f"{ONE}\n=A1\n".encode(), "", "line 2: =A1 is a formula"),
        (f"{ONE}\n@SUM(A1)\n".encode(), "", "line 2"),
        (f"MMS Id\n{ONE}\n".encode(), "", "line 1"),
        (f"{ONE}\nB-1234\n{TWO}\n".encode(), "", "line 2: 'B-1234' is not an id of Alma's"),
        (b'[{"id": "99700000000561"}]', "", "line 1"),
        (b"<html><body>Sign in</body></html>", "", "line 1"),
        (f"MMS Id,MMS Id\n{ONE},{TWO}\n".encode(), "MMS Id", "several columns"),
        (f'MMS Id,Title\n{ONE},"never ended\n'.encode(), "MMS Id", "line 2"),
        (f"MMS Id\n#REF!\n{ONE}\n".encode(), "MMS Id", "line 2"),
        (f"MMS Id\n{ONE}\n9.97E+13\n".encode(), "MMS Id", "line 3"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes, column: str, said: str) -> None:
    """With the line, and before anything is sent."""
    path = tmp_path / "ids.txt"
    path.write_bytes(content)
    with pytest.raises(Refused) as refused:
        _read(path, column)
    assert said in str(refused.value.message)
    assert refused.value.message.endswith("; nothing was sent.")
    assert refused.value.hint


def test_a_table_whose_first_line_is_blank(tmp_path: Path) -> None:
    """What is wrong is told, and not that it has other columns."""
    path = tmp_path / "ids.csv"
    path.write_text(f"\nMMS Id,Title\n{ONE},A\n", "utf-8")
    with pytest.raises(Refused) as refused:
        _read(path, "MMS Id")
    assert refused.value.reason == "Its first line is blank."


def test_a_line_of_ten_million_characters(tmp_path: Path) -> None:
    """It is named by its number, and not kept."""
    path = tmp_path / "ids.txt"
    path.write_bytes(f"{ONE}\n".encode() + b"9" * 10_000_000)
    with pytest.raises(Refused, match="line 2 has more than"):
        _read(path)
    path.unlink()


def test_no_file_at_all(tmp_path: Path) -> None:
    """A directory, or nothing."""
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(Refused, match="cannot be read"):
            _read(path)


def test_a_pipe_with_a_name(tmp_path: Path) -> None:
    """It is read once, and its ids twice."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(f"{ONE}\n{TWO}\n{ONE}\n",))
    writer.start()
    with read_ids(str(path)) as ids:
        assert [list(ids.chunks(1)), list(ids.chunks(1, 1))] == [[(ONE,), (TWO,)], [(TWO,)]]
        assert (ids.count, ids.duplicates, ids.lines) == (2, 1, 3)
    writer.join()


def test_ids_of_another_kind_are_texts(tmp_path: Path) -> None:
    """A barcode may have letters; a rounded number is none even so."""
    path = tmp_path / "ids.txt"
    path.write_text("B-1234\n0012\n")
    assert _read(path, id_type="BARCODE") == ["B-1234", "0012"]
    path.write_text('B-1234\n""\n="007"\n')
    assert _read(path, id_type="BARCODE") == ["B-1234", "007"]
    for odd, said in (("1.23E+17", "rounded"), ("=A1+B1", "formula"), ("#N/A", "failed"), ("a\tb", "line 2")):
        path.write_text(f"B-1234\n{odd}\n")
        with pytest.raises(Refused, match=said):
            _read(path, id_type="BARCODE")
