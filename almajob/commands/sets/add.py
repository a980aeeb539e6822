"""``almajob sets add``: add the records of a file of ids to a set."""

from __future__ import annotations

from almajob.commands.sets.set_changes import ChangeMembers


class SetsAdd(ChangeMembers):
    """Add the ids in a file to a set.

    Ids that are in the set already, or that Alma does not know, are passed over. After a crash or
    a lost answer the same command makes the same change: nothing is in a set twice.

    Examples:
      almajob --env sandbox sets add 'An empty set' --ids mms-ids.txt
      almajob --env production sets add 'An empty set' --ids mms-ids.txt --yes
    """

    op = "add"
    doing = "add"
    question = "This adds members to a set"
