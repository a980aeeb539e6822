"""What has been typed so far, in each of the quotes; and what is put there, as a real bash reads it."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.completion import quoting

QUOTES = ("", "'", '"')
HOSTILE = (
    "Users EXPORT using profile SIS",
    "Weekly: load",
    "Librarian's report",
    'the "good" ones',
    "$(touch PWNED)",
    "`touch PWNED`",
    "$HOME ${HOME} $'x'",
    "a; touch PWNED",
    "a & touch PWNED | b > c < d",
    "*?[a-z]",
    "~",
    "~root/x",
    "# none",
    "Wow! !! !1 !touch",
    "back\\slash \\",
    "{a,b} {1..3}",
    "-leading",
    "--job=x",
    "=x (y)",
    "Straße überall, 日本語 «so»",
)
# What a candidate may have in it: nothing that cannot be printed.
VALUES = st.text(
    st.characters(exclude_categories=("C", "Z"), include_characters=" \u00a0\u202f\u3000"), min_size=1
)


@pytest.mark.parametrize(
    ("line", "words", "beginning", "quote"),
    [
        ("almajob ", ["almajob"], "", ""),
        ("almajob sho", ["almajob"], "sho", ""),
        ("  almajob\tshow   x", ["almajob", "show"], "x", ""),
        ("almajob show Users\\ E", ["almajob", "show"], "Users E", ""),
        ("almajob show Users\\", ["almajob", "show"], "Users", ""),
        ("almajob show '", ["almajob", "show"], "", "'"),
        ("almajob show 'Users E", ["almajob", "show"], "Users E", "'"),
        ("almajob show 'a\\", ["almajob", "show"], "a\\", "'"),
        ('almajob show "Users E', ["almajob", "show"], "Users E", '"'),
        ('almajob show "a\\$b\\`c\\"d\\\\e\\f', ["almajob", "show"], 'a$b`c"d\\e\\f', '"'),
        ('almajob show "a\\', ["almajob", "show"], "a", '"'),
        ("almajob 'a b'\"c d\"e\\ f", ["almajob"], "a bc de f", ""),
        ("almajob '' \"\" ", ["almajob", "", ""], "", ""),
        ('almajob --job="Users', ["almajob"], "--job=Users", '"'),
        ("", [], "", ""),
    ],
)
def test_a_line_is_read_as_far_as_it_goes(line: str, words: list[str], beginning: str, quote: str) -> None:
    """The words before the cursor, what the next begins with, and the quote that is open there."""
    found = quoting.read_line(line)
    assert (found.words, found.beginning, found.quote) == (words, beginning, quote)


@pytest.mark.parametrize(
    ("line", "piece", "head"),
    [
        ("almajob show Us", "Us", ""),
        ("almajob show ", "", ""),
        ("almajob history --job=Us", "Us", "--job="),
        ("almajob history --job=", "", "--job="),
        ("almajob show Weekly:\\ l", "\\ l", "Weekly:"),
        ("almajob show 'Weekly: l", "Weekly: l", ""),
        ('almajob history --job="Users E', "Users E", "--job="),
        ('almajob show "Wow"\\!"n', "n", "Wow!"),
        ("almajob show Us", "something else", "Us"),
    ],
)
def test_what_lies_before_the_piece_that_is_replaced(line: str, piece: str, head: str) -> None:
    """Bash breaks words at ``=`` and ``:``, and replaces only what is behind."""
    assert quoting.read_line(line, piece).head == head


def _written(text: str, quote: str) -> str:
    return quote + quoting.in_backslashes(text, quote)


@pytest.mark.parametrize("quote", QUOTES)
@given(value=VALUES, before=st.lists(VALUES, max_size=2), data=st.data())
def test_whatever_is_typed_is_read_back(
    quote: str, value: str, before: list[str], data: st.DataObject
) -> None:
    """A value cut anywhere, in each of the quotes: words and beginning are what was meant."""
    cut = data.draw(st.integers(0, len(value)))
    words = [f"{_written(word, quote)}{quote}" for word in before]
    found = quoting.read_line(" ".join(["almajob", *words, _written(value[:cut], quote)]))
    assert found.words == ["almajob", *before]
    assert found.beginning == value[:cut]
    assert found.quote == quote


@given(value=VALUES, data=st.data())
def test_any_cut_of_a_line_is_read(value: str, data: st.DataObject) -> None:
    """Also behind a backslash, or within what is escaped: what is typed then is how the value begins."""
    quote = data.draw(st.sampled_from(QUOTES))
    line = _written(value, quote)
    found = quoting.read_line(f"almajob show {line[: data.draw(st.integers(0, len(line)))]}")
    assert found.words == ["almajob", "show"]
    assert value.startswith(found.beginning)


def _in_bash(words: list[str]) -> list[str]:
    """Return the words that bash makes of a line that somebody types."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed here")
    # History and aliases are what a script does not have.
    lines = ["set -o history", "set -o histexpand", *(f"printf '%s\\0' {word}" for word in words), ""]
    done = subprocess.run(
        [bash, "--norc", "--noprofile"],
        input="\n".join(lines).encode(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


def test_bash_reads_what_is_put_into_a_line() -> None:
    """Whatever is in a name, it arrives as it is, in each of the quotes; its history is not looked for."""
    written = [f"{_written(text, quote)}{quote}" for text in HOSTILE for quote in QUOTES]
    assert _in_bash(written) == [text for text in HOSTILE for _quote in QUOTES]


def test_readline_closes_what_bash_is_given() -> None:
    """It puts the quote behind the only candidate, unless that ends with such a sign already."""
    texts = [*HOSTILE, *(f"{text}{sign}" for text in HOSTILE for sign in "'\"!\\"), "'", '"', "!"]
    written = []
    for text in texts:
        for quote in QUOTES:
            put = quoting.for_bash(text, quote)
            written.append(f"{quote}{put}{'' if put.endswith(quote) else quote}")
    assert _in_bash(written) == [text for text in texts for _quote in QUOTES]


def test_quotes_are_closed_as_bash_and_shlex_read_them() -> None:
    """In almajob's own shell a candidate stands in quotes; what it puts there means the same in bash."""
    # in_quotes goes on behind a quote that is typed already.
    written = [f"{quote}{quoting.in_quotes(text, quote)}" for text in HOSTILE for quote in QUOTES]
    expected = [text for text in HOSTILE for _quote in QUOTES]
    assert _in_bash(written) == expected
    assert [shlex.split(each) for each in written] == [[text] for text in expected]


@given(value=VALUES)
def test_what_is_put_into_a_line_is_one_word(value: str) -> None:
    """Also for the reader of almajob's own shell."""
    for quote in QUOTES:
        assert shlex.split(f"{quote}{quoting.in_quotes(value, quote)}") == [value]
