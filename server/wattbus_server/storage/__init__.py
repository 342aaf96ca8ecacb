"""Storage: tables, migrations and encryption at rest. Rooms keep their own statements; here is what they share."""
