"""The ledger lists the sets that almajob has made, wherever it is kept, and takes them along."""

from __future__ import annotations

from pathlib import Path

from almajob.sets.made_sets import (
    DELETED,
    FILLED,
    find_record,
    keep_record,
    list_made_sets,
    new_record,
)
from almajob.store.ledger.ledger import Ledger
from almajob.store.upkeep.transfer import copy_ledger
from tests.support.places import Home

ALMA, OTHER_ALMA = "sandbox:https://one:key1", "production:https://two:key2"


def test_all_sets_of_an_alma_are_listed_the_oldest_first(home: Home) -> None:
    """Those of another Alma are not, nor are other facts; a set is there once, as it was kept last."""
    place = home.open()
    ledger = Ledger(place)
    assert list_made_sets(ledger, ALMA) == []
    young, old = new_record("a", "digest", 20.0), new_record("b", "digest", 10.0)
    for record in (young, old):
        keep_record(ledger, ALMA, record)
    keep_record(ledger, OTHER_ALMA, new_record("c", "digest", 15.0))
    ledger.keep_fact("made-sets", "something else")
    filled = keep_record(ledger, ALMA, old.replace(state=FILLED, set_id="1"))
    assert list_made_sets(ledger, ALMA) == [filled, young]
    deleted = keep_record(ledger, ALMA, filled.replace(state=DELETED))
    assert list_made_sets(ledger, ALMA) == [deleted, young]
    assert find_record(ledger, ALMA, "b") == deleted
    place.close()


def test_a_copy_of_a_ledger_lists_the_same_sets(home: Home, tmp_path: Path) -> None:
    """What is known of sets goes along to another place."""
    source, target = Home(str(tmp_path / "source")).open(), home.open()
    record = keep_record(Ledger(source), ALMA, new_record("a", "digest", 10.0))
    copy_ledger(source, target)
    assert list_made_sets(Ledger(target), ALMA) == [record]
    source.close()
    target.close()
