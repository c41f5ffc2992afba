"""What every route of the API has in common: who is asking comes first, and keys make repeats safe."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from app.console.idempotency import HEADER, Answers
from app.console.identity import SAFE, Visitor, needs, parts_of, signed_in
from app.console.parts import ConsoleParts
from app.console.scopes import Scope

Parts = Annotated[ConsoleParts, Depends(parts_of)]
Reader = Annotated[Visitor, Depends(needs(Scope.READ))]
Worker = Annotated[Visitor, Depends(needs(Scope.REVIEW))]
Lead = Annotated[Visitor, Depends(needs(Scope.LEAD))]
Submitter = Annotated[Visitor, Depends(needs(Scope.SUBMIT))]
Follower = Annotated[Visitor, Depends(needs(Scope.READ, Scope.SUBMIT))]
Admin = Annotated[Visitor, Depends(needs(Scope.ADMIN))]


class ApiRoute(APIRoute):
    """Identifies the caller before the body is looked at, and honours ``Idempotency-Key``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with both around it."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            visitor = await signed_in(request)
            if request.method in SAFE or HEADER not in request.headers:
                return await handler(request)
            answers: Answers = request.app.state.answers
            return await answers.once(visitor.key, request, handler)

        return handle
