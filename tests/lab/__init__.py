"""The laboratory: a private RabbitMQ, real oslo.messaging services, tcpdump, and the broker's own truth.

Everything runs inside namespaces of its own (network, host name, mounts, and for the broker processes),
so nothing is left behind and nothing outside is touched. It needs root on a Linux machine with Debian's
``rabbitmq-server``, ``tcpdump``, ``tshark``, ``ethtool``, ``iproute2`` and ``util-linux``.

``python -m tests.lab pcaps`` remakes the shipped captures in ``pcaps/``.
"""
