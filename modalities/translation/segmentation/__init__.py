"""Sentences of texts that break them: cues of subtitles, wrapped paragraphs, Markdown."""
