"""Probes and numbers for machines that look after the console. Open: nothing here is about anybody."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.console.identity import parts_of
from app.console.parts import ConsoleParts
from app.errors import HitlError
from app.review_queue.store import reachable

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process serves."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    """Store and broker answer, and what is activated is heard: the console can do its work."""
    parts = parts_of(request)
    checks = {"store": _answers(parts), "broker": parts.broker_answers()}
    words = {name: "ok" if well else "no answer" for name, well in checks.items()}
    topic = parts.unheard()
    words["authority"] = f"{topic} can not be read: people change nothing (hitl doctor)" if topic else "ok"
    ready = all(said == "ok" for said in words.values())
    return JSONResponse({"status": "ok" if ready else "not ready", **words}, 200 if ready else 503)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Counters and latencies, for Prometheus."""
    return Response(request.app.state.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _answers(parts: ConsoleParts) -> bool:
    try:
        with reachable:
            parts.client.execute_command("PING")
    except HitlError:
        return False
    return True
