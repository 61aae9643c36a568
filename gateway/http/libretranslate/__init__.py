"""Routes compatible with LibreTranslate's API."""
