"""``almajob sets replace``: give a set the records of a file of ids, and no others."""

from __future__ import annotations

from almajob.commands.sets.set_changes import ChangeMembers


class SetsReplace(ChangeMembers):
    """Replace the members of a set by the ids in a file.

    The first thousand ids take the place of all members, the others are added. Ids that Alma does
    not know are passed over. After a crash or a lost answer the same command makes the same
    change.

    Examples:
      almajob --env sandbox sets replace 'An empty set' --ids mms-ids.txt
      almajob --env production sets replace 'An empty set' --ids mms-ids.txt --yes
    """

    op = "replace"
    doing = "replace the members by"
    question = "This replaces the members of a set"
