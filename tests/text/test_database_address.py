"""The address of a database: read, shown without a secret, and never without TLS off this machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.text.database_address import BadAddress, DatabaseAddress, parse_database_address

FAR = "db.example.edu"


@pytest.mark.parametrize(
    ("text", "hosts", "database", "user"),
    [
        (f"postgresql://almajob@{FAR}/ledger", ((FAR, "5432"),), "ledger", "almajob"),
        (f"postgres://{FAR}:6432/ledger", ((FAR, "6432"),), "ledger", ""),
        ("postgresql:///ledger", (("/var/run/postgresql", "5432"),), "ledger", ""),
        ("postgresql://%2Ftmp%2Fpg:5433/led%20ger", (("/tmp/pg", "5433"),), "led ger", ""),
        ("postgresql://a%40b@[::1]:5433/x", (("::1", "5433"),), "x", "a@b"),
        ("postgresql://a,b:1,c/x", (("a", "5432"), ("b", "1"), ("c", "5432")), "x", ""),
        (f"  postgresql://{FAR}/x  ", ((FAR, "5432"),), "x", ""),
    ],
)
def test_an_address_is_read(text: str, hosts: tuple[tuple[str, str], ...], database: str, user: str) -> None:
    address = parse_database_address(text)
    assert (address.hosts, address.database, address.user) == (hosts, database, user)
    # What is shown is an address again, and the same.
    assert parse_database_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "directory/", "postgresql:", "postgresql://", "postgresql://h", "postgresql://h/"),
        *("mysql://h/x", "http://h/x", "postgresql://h/x/y", "postgresql://h:0/x", "postgresql://h:x/x"),
        *("postgresql://h:99999/x", "postgresql://@h/x", "postgresql://h/x#y", "postgresql://h/x?y", "/tmp"),
        *("postgresql://h/x?sslmode=", "postgresql://h/x?sslmode=sometimes", "postgresql://h/x?options=-c"),
        *("postgresql://h/x?host=other", "postgresql://h/x?hostaddr=1.2.3.4", "postgresql://h/x?service=y"),
        "postgresql://h/x?sslmode=require&sslmode=require",
        *("postgresql://h%2Cg/x", "postgresql://h/x%00", "postgresql://h/x?sslrootcert=%00"),
    ],
)
def test_what_is_no_address_is_refused_and_not_quoted(text: str) -> None:
    """It may be anything that was pasted; the next step is said."""
    with pytest.raises(BadAddress) as caught:
        parse_database_address(text)
    assert caught.value.hint
    assert not text or text not in str(caught.value)
    assert caught.value.password == ""


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("postgresql://user:hunter2@h/x", "hunter2"),
        ("postgresql://user:hunt%20er2@h/x", "hunt er2"),
        ("postgresql://user:@h/x", ""),
        ("postgresql://h/x?password=hunter2", "hunter2"),
        ("postgresql://user:a@b@h/x", "a@b"),
        ("postgresql://user:hunter2@h", "hunter2"),
    ],
)
def test_a_password_in_it_is_refused_and_not_quoted(text: str, password: str) -> None:
    """With where else it may be; whoever reads this can hide it from now on."""
    with pytest.raises(BadAddress, match="has a password in it") as caught:
        parse_database_address(text)
    assert caught.value.password == password
    assert "ledger_password_file" in caught.value.hint
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
@pytest.mark.parametrize(
    "hosts", [FAR, "10.0.0.1", "localhost.example.edu", f"localhost,{FAR}", "[2001:db8::1]"]
)
def test_off_this_machine_nothing_is_sent_without_tls(hosts: str, mode: str) -> None:
    """Whatever the address says, or does not."""
    with pytest.raises(BadAddress, match="without TLS"):
        parse_database_address(f"postgresql://{hosts}/x?sslmode={mode}")
    found = parse_database_address(f"postgresql://{hosts}/x").parameters
    assert found["sslmode"] == "verify-full"
    # With Kerberos there would be another encryption, of whoever answers.
    assert found["gssencmode"] == "disable"
    weaker = parse_database_address(f"postgresql://{hosts}/x?sslmode=require").parameters
    assert weaker["sslmode"] == "require"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "", "%2Fvar%2Frun", "%40abstract"])
def test_on_this_machine_it_need_not_be(host: str) -> None:
    assert parse_database_address(f"postgresql://{host}/x").parameters["sslmode"] == "allow"
    assert parse_database_address(f"postgresql://{host}/x?sslmode=disable").is_local


def test_no_variable_leads_elsewhere() -> None:
    """libpq takes from PGHOSTADDR, PGSERVICE and the like only what is not said."""
    found = parse_database_address(f"postgresql://{FAR}/x?sslrootcert=/a%20b").parameters
    assert found["hostaddr"] == ""
    assert found.keys() >= {"host", "port", "dbname", "sslmode", "gssencmode", "target_session_attrs"}
    assert found["sslrootcert"] == "/a b"
    assert "user" not in found


def test_of_several_hosts_the_one_is_meant_that_can_be_written_to() -> None:
    """The standby is none, before it has taken over."""
    several = parse_database_address(f"postgresql://a.{FAR},b.{FAR}/x").parameters
    assert several["target_session_attrs"] == "read-write"
    assert several["host"] == f"a.{FAR},b.{FAR}"
    assert several["port"] == "5432,5432"


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    """Never anything else, and never without the rest of the rules."""
    for each in (text, f"postgresql://{text}", f"postgresql://{FAR}/{text}"):
        try:
            found = parse_database_address(each)
        except BadAddress:
            continue
        assert isinstance(found, DatabaseAddress)
        assert found.is_local or found.parameters["sslmode"] in ("require", "verify-ca", "verify-full")
        assert parse_database_address(str(found))._replace(options=()) == found._replace(options=())
