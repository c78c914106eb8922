"""What events look like to whoever reads them: their shapes, as structs and as JSON Schema in docs/events/.

A promise to programs that others wrote: it only grows. Imports nothing of ours, so that a reader of events needs
neither the ledger nor the journal.
"""
