"""The embedded broker: librdkafka's mock cluster inside this process, so that the demo needs no Kafka.

Fine for a first look, never for a guarantee: it keeps at most 5 MiB per partition and forgets the rest,
has no admin API, and its transactions are cosmetic (docs/architecture.md, "Embedded").
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from confluent_kafka import cimpl

from app.errors import ServiceUnreachableError

_PRODUCER = 0  # rd_kafka_type_t


@contextmanager
def embedded_broker(topics: Iterable[str], *, partitions: int = 1) -> Iterator[str]:
    """Bootstrap address of a broker with these topics, for as long as the ``with`` block lasts."""
    library = _library()
    message = ctypes.create_string_buffer(512)
    settings = library.conf_new()
    library.conf_set(settings, b"log_level", b"0", message, len(message))
    client = library.new(_PRODUCER, settings, message, len(message))
    if not client:
        raise ServiceUnreachableError(f"the embedded broker did not start: {message.value.decode()}")
    try:
        cluster = library.cluster_new(client, 1)
        try:
            for topic in topics:
                library.topic_create(cluster, topic.encode(), partitions, 1)
            yield library.bootstraps(cluster).decode()
        finally:
            library.cluster_destroy(cluster)
    finally:
        library.destroy(client)


def _library() -> SimpleNamespace:
    """The functions of the librdkafka that confluent-kafka is linked with (rdkafka.h, rdkafka_mock.h)."""
    # Symbols are looked up in the extension module and in what it is linked with.
    loaded = ctypes.CDLL(cimpl.__file__)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int

    def function(name: str, result: object, *arguments: object) -> object:
        found = getattr(loaded, f"rd_kafka_{name}")
        found.restype, found.argtypes = result, list(arguments)
        return found

    try:
        return SimpleNamespace(
            conf_new=function("conf_new", pointer),
            conf_set=function("conf_set", number, pointer, text, text, text, ctypes.c_size_t),
            new=function("new", pointer, number, pointer, text, ctypes.c_size_t),
            destroy=function("destroy", None, pointer),
            cluster_new=function("mock_cluster_new", pointer, pointer, number),
            cluster_destroy=function("mock_cluster_destroy", None, pointer),
            bootstraps=function("mock_cluster_bootstraps", text, pointer),
            topic_create=function("mock_topic_create", number, pointer, text, number, number),
        )
    except AttributeError as error:
        raise ServiceUnreachableError(
            f"this build of confluent-kafka has no embedded broker: {error}",
            hint="install confluent-kafka as a wheel, or use a real broker with `hitl worker`",
        ) from error
