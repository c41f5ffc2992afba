"""The JSON API under ``/v1``: one router for each kind of thing. No rule of authority is here."""

from __future__ import annotations

from fastapi import APIRouter

routers: list[APIRouter] = []
