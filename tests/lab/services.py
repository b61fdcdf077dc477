"""One OpenStack-like service: a process with real oslo.messaging servers, listeners and clients.

Run as a program it takes its description (JSON) as its only argument, says ``{"ready": true}`` when it
listens, then takes one operation a line on standard input and answers each with one line: ``{"result": …}``
or ``{"error": "<exception class>"}``. It stops in order when standard input ends.

Description: ``program`` (what oslo.messaging puts in the connection's name), ``host``, ``url``,
``exchange``, ``servers`` (``[topic, endpoints…]`` lists), ``listen`` (notification topics) and ``conf``
(options of ``oslo_messaging_rabbit``). With ``tls`` (``version``, ``keylog``, ``hook``) connections are made with that
version of TLS, and their keys logged by the hook, a Python file.
"""

import collections
import collections.abc
import contextlib
import importlib
import json
import logging
import os
import runpy
import ssl
import sys
import threading
import time
import warnings
from typing import Any

warnings.simplefilter("ignore")
# Releases before 12 look for it here, where Python 3.10 and later have it no more.
collections.Mapping = collections.abc.Mapping  # type: ignore[attr-defined]

import endpoints as endpoint_classes  # noqa: E402
import oslo_messaging  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_messaging._drivers import amqpdriver, impl_rabbit  # noqa: E402
from oslo_messaging._drivers.amqp import amqp_opts  # noqa: E402

# Releases that have it need its options in cfg.CONF.
with contextlib.suppress(ImportError):
    importlib.import_module("oslo_messaging._tracing.client")

# How often the driver looks whether it shall stop: 5 s would make every scenario wait at its end.
amqpdriver.ACK_REQUEUE_EVERY_SECONDS_MAX = 0.1


