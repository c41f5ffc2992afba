"""The pages: one router for each part of the console, in the order in which they are mounted."""

from __future__ import annotations

from fastapi import APIRouter

routers: list[APIRouter] = []
