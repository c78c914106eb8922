"""A card issuer's payment authorisation processor. Start reading at `authoriser.pipeline`."""

__version__ = "0.1.0"
