"""The embedded broker: librdkafka's mock cluster inside this process, so that a first look needs no Kafka.

It speaks Kafka's protocol on a loopback port, for this process and any other. It proves no guarantee:
it keeps at most 5 MiB per partition and forgets the rest, has no admin API, keeps no offsets that were
sent in a transaction and shows aborted records. Sources that read it (``Connection.embedded``) commit
plainly as well and say when records were lost; whoever feeds it uses ``producer.LagThrottle``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from types import SimpleNamespace

from confluent_kafka import cimpl

from app.errors import ServiceUnreachableError

_PRODUCER = 0  # rd_kafka_type_t: the mock cluster lives inside a client of any kind
_NO_ERROR = 0


class EmbeddedBroker:
    """A context manager; inside, ``bootstrap_servers`` is the broker's address.

    ``topics`` are full names, each with ``partitions`` partitions, or a mapping name -> partitions.
    Raises ``ServiceUnreachableError`` where confluent-kafka was built without the mock cluster.
    """

    def __init__(self, topics: Iterable[str] | Mapping[str, int], *, partitions: int = 4) -> None:
        self._topics = dict(topics) if isinstance(topics, Mapping) else dict.fromkeys(topics, partitions)
        self._library = _library()
        self._client: int | None = None
        self._cluster: int | None = None
        self.bootstrap_servers = ""

    def __enter__(self) -> EmbeddedBroker:
        library = self._library
        message = ctypes.create_string_buffer(512)
        settings = library.conf_new()
        library.conf_set(settings, b"log_level", b"0", message, len(message))
        self._client = library.new(_PRODUCER, settings, message, len(message))
        if not self._client:
            raise ServiceUnreachableError(f"the embedded broker did not start: {message.value.decode()}")
        self._cluster = library.cluster_new(self._client, 1)
        for name, partitions in self._topics.items():
            if library.topic_create(self._cluster, name.encode(), partitions, 1) != _NO_ERROR:
                self.__exit__()
                raise ServiceUnreachableError(f"the embedded broker can not hold topic {name}")
        self.bootstrap_servers = library.bootstraps(self._cluster).decode()
        return self

    def __exit__(self, *_error: object) -> None:
        cluster, self._cluster = self._cluster, None
        client, self._client = self._client, None
        if cluster is not None:
            self._library.cluster_destroy(cluster)
        if client is not None:
            self._library.destroy(client)


def _library() -> SimpleNamespace:
    """The functions of the librdkafka that confluent-kafka is linked with (rdkafka.h, rdkafka_mock.h)."""
    loaded = ctypes.CDLL(cimpl.__file__)  # symbols are looked up in what the extension is linked with, too
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
