"""``almajob sets remove``: take the records of a file of ids out of a set."""

from __future__ import annotations

from almajob.commands.sets.set_changes import ChangeMembers


class SetsRemove(ChangeMembers):
    """Take the ids in a file out of a set; the records stay.

    Ids that are not in the set are passed over. After a crash or a lost answer the same command
    makes the same change.

    Examples:
      almajob --env sandbox sets remove 'An empty set' --ids mms-ids.txt
      almajob --env production sets remove 'An empty set' --ids mms-ids.txt --yes
    """

    op = "remove"
    doing = "take out"
    question = "This takes members out of a set"
    lists_rejected = False
