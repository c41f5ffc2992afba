"""A collector of traces: takes OTLP over HTTP, and keeps the spans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Found = dict[str, object]


class Collector:
    """``spans`` as they come: plain values, with the service's name and the attributes among them."""

    def __init__(self, url: str) -> None:
        self.spans: list[Found] = []
        self.env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        {
                            "service": about["service.name"],
                            "name": span.name,
                            "trace": span.trace_id.hex(),
                            "span": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "seconds": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                            **{pair.key: pair.value.string_value for pair in span.attributes},
                        }
                    )

    def of(self, decision_id: str) -> dict[object, Found]:
        """The spans of a decision, by name; each name must stand once."""
        found = [span for span in self.spans if span["hitl.decision.id"] == decision_id]
        assert len({span["name"] for span in found}) == len(found), found
        return {span["name"]: span for span in found}


@contextmanager
def collector() -> Iterator[Collector]:
    """Listens until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
