"""From a chapter's text to an executed notebook to a page; the claims and their ledger."""
