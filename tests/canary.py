"""A capture with a canary, a string that is nowhere else, in every place where a secret can stand."""

import base64
import json
import re
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import pika.frame
from pika import BasicProperties, spec

from .capture.build import pcap
from .net.packets import FIN, SYN, segment

SECOND = 10**9
_BEGIN_NS = 1_700_000_000 * SECOND
_CANARY = re.compile(rb"Kan(\d{3})|73001(\d{3})09")
_TAIL = b"zQv7RxB"
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{12,}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
_NULS = re.compile(rb"\x00|\\+u0000|\\+x00|\\+0")


class Canaries:
    """Makes canaries and knows where each of them was put; finds them in output, however it is encoded."""

    def __init__(self) -> None:
        self.places: list[str] = []

    def __call__(self, place: str) -> str:
        self.places.append(place)
        return f"Kan{len(self.places) - 1:03d}{_TAIL.decode()}"

    def number(self, place: str) -> int:
        self.places.append(place)
        return int(f"73001{len(self.places) - 1:03d}09")

    def found(self, data: bytes) -> set[str]:
        """The places whose canaries are in some bytes: as they are, in base64, in hexadecimal, with NULs between."""
        texts = [data, _NULS.sub(b"", data)]
        for run in _BASE64.findall(data):
            for skip in range(4):
                piece = run[skip:]
                texts.append(base64.b64decode(piece[: len(piece) // 4 * 4]))
        texts += [bytes.fromhex(run.decode()) for run in _HEX.findall(data)]
        texts += [_inflated(text) for text in texts]
        places = {self.places[int(one or other)] for text in texts for one, other in _CANARY.findall(text)}
        return places or {"the tail of one" for text in texts if _TAIL in text}


def _inflated(text: bytes) -> bytes:
    try:
        return zlib.decompress(text)
    except zlib.error:
        return b""


class Talk:
    """One connection: what either side says is a packet each."""

    def __init__(self, packets: list[tuple[int, bytes]], port: int) -> None:
        self._packets = packets
        self._ends = {"client": ("10.9.0.2", port), "broker": ("10.9.0.1", 5672)}
        self._at = {True: 1, False: 1}
        self._put(True, b"", flags=SYN, at=0)
        self._put(False, b"", flags=SYN | 16, at=0)

    def client(self, *octets: bytes) -> None:
        self._put(True, b"".join(octets))

    def broker(self, *octets: bytes) -> None:
        self._put(False, b"".join(octets))

    def close(self) -> None:
        self._put(True, b"", flags=FIN | 16)
        self._put(False, b"", flags=FIN | 16)

    def _put(self, from_client: bool, data: bytes, *, flags: int = 24, at: int | None = None) -> None:
        at = self._at[from_client] if at is None else at
        packet = segment(from_client, at, data, ack=self._at[not from_client], flags=flags, **self._ends)
        self._packets.append((_BEGIN_NS + len(self._packets) * SECOND // 1000, packet))
        self._at[from_client] += len(data) if data else bool(flags & FIN)


def method(channel: int, fields: Any) -> bytes:
    return pika.frame.Method(channel, fields).marshal()


def content(fields: Any, octets: bytes, properties: BasicProperties | None = None) -> bytes:
    head = pika.frame.Header(1, len(octets), properties or BasicProperties()).marshal()
    bodies = [pika.frame.Body(1, octets[at : at + 100_000]).marshal() for at in range(0, len(octets), 100_000)]
    return method(1, fields) + head + b"".join(bodies)


def start_ok(properties: dict[str, Any], mechanism: str, response: bytes) -> bytes:
    """connection.start-ok; pika encodes only responses that are text."""
    whole = method(0, spec.Connection.StartOk(client_properties=properties, mechanism=mechanism, response=""))
    payload = whole[7:-1]
    locale = payload[-len("en_US") - 1 :]
    payload = payload[: -len(locale) - 4] + struct.pack(">I", len(response)) + response + locale
    return whole[:3] + struct.pack(">I", len(payload)) + payload + b"\xce"


def opened(
    packets: list[tuple[int, bytes]],
    port: int,
    *,
    mechanism: str = "PLAIN",
    response: bytes = b"\0nova\0x",
    client: dict[str, Any] | None = None,
    server: dict[str, Any] | None = None,
    secure: list[tuple[bytes, bytes]] = (),  # type: ignore[assignment]
    vhost: str = "/",
) -> Talk:
    """Open a connection and its channel 1."""
    talk = Talk(packets, port)
    talk.client(b"AMQP\0\0\x09\x01")
    talk.broker(method(0, spec.Connection.Start(0, 9, server or {"cluster_name": "rabbit@one"}, mechanism, "en_US")))
    client = {"connection_name": f"nova-compute:{port}:uuid"} if client is None else client
    talk.client(start_ok(client, mechanism, response))
    for challenge, answer in secure:
        talk.broker(_longstr_method(0, (10, 20), challenge))
        talk.client(_longstr_method(0, (10, 21), answer))
    talk.broker(method(0, spec.Connection.Tune(2047, 131072, 60)))
    talk.client(method(0, spec.Connection.TuneOk(2047, 131072, 60)))
    talk.client(method(0, spec.Connection.Open(virtual_host=vhost)))
    talk.broker(method(0, spec.Connection.OpenOk()))
    talk.client(method(1, spec.Channel.Open()))
    talk.broker(method(1, spec.Channel.OpenOk()))
    return talk


def _longstr_method(channel: int, ids: tuple[int, int], *values: bytes, after: bytes = b"") -> bytes:
    payload = struct.pack(">HH", *ids) + b"".join(struct.pack(">I", len(one)) + one for one in values) + after
    return struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce"


def amqplain(user: str, password: str) -> bytes:
    pairs = (("LOGIN", user), ("PASSWORD", password))
    return b"".join(
        bytes([len(name)]) + name.encode() + b"S" + struct.pack(">I", len(value)) + value.encode()
        for name, value in pairs
    )


def enveloped(message: dict[str, Any]) -> bytes:
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode()


class Bus:
    """Publishes and delivers bodies on one connection."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self._delivered = 0
        talk.client(method(1, spec.Queue.Declare(queue="q", arguments={"x-expires": 5})))
        talk.broker(method(1, spec.Queue.DeclareOk("q", 0, 0)))
        talk.client(method(1, spec.Basic.Consume(queue="q", consumer_tag="t")))
        talk.broker(method(1, spec.Basic.ConsumeOk("t")))

    def send(
        self, octets: bytes, properties: BasicProperties | None = None, *, exchange: str = "nova", key: str = "compute"
    ) -> None:
        self._delivered += 1
        self.talk.client(content(spec.Basic.Publish(exchange=exchange, routing_key=key), octets, properties))
        deliver = spec.Basic.Deliver(consumer_tag="t", delivery_tag=self._delivered, exchange=exchange, routing_key=key)
        self.talk.broker(content(deliver, octets, properties))


# --- where secrets stand --------------------------------------------------------------------------------------------

SPELLINGS = (
    "password", "adminPass", "Admin-Password", "AUTH_TOKEN", "authToken", "privateKey", "Private-Key", "user_data",
    "userData", "original_password", "X-Auth-Token", "db_pass", "bindPass", "ｐａｓｓｗｏｒｄ", "hmac-key",
)  # fmt: skip


def authentication(packets: list[tuple[int, bytes]], put: Canaries) -> None:
    """Everything that authenticates a connection. None of it is ever shown."""
    plain = {
        "PLAIN": f"\0nova\0{put('sasl PLAIN')}".encode(),
        "AMQPLAIN": amqplain("nova", put("sasl AMQPLAIN")),
        "EXTERNAL": put("sasl EXTERNAL").encode(),
        "SCRAM-SHA-256": f"n,,n=nova,r={put('sasl unknown mechanism')}".encode(),
        "OAUTHBEARER": f"n,,\1auth=Bearer {put('sasl OAUTHBEARER')}\1\1".encode(),
    }
    for number, (mechanism, response) in enumerate(plain.items()):
        opened(packets, 41_000 + number, mechanism=mechanism, response=response).close()
    secure = [(put("sasl challenge").encode(), f"My password is {put('sasl secure-ok')}".encode())]
    talk = opened(packets, 41_100, mechanism="RABBIT-CR-DEMO", response=b"nova", secure=secure)
    talk.client(_longstr_method(0, (10, 70), put("sasl update-secret").encode(), after=b"\x03new"))
    talk.broker(struct.pack(">BHI", 1, 0, 4) + struct.pack(">HH", 10, 71) + b"\xce")
    talk.close()
    broken = start_ok({}, "PLAIN", f"\0nova\0{put('sasl in a broken start-ok')}".encode())
    talk = Talk(packets, 41_200)
    talk.client(b"AMQP\0\0\x09\x01", broken[:11] + b"\xff\xff" + broken[13:])


def tables(packets: list[tuple[int, bytes]], put: Canaries) -> Bus:
    """Field tables: the peers' properties, arguments, headers; texts of closes and returns."""
    client = {
        "connection_name": "nova-api:7:uuid",
        "password": put("client properties"),
        "nested": {"deep": {"auth_token": put("client properties, nested")}},
        "list": [{"secret": put("client properties, list")}],
        "note": f"token={put('client properties, text')}",
    }
    server = {"cluster_name": "rabbit@one", "cookie": put("server properties")}
    talk = opened(packets, 42_000, client=client, server=server)
    bus = Bus(talk)
    arguments = {"x-password": put("declare arguments"), "x-url": f"amqp://u:{put('declare arguments, url')}@h/"}
    talk.client(method(1, spec.Queue.Declare(queue="args", arguments=arguments)))
    talk.broker(method(1, spec.Queue.DeclareOk("args", 0, 0)))
    talk.client(method(1, spec.Exchange.Declare(exchange="x", arguments={"token": put("exchange arguments")})))
    talk.broker(method(1, spec.Exchange.DeclareOk()))
    talk.client(
        method(
            1, spec.Queue.Bind(queue="q", exchange="x", routing_key="k", arguments={"secret": put("bind arguments")})
        )
    )
    talk.broker(method(1, spec.Queue.BindOk()))
    talk.client(
        method(1, spec.Basic.Consume(queue="args", consumer_tag="u", arguments={"api_key": put("consume arguments")}))
    )
    talk.broker(method(1, spec.Basic.ConsumeOk("u")))
    headers = {
        "X-Auth-Token": put("headers"),
        "nested": {"a": [{"password": put("headers, nested")}]},
        "json": json.dumps({"passphrase": put("headers, json")}),
        "raw": b"\xff password=" + put("headers, octets").encode(),
    }
    texts = {
        name: f"token={put(f'property {name}')}"
        for name in ("content_type", "content_encoding", "correlation_id", "reply_to", "expiration", "message_id",
                     "type", "user_id", "app_id", "cluster_id")
    }  # fmt: skip
    bus.send(b"plain", BasicProperties(headers=headers, **texts))
    back = spec.Basic.Return(312, f"NO_ROUTE password={put('return text')}", "", "gone")
    talk.broker(content(back, b"back", BasicProperties(headers={"secret": put("headers of a return")})))
    talk.broker(method(0, spec.Connection.Blocked(f"low on token={put('blocked reason')}")))
    other = opened(packets, 42_001)
    other.client(method(1, spec.Queue.Declare(queue="refused")))
    other.broker(method(1, spec.Channel.Close(406, f"secret={put('channel close text')}", 50, 10)))
    other.client(method(1, spec.Channel.CloseOk()))
    other.broker(method(0, spec.Connection.Close(320, f"token={put('connection close text')}", 0, 0)))
    other.client(method(0, spec.Connection.CloseOk()))
    return bus


def values(put: Canaries, where: str) -> dict[str, Any]:
    """Secrets in JSON values of every shape."""

    def canary(what: str) -> str:
        return put(f"{where}: {what}")

    deep: Any = {"password": canary("20 levels deep")}
    for level in range(20):
        deep = [deep] if level % 2 else {"a": deep}
    text: Any = {"admin_pass": canary("JSON in JSON in JSON in JSON")}
    for _ in range(3):
        text = json.dumps({"x": text, "y": 1})
    return {
        "spellings": {key: canary(f"key {key}") for key in SPELLINGS},
        "types": {
            "token": put.number(f"{where}: a number"),
            "secret": [canary("a list"), 1],
            "credentials": {"blob": {"a": canary("an object")}},
            "psk": canary("long") + "x" * 5000,
        },
        "deep": deep,
        "json": text,
        "dumped_twice": json.dumps(json.dumps({"password": canary("JSON text of JSON text")})),
        "escaped": '{"pass\\u0077ord": "' + canary("an escaped key") + '"}',
        "repeated": '{"password": "' + canary("a repeated key") + '", "password": null}',
        "cut": '{"user": "a", "password": "' + canary("JSON cut off"),
        "pairs": [["password", canary("pair")], ["host", "a"]],
        "options": ["mysql", "--password", canary("option"), "-h", "db"],
        "glued": [f"--password={canary('option with =')}"],
        "iscsi": ["iscsiadm", "-n", "node.session.auth.password", "-v", canary("name, -v, value")],
        "compared": [["password", "=", canary("comparison")]],
        "key_value": [{"key": "password", "value": canary("key, value")}],
        "name_value": {"Name": "admin_pass", "Value": canary("Name, Value")},
        "patch": [{"op": "replace", "path": "/instance_info/admin_pass", "value": canary("JSON patch")}],
        "connection_info": {
            "data": {
                "auth_method": "CHAP",
                "auth_password": canary("auth_password"),
                "discovery_auth_password": canary("discovery_auth_password"),
                "encryption_key": canary("encryption_key"),
                "keyring": canary("keyring"),
                "secret_uuid": canary("secret_uuid"),
            }
        },
        "injected_files": [["/etc/x", canary("injected_files")]],
        "personality": [{"path": "/etc/x", "contents": canary("personality")}],
        "transport_url": f"rabbit://nova:{canary('URL')}@h1:5672,nova:{canary('URL, second host')}@h2:5672/v",
        f"mysql://root:{canary('URL as a key')}@db/x": 1,
        "console": f"http://h:6080/vnc_lite.html?path=%3Ftoken%3D{canary('token in a quoted URL')}",
        "texts": dict(enumerate(texts(canary))),
    }


def texts(canary: Any) -> list[str]:
    """Secrets in free text, as OpenStack's logs and exceptions have them."""
    return [
        f"password={canary('password=x')}",
        f"Login(user='a', admin_pass='{canary('repr')}', x=1)",
        f"{{'adminPass': u'{canary('u-string')}', 'host': 'a'}}",
        f"{{'key': 'admin_password', 'value': '{canary('key, value in text')}'}}",
        f"<os:password>a {canary('XML')} b</os:password>",
        f"<name>admin_pass</name><value>{canary('XML, name and value')}</value>",
        f"openstack --os-password {canary('--os-password x')} server list",
        f"-n node.session.auth.password -v {canary('name -v x')}",
        f"Authorization: Bearer {canary('bearer')}",
        f'Authorization: Digest username="a", response="{canary("digest")}"',
        f"curl -H 'X-Auth-Token: {canary('header')}' http://h/",
        f"Set-Cookie: session={canary('cookie')}; Path=/",
        f"connecting to amqp://u:p/{canary('URL with a slash')}@host",
        f"token gAAAAAB{canary('fernet')}-_=",
        f"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.{canary('web token')}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{canary('PEM')}\n-----END RSA PRIVATE KEY-----",
        f"client:\n  password: |\n    {canary('YAML block')}\n  host: a",
        f"\x1b[31mpass\x1b[1mword\x1b[0m = {canary('behind colours')}",
        f"ｐａｓｓｗｏｒｄ={canary('full-width letters')}",
        f"password = 'it's {canary('a quote in it')}'",
    ]


def messages(bus: Bus, put: Canaries) -> None:
    """The messages of oslo.messaging, of each kind."""
    context = {
        f"_context_{key}": put(f"context {key}")
        for key in ("auth_token", "service_token", "trust_id", "password", "aws_creds", "user_auth_token_info")
    }
    context |= {
        "_context_service_catalog": [{"endpoints": [put("context service_catalog")]}],
        "_context_trace_info": {"hmac_key": put("context hmac_key"), "base_id": "b"},
        "_context_request_id": "req-0f786915-1a86-4d5f-b4df-f9e06eab21d1",
        "_context_user": "admin",
    }
    ids = {"_msg_id": "73a8fe4c00000000000000000000beef", "_reply_q": "reply_1", "_unique_id": "1" * 32}
    call = {"method": "change_password", "version": "1.2", "args": values(put, "args"), **context, **ids}
    bus.send(enveloped(call))
    answer = {"_msg_id": ids["_msg_id"], "ending": True}
    failure = json.dumps(
        {
            "class": "Timeout",
            "module": "oslo",
            "message": f"no answer for password={put('failure message')}",
            "tb": ["Traceback:\n", f'  call(admin_pass="{put("failure traceback")}")\n'],
            "args": [f"token={put('failure args')}"],
            "kwargs": {"password": put("failure kwargs"), "deep": [{"secret": put("failure kwargs, deep")}]},
        }
    )
    reply = {**answer, "result": None, "failure": failure, "_unique_id": "2" * 32}
    bus.send(enveloped(reply), exchange="", key="reply_1")
    ids = {"_msg_id": "4" * 32, "_reply_q": "reply_1", "_unique_id": "4" * 32}
    bus.send(enveloped({"method": "get_token", "args": {}, **ids, "_context_request_id": "req-2"}))
    result = {"token": {"id": put("result of get_token")}, **values(put, "result")}
    reply = {"_msg_id": "4" * 32, "result": result, "failure": None, "ending": True, "_unique_id": "5" * 32}
    bus.send(enveloped(reply), exchange="", key="reply_1")
    text_failure = f"broken: password={put('failure that is no JSON')}"
    bus.send(enveloped({"_msg_id": "6" * 32, "failure": text_failure, "ending": True, "_unique_id": "6" * 32}))
    notification = {
        "event_type": "compute.instance.create.error",
        "publisher_id": "compute.h1",
        "priority": "ERROR",
        "payload": values(put, "payload"),
        "message_id": "a-b",
        "_unique_id": "7" * 32,
    }
    bus.send(enveloped({**notification, "_context_auth_token": put("context of a notification")}), key="notifications")
    bus.send(json.dumps({**notification, "payload": {"password": put("notification v1")}}).encode())
    cast = {"method": f"token={put('method')}", "namespace": f"secret={put('namespace')}", "args": {}}
    bus.send(enveloped({**cast, "_unique_id": "8" * 32}))
    squeezed = zlib.compress(enveloped({"method": "m", "args": {"secret": put("compressed")}, "_unique_id": "9" * 32}))
    bus.send(squeezed, BasicProperties(headers={"compression": "gzip"}))
    bus.send(squeezed, BasicProperties(headers={"compression": f"password={put('name of a compression')}"}))


def bodies(bus: Bus, put: Canaries) -> None:
    """Bodies that are no messages of oslo.messaging, or no longer."""
    whole = enveloped({"method": "m", "args": {"a": 1, "password": put("envelope cut off") + "x" * 100}})
    bus.send(whole[: whole.index(b"xxxx") + 4])
    bus.send(
        b'{"oslo.version": "2.0", "oslo.message": "{\\"password\\": \\"' + put("inner JSON broken").encode() + b'"}'
    )
    bus.send(json.dumps({"a": [{"password": put("other JSON")}]}).encode())
    bus.send(f'{{"password": "{put("JSON with a repeated key")}", "password": null}}'.encode())
    bus.send(f'{{"pass\\u0077ord": "{put("JSON with an escaped key")}"}}'.encode())
    bus.send(f'{{"pass\\u0077ord": "{put("broken JSON with an escaped key")}'.encode())
    bus.send(b"\xff\xfe password=" + put("no UTF-8").encode() + b" x")
    bus.send(f"password={put('UTF-16')}".encode("utf-16"))
    bus.send(b"\x82\xa8password\xaf" + put("MessagePack").encode() + b"\xa4host\xa1a")
    bus.send(b"\x80\x02}q\0X\x08\0\0\0passwordq\x01X\x0f\0\0\0" + put("pickle").encode() + b"q\x02s.")
    bus.send(b"\x05LOGINS\0\0\0\x01a\x08PASSWORDS\0\0\0\x0f" + put("field table").encode())
    for text in texts(lambda what: put(f"text body: {what}")):
        bus.send(text.encode())
    bus.send(zlib.compress(put("damaged zlib").encode())[:-3], BasicProperties(headers={"compression": "gzip"}))


def build(path: Path) -> Canaries:
    """Write the capture."""
    put, packets = Canaries(), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        authentication(packets, put)
        bus = tables(packets, put)
        messages(bus, put)
        bodies(bus, put)
        bus.talk.close()
    path.write_bytes(pcap(packets, link_type=101))
    return put