class NotificationEndpoint:
    """Takes notifications; the first of an event type that ends in ``.retry`` is put back once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def _take(self, ctxt, publisher_id, event_type, payload, metadata):
        if event_type.endswith(".retry") and event_type not in self._seen:
            self._seen.add(event_type)
            return oslo_messaging.NotificationResult.REQUEUE
        return oslo_messaging.NotificationResult.HANDLED

    info = warn = error = debug = audit = critical = sample = _take


class Service:
    """The transports, servers and clients of one process."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.name = description["program"]
        self.host = description["host"]
        self.exchange = description["exchange"]
        conf = cfg.CONF
        conf([], project=self.name)
        conf.register_opts(impl_rabbit.rabbit_opts, group="oslo_messaging_rabbit")
        conf.register_opts(amqp_opts, group="oslo_messaging_rabbit")
        for name, value in description.get("conf", {}).items():
            conf.set_override(name, value, group="oslo_messaging_rabbit")
        oslo_messaging.set_transport_defaults(self.exchange)
        self.transport = oslo_messaging.get_rpc_transport(conf, url=description["url"])
        self.notifications = oslo_messaging.get_notification_transport(conf, url=description["url"])
        self._running: list[Any] = []
        for topic, *names in description.get("servers", ()):
            target = oslo_messaging.Target(exchange=self.exchange, topic=topic, server=self.host)
            endpoints = [getattr(endpoint_classes, name)(self) for name in names]
            self._start(oslo_messaging.get_rpc_server(self.transport, target, endpoints, executor="threading"))
        if topics := description.get("listen"):
            self._start(
                oslo_messaging.get_notification_listener(
                    self.notifications,
                    [oslo_messaging.Target(exchange=self.exchange, topic=topic) for topic in topics],
                    [NotificationEndpoint()],
                    executor="threading",
                    allow_requeue=True,
                )
            )

    def _start(self, server: Any) -> None:
        server.start()
        self._running.append(server)

    def _client(self, operation: dict[str, Any]) -> Any:
        target = oslo_messaging.Target(
            exchange=operation.get("exchange", self.exchange),
            topic=operation["topic"],
            version=operation.get("version", "1.0"),
            namespace=operation.get("namespace"),
            server=operation.get("server"),
            fanout=operation.get("fanout"),
        )
        options: dict[str, Any] = {"timeout": operation.get("timeout", 20)}
        if "monitor" in operation:
            options["call_monitor_timeout"] = operation["monitor"]
        if operation.get("at_least_once"):
            options["transport_options"] = oslo_messaging.TransportOptions(at_least_once=True)
        # Releases before 14 have the class alone.
        make = getattr(oslo_messaging, "get_rpc_client", oslo_messaging.RPCClient)
        return make(self.transport, target, **options)

    def call(self, **operation: Any) -> Any:
        """An RPC that waits for its reply."""
        return self._client(operation).call(operation["context"], operation["method"], **operation.get("args", {}))

    def cast(self, **operation: Any) -> None:
        """An RPC without a reply; with ``fanout`` to all servers of the topic."""
        self._client(operation).cast(operation["context"], operation["method"], **operation.get("args", {}))

    def calls(self, *, each: list[dict[str, Any]], **_: Any) -> None:
        """Several calls at once, one thread each: their replies come in any order."""
        threads = [threading.Thread(target=self.call, kwargs=operation) for operation in each]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def timed(self, *, each: list[dict[str, Any]], at_once: bool = False, **_: Any) -> list[dict[str, Any]]:
        """Calls one after the other, or each in a thread: how long each took by the own clock, and its error."""
        told: list[dict[str, Any]] = []

        def one(operation: dict[str, Any]) -> None:
            error = None
            begin = time.monotonic()
            try:
                self.call(**operation)
            except Exception as problem:
                error = type(problem).__name__
            latency_s = time.monotonic() - begin
            told.append({"request_id": operation["context"]["request_id"], "latency_s": latency_s, "error": error})

        if at_once:
            threads = [threading.Thread(target=one, args=(operation,)) for operation in each]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            for operation in each:
                one(operation)
        return told

    def notify(self, **operation: Any) -> None:
        """A notification with driver ``messaging`` (v1) or ``messagingv2``."""
        notifier = oslo_messaging.Notifier(
            self.notifications,
            publisher_id=operation.get("publisher_id", f"{self.name}:{self.host}"),
            driver=operation.get("driver", "messagingv2"),
            topics=operation.get("topics", ["notifications"]),
        )
        send = getattr(notifier, operation.get("priority", "info"))
        send(operation["context"], operation["event_type"], operation["payload"])

    def sleep(self, *, seconds: float, **_: Any) -> None:
        """Stay connected and do nothing, so that what is late still arrives."""
        time.sleep(seconds)

    def do(self, operation: dict[str, Any]) -> dict[str, Any]:
        """One operation and what came of it."""
        try:
            return {"result": getattr(self, operation.pop("do"))(**operation)}
        except Exception as error:
            return {"error": type(error).__name__}

    def stop(self) -> None:
        """Stop listening, then close all connections in order."""
        for server in self._running:
            server.stop()
        for server in self._running:
            server.wait()
        for transport in (self.transport, self.notifications):
            # Release 5's connection pool raises StopIteration in a generator, which Python 3.7 made an error.
            with contextlib.suppress(RuntimeError):
                transport.cleanup()


def log_keys(version: str, keylog: str, hook: str) -> None:
    """Use one version of TLS for all connections, and have their keys logged."""
    os.environ["SSLKEYLOGFILE"] = keylog
    runpy.run_path(hook)
    wrap_socket = ssl.SSLContext.wrap_socket

    def wrap(self: ssl.SSLContext, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        self.minimum_version = self.maximum_version = ssl.TLSVersion[version]
        return wrap_socket(self, *arguments, **options)

    ssl.SSLContext.wrap_socket = wrap  # type: ignore[method-assign]


def main() -> None:
    """Serve until standard input ends."""
    description = json.loads(sys.argv[1])
    sys.argv[0] = description["program"]
    logging.basicConfig(level=logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if tls := description.get("tls"):
        log_keys(**tls)
    service = Service(description)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(service.do(json.loads(line))), file=answers, flush=True)
    service.stop()


if __name__ == "__main__":
    main()
