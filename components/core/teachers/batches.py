"""Asking about many items at once, each reply entry carrying its item's id.

Models leave items out of long batches. What a reply leaves out is asked again on its own; only an item that stays
without an answer is an error, for an item that nobody answered has no verdict. Entries with unknown ids are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from components.core.errors import ReplyError
from components.core.teachers.client import Reply, Teachers
from components.core.teachers.prompts import Prompt, ReplyModel
from components.core.teachers.roles import RoleSettings


class HasId(Protocol):
    """One item's part of a reply."""

    @property
    def id(self) -> str:
        """The item's id."""


Item = TypeVar("Item")
Model = TypeVar("Model", bound=ReplyModel)
EntryType = TypeVar("EntryType", bound=HasId)


@dataclass(frozen=True)
class ItemReply(Generic[EntryType]):
    """What was replied about one item, and the reply that held it."""

    entry: EntryType
    reply: Reply[Any]


async def ask_in_batches(
    teachers: Teachers,
    role: RoleSettings,
    items: Mapping[str, Item],
    prompt: Callable[[Sequence[Item]], Prompt],
    reply_type: type[Model],
    entries: Callable[[Model], Iterable[EntryType]],
    batch_size: int,
) -> dict[str, ItemReply[EntryType]]:
    """The reply entry of every item, by its id.

    Args:
        items: what to ask about, by id.
        prompt: the request for some of the items.
        entries: the entries of a reply.
        batch_size: items per request.

    Raises:
        ReplyError: an item got no entry, or a reply stayed invalid.
    """
    said: dict[str, ItemReply[EntryType]] = {}
    for batch in _batches(list(items), batch_size):
        missing = batch
        while missing:
            asked = missing
            reply = await teachers.ask(role, prompt([items[id] for id in asked]), reply_type)
            by_id = {entry.id: entry for entry in entries(reply.value)}
            said.update({id: ItemReply(by_id[id], reply) for id in asked if id in by_id})
            missing = [id for id in asked if id not in by_id]
            if len(missing) == len(asked):
                raise ReplyError(
                    f"the {role.role} ({role.teacher}) answered none of {len(asked)} items", "Change the role's model."
                )
    return said


def _batches(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
