"""Transcription, translation and subtitles as flows."""

from pathlib import Path

import jiwer
import numpy as np
import pytest

from flows.ingest import store_file, store_unrecorded
from flows.library.speaking.form import SubtitleOrder
from flows.library.speaking.speakers import find_speakers
from flows.library.translation.documents import doubts_with_texts
from flows.library.translation.glossary import Term, add_term, list_terms, remove_term
from flows.running.content_forms import Document, Recording, Text
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.subtitle_media import subtitle
from flows.transcribe_audio import transcribe
from flows.translate_document import translate_file
from flows.translate_text import translate
from media.errors import ItemError
from media.recordings.added_track import add_track
from media.recordings.pieces import read_window
from modalities.translation.requests import Doubt
from tests.media.audio.test_channels import sound
from tests.media.made.films import film
from tests.media.made.pictures import written


def plain(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


async def test_a_recording_becomes_text_with_times_and_files(context: RunContext, samples: Path) -> None:
    record, _ = store_file(context.space, samples / "speech-1961.flac", "speech.flac")
    report = await transcribe(context, Recording(recording=record.artifact.sha256, project=context.space.project))
    assert report.language == "en"
    assert "ask not what your country can do for you" in report.text.lower()
    assert report.segments[0].words
    srt = context.space.store.get(report.files["srt"]).decode()
    assert srt.startswith("1\n00:00:0")
    assert context.space.store.get(report.files["vtt"]).decode().startswith("WEBVTT")
    kept = context.space.records.get(report.files["srt"].sha256)
    assert kept.parents == (record.artifact.sha256,)


async def test_german_speech_is_translated_into_english_in_one_step(context: RunContext, samples: Path) -> None:
    unrecorded = store_unrecorded(context.space, samples / "anzeigetafel.flac")
    spoken = await transcribe(context, Recording(recording=unrecorded.sha256, project=context.space.project))
    english = await transcribe(context, Recording(recording=unrecorded.sha256, to="en", project=context.space.project))
    assert (spoken.language, english.language) == ("de", "en")
    assert "modell" in spoken.text.lower()
    assert "old" in english.text.lower()


async def test_the_channels_of_a_recording_are_heard_apart_in_english_too(
    context: RunContext, samples: Path, tmp_path: Path
) -> None:
    german = read_window(samples / "anzeigetafel.flac", 0).samples
    sound(tmp_path / "call.wav", [german, np.zeros_like(german)], "stereo")
    stored = store_unrecorded(context.space, tmp_path / "call.wav")
    form = Recording(recording=stored.sha256, channels="separate", to="en", project=context.space.project)
    report = await transcribe(context, form)
    assert report.language == "en"
    assert report.segments
    assert all(segment.text.startswith("Channel 1: ") for segment in report.segments)
    assert "old" in report.text.lower()


async def test_two_readers_are_speaker_one_and_two_in_text_segments_and_subtitles(
    context: RunContext, samples: Path, tmp_path: Path
) -> None:
    readers = [read_window(samples / name, 0).samples for name in ("reading.wav", "speech-1961.flac")]
    sound(tmp_path / "both.wav", [np.concatenate(readers)], "mono")
    record, _ = store_file(context.space, tmp_path / "both.wav", "both.wav")
    form = Recording(recording=record.artifact.sha256, speakers=True, project=context.space.project)
    report = await transcribe(context, form)
    assert report.text.startswith("Speaker 1: ")
    assert report.text.count("Speaker 2: ") == 1
    speakers = [segment.speaker for segment in report.segments]
    assert speakers == sorted(speakers, key=str)
    assert "country" in next(segment.text for segment in report.segments if segment.speaker == 2).lower()
    assert "Speaker 2: " in context.space.store.get(report.files["srt"]).decode()
    plain_ones = [segment.model_copy(update={"speaker": None}) for segment in report.segments]
    assert find_speakers(context.space, record.artifact, plain_ones) == tuple(report.segments)


async def test_transcribing_an_unrecorded_file_adds_nothing_to_the_library(context: RunContext, samples: Path) -> None:
    unrecorded = store_unrecorded(context.space, samples / "weather.wav")
    report = await transcribe(context, Recording(recording=unrecorded.sha256, project=context.space.project))
    assert "weather" in report.text.lower()
    assert list(context.space.records.all()) == []


async def test_subtitles_come_in_each_language_with_the_same_times(context: RunContext, samples: Path) -> None:
    record, _ = store_file(context.space, samples / "speech-1961.flac", "speech.flac")
    order = SubtitleOrder(recording=record.artifact.sha256, languages=["de", "it", "fr"], project=context.space.project)
    report = await subtitle(context, order)
    assert report.spoken == "en"
    assert list(report.missing) == ["it"]
    assert "No model translates from en to it" in report.missing["it"]
    assert set(report.doubtful) == {"de", "fr"}
    assert list(report.subtitles) == ["en", "de", "fr"]
    texts = {lang: context.space.store.get(files["srt"]).decode() for lang, files in report.subtitles.items()}
    first_and_last = {lang: (text.split("\n")[1][:12], text.rsplit(" --> ", 1)[1][:12]) for lang, text in texts.items()}
    assert len(set(first_and_last.values())) == 1
    assert len(set(texts.values())) == 3


async def test_a_voice_over_is_as_long_as_the_film_and_says_its_sentences_in_time(
    context: RunContext, samples: Path, tmp_path: Path
) -> None:
    import av

    with av.open(str(samples / "anzeigetafel.flac")) as opened:
        seconds = float(opened.duration or 0) / 1e6
    silent = film(tmp_path / "silent.webm", [(200, 0, 0), (0, 0, 200)], seconds=2, codec="libvpx")
    media_type, talking = add_track(silent, samples / "anzeigetafel.flac", "deu")
    assert media_type == "video/x-matroska"  # MP4 does not hold VP8
    record, _ = store_file(context.space, written(tmp_path, talking), "talk.mkv")
    order = SubtitleOrder(
        recording=record.artifact.sha256, voice_over="en", with_film=True, project=context.space.project
    )
    report = await subtitle(context, order)
    assert (report.spoken, list(report.subtitles)) == ("de", ["de", "en"])
    made = report.voice_over
    assert made is not None
    assert made.film is not None
    assert 1 <= made.fastest_pace <= 1.4
    said = await transcribe(context, Recording(recording=made.sound.sha256, project=context.space.project))
    assert said.language == "en"
    assert said.duration_seconds == pytest.approx(seconds, abs=1.5)
    told = context.space.store.get(report.subtitles["en"]["txt"]).decode()
    assert jiwer.wer(plain(told), plain(said.text)) < 0.3
    with context.space.store.local(made.film) as path, av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "audio"]
        assert container.streams.audio[1].metadata["language"] == "eng"
    assert context.space.records.get(made.film.sha256).parents == (record.artifact.sha256,)


