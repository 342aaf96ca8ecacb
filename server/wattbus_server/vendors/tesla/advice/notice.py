"""How the server notices that something was done: the sentences that remedies share."""

SCOPES = (
    "A permission that was only switched off shows in the next access token, which the server fetches when it "
    "verifies, about every {interval} at first. One that was never granted needs a link session instead."
)
LINK = "The server notices at once when the end user finishes the link."
KEY = "The server asks Tesla (fleet_status, not billed) about every {interval}."
ACCOUNT = "The server lists the account's products (not billed) about every {interval}."
RECORD = "The server reads the vehicle's record (not billed, does not wake it) about every {interval}."
SETTINGS = "The server reads the site's settings (not billed) about every {interval}."
LIVE = "The server reads the site's live status (not billed) about every {interval}."
POLL = "The regular reads (not billed) show it in the device's state."
NEXT_TRY = "Nothing that is free shows it: send the command again, its answer tells."
NEXT_CALL = "Nothing to tell the server: the next call is judged anew."
RESTART = "The server reads its settings when it starts."
