"""Everything the store holds about a person's decisions goes at once."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.events import ReviewKind
from app.domain.review import Review, locate, review_id_of
from app.review_queue import keys as names
from app.review_queue.errors import UnknownReview
from app.review_queue.gold import GoldStore
from app.review_queue.keys import Keys
from app.review_queue.queue import ReviewQueue
from app.review_queue.state import people_of
from app.review_queue.store import Client, reachable


def reviews_of(queue: ReviewQueue, decisions: Sequence[str]) -> list[Review]:
    """Every review of these decisions that the store knows."""
    found = []
    for decision_id in decisions:
        for pool in queue.pools:
            for kind in ReviewKind:
                try:
                    found.append(queue.get(review_id_of(pool, decision_id, kind)).review)
                except UnknownReview:
                    continue
    return found


def on_their_way(client: Client, keys: Keys, pools: Sequence[str], decisions: Sequence[str]) -> bool:
    """Whether a step in one of these decisions was not published yet, or was put aside, also where its
    review is forgotten. O(entries in the outboxes)."""
    wanted = {decision_id.encode() for decision_id in decisions}
    with reachable:
        return any(
            fields.get(b"decision") in wanted
            for pool in pools
            for stream in (names.OUTBOX, names.BROKEN)
            for _, fields in client.execute_command("XRANGE", keys.pool(pool, stream), "-", "+")
        )


def forget(
    client: Client,
    keys: Keys,
    reviews: Sequence[Review],
    subject: str,
    decisions: Sequence[str],
    besides: Sequence[str] = (),
) -> int:
    """Delete reviews that are over with their requests and answers, briefs, fates, the subject's history,
    and the keys ``besides``; returns how many there were. May be repeated. What is left is ids in sets,
    which go with the rest of the memory."""
    gone = [keys.cases(names.SUBJECT, subject), *besides]
    gone += [keys.cases(kind, decision_id) for decision_id in decisions for kind in (names.CASE, names.FATE)]
    for review in reviews:
        pool, uuid = locate(review.review_id)
        gone += [keys.pool(pool, kind, uuid) for kind in (names.REVIEW, names.REQUEST, names.ANSWER)]
        gone.append(keys.pool(pool, names.PEOPLE, people_of(review)))
    pipe = client.pipeline(transaction=False)
    for name in gone:
        pipe.execute_command("UNLINK", name)
    with reachable:
        return sum(int(count) for count in pipe.execute())


def forget_gold(store: GoldStore, types: Sequence[str], decisions: Sequence[str]) -> int:
    """Take items with known truth that are these decisions out of their rings; how many."""
    wanted = frozenset(decisions)
    return sum(
        store.drop(decision_type, item.item_id)
        for decision_type in types
        for item in list(store.items(decision_type))
        if item.item_id in wanted
    )
