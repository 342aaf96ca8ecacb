"""Tesla's pages for operators."""

DEVELOPER = "https://developer.tesla.com"
DOCS = f"{DEVELOPER}/docs/fleet-api"
