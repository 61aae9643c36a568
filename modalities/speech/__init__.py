"""Speech: what is said in a recording, and subtitles from it."""