async def test_a_language_that_the_voice_does_not_speak_is_one_sentence_and_the_subtitles_are_there(
    context: RunContext, samples: Path
) -> None:
    stored = store_unrecorded(context.space, samples / "anzeigetafel.flac")
    order = SubtitleOrder(recording=stored.sha256, voice_over="de", project=context.space.project)
    report = await subtitle(context, order)
    assert list(report.subtitles) == ["de"]
    assert report.voice_over is None
    assert report.no_voice_over == "The voice hibari-heart speaks en and not de."


async def test_a_picture_cannot_be_transcribed(context: RunContext, samples: Path) -> None:
    record, _ = store_file(context.space, samples / "red-bus.jpg", "red-bus.jpg")
    with pytest.raises(NothingToDo, match=r"red-bus\.jpg is no recording but image/jpeg"):
        await transcribe(context, Recording(recording=record.artifact.sha256, project=context.space.project))


async def test_a_translation_has_as_many_lines_as_the_original(context: RunContext) -> None:
    text = "Good morning.\n\nWhere is the station?\nI would like a cup of tea."
    report = await translate(context, Text(text=text, target="de", project=context.space.project))
    assert (report.source, report.target) == ("en", "de")
    lines = report.text.split("\n")
    assert len(lines) == 4
    assert lines[1] == ""
    assert all(lines[number] and lines[number] != text.split("\n")[number] for number in (0, 2, 3))


