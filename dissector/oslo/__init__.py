"""Bodies: from the bytes of one AMQP content to what oslo.messaging means by them.

`hot` gives what correlation and statistics need, quickly; `decode` gives all that a record shows, with secrets
masked. `mask` and `mask_json` do the same for what is shown beside the record: properties and whole bodies.
The room knows nothing of other messages, and bytes never raise out of it.
"""

from dissector.oslo.masking import mask, mask_json
from dissector.oslo.masktext import mask_text
from dissector.oslo.message import HotMessage, hot
from dissector.oslo.plain import envelope_of, plain
from dissector.oslo.record import Decoded, decode

__all__ = ["Decoded", "HotMessage", "decode", "envelope_of", "hot", "mask", "mask_json", "mask_text", "plain"]
