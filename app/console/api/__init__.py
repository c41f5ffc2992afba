"""The JSON API under ``/v1``: one router for each kind of thing. No rule of authority is here."""

from __future__ import annotations

from app.console.api import decisions, events, people, queues, reviews, rules, submissions

routers = [
    queues.router,
    reviews.router,
    submissions.router,
    decisions.router,
    people.router,
    rules.router,
    events.router,
]
