"""ISO 8583 on the wire: framing, dialects, messages and typed fields, without I/O.

Knows nothing of cards, accounts or money beyond how a field writes them. Start at `codec.py`.
"""

from isowire.codec import Codec, Message
from isowire.dialect import Dialect, dialect_names, load_dialect
from isowire.errors import DecodeError, DialectError, EncodeError, FramingError, WireError
from isowire.fields import (
    CardAcceptor,
    OriginalDataElements,
    ProcessingCode,
    check_datetime_mmddhhmmss,
    parse_amount,
    parse_card_acceptor,
    parse_original_data_elements,
    parse_processing_code,
    parse_replacement_amount,
)
from isowire.frame_reader import FrameReader
from isowire.framing import FRAMINGS, Frame, Framing, envelope_of
from isowire.mti import clear_repeat, is_known, is_response, response_mti
from isowire.pan import Pan, luhn_valid, pan_of

__all__ = [
    "FRAMINGS",
    "CardAcceptor",
    "Codec",
    "DecodeError",
    "Dialect",
    "DialectError",
    "EncodeError",
    "Frame",
    "FrameReader",
    "Framing",
    "FramingError",
    "Message",
    "OriginalDataElements",
    "Pan",
    "ProcessingCode",
    "WireError",
    "check_datetime_mmddhhmmss",
    "clear_repeat",
    "dialect_names",
    "envelope_of",
    "is_known",
    "is_response",
    "load_dialect",
    "luhn_valid",
    "pan_of",
    "parse_amount",
    "parse_card_acceptor",
    "parse_original_data_elements",
    "parse_processing_code",
    "parse_replacement_amount",
    "response_mti",
]
