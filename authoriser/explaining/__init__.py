"""Asking the journal afterwards: what became of a payment, why a message met it or not, what other rules would have
said. Reads beside a running server, and writes nothing.
"""
