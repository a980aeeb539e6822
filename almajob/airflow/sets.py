"""``AlmaCreateSetOperator`` and ``AlmaDeleteSetOperator``: a set of ids for the tasks in between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator

from almajob.airflow.hook import AlmaHook
from almajob.airflow.outcome import fail, list_ids, word
from almajob.airflow.task_ledger import forget_when_over, make_run_key, open_task_ledger
from almajob.plugin import AlmajobError, AlmaRefused, OutcomeUnknown

if TYPE_CHECKING:
    from airflow.sdk import Context

_AGAIN = timedelta(minutes=1)
# Alma's codes for a set that is not there.
_GONE = {"60107", "402264"}


class AlmaCreateSetOperator(BaseOperator):
    """Makes a set of ids, once: another try goes on where the one before stopped.

    Its result is a mapping with ``id``, ``name``, ``count`` and ``rejected``.

    Args:
        ids: of its members.
        content: the code of what they are, such as ``BIB_MMS`` or ``ITEM``.
        name: which no other set has; by default, one that is made of DAG, run and task.
        id_type: of the ids, as Alma names it; empty for ids of Alma itself.
        description: for people who find it in Alma.
        skip_invalid: leave out ids that Alma does not know.
        is_confirmed: the change in production is agreed to.
        alma_conn_id: the id of the connection.
    """

    template_fields: Sequence[str] = ("ids", "content", "name", "description", "alma_conn_id")
    ui_color = "#e6f0f5"

    def __init__(
        self,
        *,
        ids: Sequence[str],
        content: str,
        name: str = "",
        id_type: str = "",
        description: str = "",
        skip_invalid: bool = False,
        is_confirmed: bool = False,
        alma_conn_id: str = AlmaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        forget_when_over(self)
        self.ids = ids
        self.content = content
        self.name = name
        self.id_type = id_type
        self.description = description
        self.skip_invalid = skip_invalid
        self.is_confirmed = is_confirmed
        self.alma_conn_id = alma_conn_id

    def execute(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Make the set, or the rest of it."""
        ti = context["ti"]
        key = make_run_key(context).partition(":")[2][:10]
        try:
            with AlmaHook(self.alma_conn_id).open(open_task_ledger(context)) as alma:
                made = alma.make_set(
                    self.name or f"almajob {ti.dag_id[:40]} {ti.task_id[:30]} {key}",
                    list_ids(self.ids),
                    self.content,
                    id_type=self.id_type,
                    description=self.description or f"Made by the task {ti.task_id} of the DAG {ti.dag_id}",
                    is_public=True,
                    skip_invalid=self.skip_invalid,
                    is_confirmed=self.is_confirmed,
                )
        except OutcomeUnknown as unknown:
            self.log.warning("%s", word(unknown))
            self.defer(trigger=TimeDeltaTrigger(_AGAIN), method_name="execute")
        except AlmajobError as error:
            raise fail(error) from error
        return {"id": made.id, "name": made.name, "count": made.count, "rejected": made.rejected}


class AlmaDeleteSetOperator(BaseOperator):
    """Deletes a set; that it is gone already is as good.

    Args:
        set_id: its id.
        is_confirmed: the change in production is agreed to.
        alma_conn_id: the id of the connection.
    """

    template_fields: Sequence[str] = ("set_id", "alma_conn_id")
    ui_color = "#e6f0f5"

    def __init__(
        self,
        *,
        set_id: str,
        is_confirmed: bool = False,
        alma_conn_id: str = AlmaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_id = set_id
        self.is_confirmed = is_confirmed
        self.alma_conn_id = alma_conn_id

    def execute(self, context: Context, event: Any = None) -> None:
        """Delete it."""
        try:
            with AlmaHook(self.alma_conn_id).open(open_task_ledger(context)) as alma:
                alma.alma.call(
                    *("DELETE", "/conf/sets/{set_id}", {"set_id": self.set_id}),
                    is_confirmed=self.is_confirmed,
                )
        except AlmaRefused as refused:
            if refused.code not in _GONE:
                raise fail(refused) from refused
        except OutcomeUnknown as unknown:
            # It may be there still; deleting it twice does no harm.
            self.log.warning("%s", word(unknown))
            self.defer(trigger=TimeDeltaTrigger(_AGAIN), method_name="execute")
        except AlmajobError as error:
            raise fail(error) from error
