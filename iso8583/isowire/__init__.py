"""ISO 8583 on the wire: framing, dialects, messages and typed fields, without I/O.

Knows nothing of cards, accounts or money beyond how a field writes them. Start at `codec.py`.
"""

from isowire.codec import Codec, Message
from isowire.dialect import Condition, Dialect, Meaning, dialect_names, dialect_template, load_dialect
from isowire.errors import DecodeError, DialectError, EncodeError, FramingError, WireError
from isowire.fields import (
    AdditionalAmount,
    CardAcceptor,
    EntryMode,
    OriginalDataElements,
    OriginalDataElements1993,
    ProcessingCode,
    format_additional_amounts,
    parse_additional_amounts,
    parse_amount,
    parse_card_acceptor,
    parse_entry_mode,
    parse_fee,
    parse_original_data_elements,
    parse_original_data_elements_1993,
    parse_processing_code,
    parse_replacement_amount,
)
from isowire.frame_reader import FrameReader
from isowire.framing import FRAMINGS, Frame, Framing, envelope_of
from isowire.moments import (
    check_datetime_mmddhhmmss,
    parse_expiry,
    parse_local_1993,
    resolve_local,
    resolve_transmission,
)
from isowire.mti import clear_repeat, is_known, is_response, response_mti
from isowire.pan import Pan, luhn_valid, pan_of
from isowire.semantics import NOTHING_SAID, NetworkData, Semantics
from isowire.subfields import Form, Subfield
from isowire.tlv import BerTlvError, Item, format_ber_tlv, parse_ber_tlv, tag_name, unknown_tags

__all__ = [
    "FRAMINGS",
    "NOTHING_SAID",
    "AdditionalAmount",
    "BerTlvError",
    "CardAcceptor",
    "Codec",
    "Condition",
    "DecodeError",
    "Dialect",
    "DialectError",
    "EncodeError",
    "EntryMode",
    "Form",
    "Frame",
    "FrameReader",
    "Framing",
    "FramingError",
    "Item",
    "Meaning",
    "Message",
    "NetworkData",
    "OriginalDataElements",
    "OriginalDataElements1993",
    "Pan",
    "ProcessingCode",
    "Semantics",
    "Subfield",
    "WireError",
    "check_datetime_mmddhhmmss",
    "clear_repeat",
    "dialect_names",
    "dialect_template",
    "envelope_of",
    "format_additional_amounts",
    "format_ber_tlv",
    "is_known",
    "is_response",
    "load_dialect",
    "luhn_valid",
    "pan_of",
    "parse_additional_amounts",
    "parse_amount",
    "parse_ber_tlv",
    "parse_card_acceptor",
    "parse_entry_mode",
    "parse_expiry",
    "parse_fee",
    "parse_local_1993",
    "parse_original_data_elements",
    "parse_original_data_elements_1993",
    "parse_processing_code",
    "parse_replacement_amount",
    "resolve_local",
    "resolve_transmission",
    "response_mti",
    "tag_name",
    "unknown_tags",
]
