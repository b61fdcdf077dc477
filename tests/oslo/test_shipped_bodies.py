"""Every oslo.messaging body of the shipped captures against oslo.messaging's own deserialiser."""

import json

from dissector.oslo import plain
from dissector.rpc.lastbodies import compression_of
from dissector.views.record import record

from ..wiring import messages
from .wire import driver


def test_bodies_equal_oslo_messagings_own(capture_name):
    for message in messages(capture_name):
        oslo = record(message, show_secrets=True).oslo
        if oslo is None:
            continue
        told = driver.deserialize_msg(json.loads(plain(message.body, compression_of(message))))
        ours = {
            "method": oslo.method,
            "args": oslo.args,
            "version": oslo.version,
            "namespace": oslo.namespace,
            "_msg_id": oslo.msg_id,
            "_reply_q": oslo.reply_q,
            "_unique_id": oslo.unique_id,
            "result": oslo.result,
            "ending": oslo.ending,
            "event_type": oslo.event_type,
            "payload": oslo.payload,
            "message_id": oslo.message_id,
        }
        assert ours == {name: told.get(name) for name in ours}
        context = {key.removeprefix("_context_"): value for key, value in told.items() if key.startswith("_context_")}
        assert (oslo.context or {}) == context
