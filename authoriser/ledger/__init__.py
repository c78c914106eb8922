"""The ledger: commands in, records out, state from records. Pure and deterministic.

No clock, randomness, I/O or global is read in here. `decide` looks at the state and says what would happen,
as records that carry their full effects; `apply` makes it so. Replaying the records gives the state, to the
hash, without running a rule.
"""
