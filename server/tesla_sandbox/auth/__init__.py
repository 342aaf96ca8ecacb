"""Tesla account pages: consent, tokens, consent management, key pairing."""
