"""Every method frame that tshark's own AMQP dissector decodes is in ours, and the other way round, packet by packet.

Wireshark's own defects are the only exceptions, and each is pinned here: where a later version mends one, the
test that asserts it fails, and the exception can go.
"""

import struct
import subprocess
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from dissector.amqp.constants import FRAME_METHOD, FRAME_TYPES
from dissector.amqp.frames import PROTOCOL, FrameReader
from dissector.amqp.methods import decode_method
from dissector.capture import PacketBatch, open_capture
from dissector.net import StreamData, Streams

from .amqp import amqp_frames as make
from .lab import truth
from .net.packets import FIN, Packet, segment

pytestmark = pytest.mark.tshark

ARGUMENTS = ("exchange", "routing_key", "queue", "consumer_tag", "delivery_tag", "reply_code")
