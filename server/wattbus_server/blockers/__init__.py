"""What stands in the way: the catalogue of reasons, the ledger of open blockers, and their verification."""