async def test_a_stored_text_is_translated(context: RunContext, samples: Path) -> None:
    record, _ = store_file(context.space, samples / "herbstmarkt.md", "herbstmarkt.md")
    report = await translate(
        context, Text(artifact=record.artifact.sha256[:10], target="en", project=context.space.project)
    )
    assert report.source == "de"
    assert len(report.text.split("\n")) == len((samples / "herbstmarkt.md").read_text().split("\n"))


async def test_of_a_stored_document_what_it_says_is_translated(context: RunContext, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<html><body><h1>Good morning</h1><p>Where is the <b>station</b>?</p></body></html>")
    record, _ = store_file(context.space, page, page.name)
    form = Text(artifact=record.artifact.sha256, source="en", target="de", project=context.space.project)
    assert "<" not in (await translate(context, form)).text
    assert "<h1>" in (await translate(context, form.model_copy(update={"format": "html"}))).text


async def test_a_pair_that_no_model_knows_is_refused_with_the_pairs_there_are(context: RunContext) -> None:
    with pytest.raises(ItemError, match="sv"):
        await translate(
            context, Text(text="Good morning, my friend.", target="sv", source="en", project=context.space.project)
        )


async def test_an_empty_text_is_refused(context: RunContext) -> None:
    with pytest.raises(NothingToDo, match="There is no text"):
        await translate(context, Text(text=" \n ", target="de", project=context.space.project))


async def test_a_document_keeps_its_markup_and_a_glossary_is_kept(context: RunContext) -> None:
    for term in (("en", "de", "invoice", "Rechnung"), ("*", "*", "Triptych", "Triptych")):
        add_term(context.space, Term(source=term[0], target=term[1], term=term[2], translation=term[3]))
    page = b"<h1>Hello</h1><p>I <b>really</b> like this <i>old house</i>.</p><p>I paid the invoice of Triptych.</p>"
    stored = context.space.store.put(page, "text/html")
    form = Document(document=stored.sha256, name="page.html", target="de", project=context.space.project)
    report = await translate_file(context, form)
    assert (report.name, report.source, report.passages) == ("page.de.html", "en", 3)
    html = context.space.store.get(report.artifact).decode()
    assert html.startswith("<h1>Hallo</h1><p>")
    assert "<b>wirklich</b>" in html
    assert "Haus</i>" in html
    assert "Rechnung" in html
    assert "Triptych" in html
    text = Text(text=page.decode(), format="html", target="de", source="en", project=context.space.project)
    assert (await translate(context, text)).text == html
    assert remove_term(context.space, list_terms(context.space)[0])
    assert len(list_terms(context.space)) == 1


async def test_a_doubt_about_a_document_says_which_passage_it_is_about(context: RunContext) -> None:
    text = "Hello.\n\nCounterparties subrogate debentures notwithstanding.\n"
    form = Text(text=text, format="paragraphs", target="de", source="en", project=context.space.project)
    [doubt] = (await translate(context, form)).doubts
    assert doubt.before == "Counterparties subrogate debentures notwithstanding."
    assert doubt.after


def test_all_reasons_for_a_passage_are_one_doubt() -> None:
    doubts = [
        Doubt(line=1, reason="It repeats."),
        Doubt(line=0, reason="It is long."),
        Doubt(line=1, reason="It lost 3."),
    ]
    rows = [("a", "b"), ("c", "d")]
    assert [(each.before, each.reason) for each in doubts_with_texts(rows, doubts)] == [
        ("c", "It repeats. It lost 3."),
        ("a", "It is long."),
    ]


async def test_chinese_changes_its_script_without_a_model(context: RunContext) -> None:
    text = Text(text="我們學習漢字。", source="zh-Hant", target="zh-Hans", project=context.space.project)
    assert (await translate(context, text)).text == "我们学习汉字。"
