"""DecisionRouted -> ReviewRequested: what does a person need to judge this, and in which queue?

Reads committed routes only: what the queue is told can no longer change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from app.agents.store import transient
from app.domain.context_package import build
from app.domain.events import DecisionRouted, ReviewKind, ReviewRequest, ReviewRequested
from app.domain.review import review_id_of
from app.policy.compiled import CompiledPolicy
from app.review_queue.cases import CaseFile
from app.review_queue.queue import ReviewQueue
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.headers import event_headers
from app.stream.records import DeadLetter, Incoming, Outgoing, Output
from app.stream.topics import Topic

STAGE = "review_request"
