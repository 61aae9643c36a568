// The pictures of an order, as they come: the server says when something changed, and the list is fetched again.

import { announce, settleAll } from './gallery.js';

const place = document.querySelector('[data-job]');
const address = `/make/${place.dataset.job}/pictures?${place.dataset.query}`;
const PAUSE = 600; // milliseconds between two looks
let busy = false;
let again = false;

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  do {
    again = false;
    const answer = await fetch(address).catch(() => null);
    if (answer?.ok) put(await answer.text(), answer.headers.get('x-ended') === 'yes');
    await new Promise((done) => { setTimeout(done, PAUSE); });
  } while (again);
  busy = false;
}

function put(html, ended) {
  const known = new Set([...place.querySelectorAll('[data-artifact]')].map((each) => each.dataset.artifact));
  const held = document.activeElement?.closest('[data-artifact]')?.dataset.artifact;
  const fresh = document.createElement('template');
  fresh.innerHTML = html;
  for (const card of fresh.content.querySelectorAll('[data-artifact]')) card.classList.toggle('new', !known.has(card.dataset.artifact));
  place.replaceChildren(fresh.content);
  settleAll(place);
  if (held) place.querySelector(`[data-artifact="${held}"] a`)?.focus();
  if (ended && !('ended' in place.dataset)) {
    place.dataset.ended = '';
    events.close();
    announce(place.querySelector('[data-state]').textContent);
  }
}

const events = 'ended' in place.dataset ? null : new EventSource(`/api/jobs/${place.dataset.job}/events`);
events?.addEventListener('job', refresh);
events?.addEventListener('error', refresh); // the browser connects again by itself
